import numpy as np
import pytest

from report.explanations.faithfulness import (
    NUM_RANDOM_ORDERS,
    NUM_STEPS,
    SMALLEST_MOVE,
    Faithfulness,
    FaithfulnessCheck,
    blurred,
)
from report.explanations.superpixel_lime import mean_by_region, segment


def check_of(candidate, image, seed=1):
    return FaithfulnessCheck.prepare(candidate.log_odds, image, segment(image), seed)


def test_the_square_is_faithful_and_its_opposite_is_not(square_candidate, texture, in_square):
    check = check_of(square_candidate, texture)
    importance = mean_by_region(in_square.astype(float), check.regions)
    right, wrong = check.judge(importance), check.judge(-importance)
    assert right.verdict == "faithful"
    assert wrong.verdict == "not faithful"
    assert right.deletion_area < right.random_areas.min()
    assert right.insertion_area > right.random_areas.max()
    assert wrong.deletion_area > wrong.insertion_area
    assert min(right.deletion_gain, right.insertion_gain) > 0.5
    assert max(wrong.deletion_gain, wrong.insertion_gain) < 0.0


def test_curves_go_from_the_image_to_the_blurred_one_and_back(square_candidate, texture, in_square):
    check = check_of(square_candidate, texture)
    found = check.judge(mean_by_region(in_square.astype(float), check.regions))
    ends = square_candidate.log_odds(np.stack([texture, blurred(texture)]))
    np.testing.assert_allclose(found.deletion[[0, -1]], ends, atol=1e-5)
    np.testing.assert_allclose(found.insertion[[0, -1]], ends[::-1], atol=1e-5)
    for shares in (found.deleted_shares, found.inserted_shares):
        assert (shares[0], shares[-1]) == (0.0, 1.0)
        assert len(shares) == NUM_STEPS + 1
        assert np.all(np.diff(shares) > 0.0)
    assert len(found.random_areas) == NUM_RANDOM_ORDERS


@pytest.mark.parametrize("log_odds", [-20.0, 0.0, 9.0])
def test_an_answer_that_never_moves_is_inconclusive(texture, log_odds):
    regions = segment(texture)
    check = FaithfulnessCheck.prepare(
        lambda images: np.full(len(images), log_odds), texture, regions, 0
    )
    found = check.judge(np.arange(regions.max() + 1.0))
    assert found.verdict == "inconclusive"
    assert found.deletion_area == pytest.approx(log_odds)


def test_around_one_half_as_much_must_move_as_a_tenth_of_probability():
    move = np.log(0.55 / 0.45) - np.log(0.45 / 0.55)
    assert move == pytest.approx(SMALLEST_MOVE, abs=0.002)


@pytest.mark.parametrize(
    ("deletion", "insertion", "verdict"),
    [
        ([1.0, 0.0, 0.0], [0.0, 1.0, 1.0], "faithful"),
        ([1.0, 0.0, 0.0], [0.0, 0.5, 1.0], "partly faithful"),
        ([1.0, 0.5, 0.0], [0.0, 1.0, 1.0], "partly faithful"),
        ([1.0, 0.5, 0.0], [0.0, 0.5, 1.0], "not faithful"),
        ([0.8, 0.5, 0.5], [0.5, 0.8, 0.8], "inconclusive"),
    ],
)
@pytest.mark.parametrize("sureness", [-30.0, 0.0, 30.0])
def test_the_verdict_needs_both_to_beat_every_random_order(deletion, insertion, verdict, sureness):
    shares = np.array([0.0, 0.5, 1.0])
    found = Faithfulness(
        deleted_shares=shares,
        deletion=sureness + np.array(deletion),
        inserted_shares=shares,
        insertion=sureness + np.array(insertion),
        random_areas=sureness + np.array([0.4, 0.5, 0.6]),
        random_mean=sureness + np.array(deletion),
    )
    assert found.verdict == verdict


def test_the_same_seed_gives_the_same_and_equal_patches_are_in_random_order(
    square_candidate, texture
):
    first = check_of(square_candidate, texture)
    level = np.zeros(first.regions.max() + 1)
    again = check_of(square_candidate, texture)
    np.testing.assert_array_equal(first.judge(level).deletion, again.judge(level).deletion)
    np.testing.assert_array_equal(first.random_curves, again.random_curves)
    other = check_of(square_candidate, texture, seed=2)
    assert np.any(first.random_curves != other.random_curves)
    assert np.any(first.judge(level).deletion != other.judge(level).deletion)


def test_the_baseline_has_no_detail_and_the_same_mean(texture):
    soft = blurred(texture)
    assert soft.dtype == np.uint8
    assert soft.std() < 0.2 * texture.std()
    assert soft.mean() == pytest.approx(texture.mean(), abs=4.0)
