"""Tests of `pipeline.stages`."""

from __future__ import annotations

import pytest

from contract.progress import Progress
from pipeline.stages import LINE_INTERVAL_S, Stage, format_seconds


def progress(done: int, total: int = 15, **values: float) -> Progress:
    return Progress("Training cnn_deep", done, total, "epoch", values)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (progress(7, loss=0.31234, recall=0.9), "7 of 15 epochs, loss 0.312, recall 0.9"),
        (progress(1, 1), "1 of 1 epoch"),
        (progress(1000, 5232), "1,000 of 5,232 epochs"),
        (progress(0, rate=1e-5), "0 of 15 epochs, rate 1e-05"),
    ],
)
def test_a_stage_is_described(given: Progress, text: str) -> None:
    assert Stage(given, 0.0).describe() == f"Training cnn_deep: {text}"


def test_a_stage_that_starts_anew_is_a_further_run() -> None:
    stage = Stage(progress(1, 2), 0.0)
    assert [stage.advance(progress(done, 2)) for done in (2, 2, 1, 2, 0)] == [
        False,
        False,  # reported twice
        True,
        False,
        True,
    ]
    assert stage.title() == "Training cnn_deep (run 3)"


def test_lines_are_due_once_in_an_interval() -> None:
    stage = Stage(progress(1), line_s=100.0)
    assert not stage.line_due(100.0 + LINE_INTERVAL_S - 0.1)
    assert stage.line_due(100.0 + LINE_INTERVAL_S)
    assert not stage.line_due(100.0 + LINE_INTERVAL_S + 0.1)
    assert stage.line_due(100.0 + 2 * LINE_INTERVAL_S)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (125.4, "2 min 05 s"),
        (3599.6, "1 h 00 min"),
        (3725.0, "1 h 02 min"),
    ],
)
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text
