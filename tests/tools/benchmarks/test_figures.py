from __future__ import annotations

import pytest
from pydantic import ValidationError

from tools.benchmarks.figures import PairedFigures, WorkerFigures, speed_ratio, spread


def figures(ours_s: tuple[float, ...], bare_s: tuple[float, ...]) -> PairedFigures:
    return PairedFigures(
        name="sorting",
        ours="ours",
        bare="bare",
        num_images=100,
        ours_s=ours_s,
        bare_s=bare_s,
        target=0.8,
    )


def test_a_side_that_takes_twice_as_long_has_half_the_speed() -> None:
    assert speed_ratio((4.0,), (2.0,)).median == 0.5


def test_ratios_are_taken_within_pairs_before_their_median() -> None:
    # The third pair ran while the machine was ten times slower: its ratio is like the others'.
    ratio = figures((1.0, 2.0, 20.0), (0.9, 1.6, 17.0)).ratio()
    assert (ratio.low, ratio.median, ratio.high) == pytest.approx((0.8, 0.85, 0.9))


def test_median_of_an_even_number_lies_between() -> None:
    assert spread([4.0, 1.0, 2.0, 3.0]).median == 2.5


def test_speed_is_images_by_median_seconds() -> None:
    measured = figures((2.0, 4.0, 8.0), (1.0, 1.0, 1.0))
    assert measured.images_per_s(measured.ours_s) == 25.0


@pytest.mark.parametrize(("ours_s", "reached"), [(1.25, True), (1.26, False)])
def test_target_is_reached_at_the_bound_and_not_below(ours_s: float, reached: bool) -> None:
    assert figures((ours_s,), (1.0,)).reached() is reached


def test_sides_of_different_length_are_refused() -> None:
    with pytest.raises(ValidationError, match="expected pairs, got 2 and 1"):
        figures((1.0, 2.0), (1.0,))


@pytest.mark.parametrize("seconds", [(), (0.0,), (-1.0,)])
def test_seconds_that_cannot_be_are_refused(seconds: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError):
        figures(seconds, seconds)


def test_worker_counts_are_compared_with_the_first() -> None:
    measured = WorkerFigures(
        num_images=10, seconds={"Convert": {"one": (2.0, 4.0), "two": (1.0, 2.0)}}
    )
    assert measured.ratio("Convert", "two").median == 2.0
    assert measured.ratio("Convert", "one").median == 1.0
