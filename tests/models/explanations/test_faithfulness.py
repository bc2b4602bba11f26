import numpy as np
import pytest

from models.explanations.faithfulness import (
    NUM_RANDOM_ORDERS,
    NUM_STEPS,
    Faithfulness,
    FaithfulnessCheck,
    blurred,
)
from models.explanations.superpixels import mean_by_region, segment
from models.predictor import predict_probabilities


def check_of(candidate, image, seed=1):
    def answer(images):
        return predict_probabilities(candidate.predictor, images)

    return FaithfulnessCheck.prepare(answer, image, segment(image), seed)


def test_the_square_is_faithful_and_its_opposite_is_not(square_candidate, texture, in_square):
    check = check_of(square_candidate, texture)
    importance = mean_by_region(in_square.astype(float), check.regions)
    right, wrong = check.judge(importance), check.judge(-importance)
    assert right.verdict == "faithful"
    assert wrong.verdict == "not faithful"
    assert right.deletion_area < right.random_areas.min()
    assert right.insertion_area > right.random_areas.max()
    assert wrong.deletion_area > wrong.insertion_area


def test_curves_go_from_the_image_to_the_blurred_one_and_back(square_candidate, texture, in_square):
    check = check_of(square_candidate, texture)
    found = check.judge(mean_by_region(in_square.astype(float), check.regions))
    ends = predict_probabilities(square_candidate.predictor, np.stack([texture, blurred(texture)]))
    np.testing.assert_allclose(found.deletion[[0, -1]], ends, atol=1e-6)
    np.testing.assert_allclose(found.insertion[[0, -1]], ends[::-1], atol=1e-6)
    for shares in (found.deleted_shares, found.inserted_shares):
        assert (shares[0], shares[-1]) == (0.0, 1.0)
        assert len(shares) == NUM_STEPS + 1
        assert np.all(np.diff(shares) > 0.0)
    assert len(found.random_areas) == NUM_RANDOM_ORDERS


def test_an_answer_that_never_moves_tells_nothing(texture):
    regions = segment(texture)
    check = FaithfulnessCheck.prepare(
        lambda images: np.full(len(images), 0.97), texture, regions, 0
    )
    found = check.judge(np.arange(regions.max() + 1.0))
    assert found.verdict == "cannot be told"
    assert found.deletion_area == pytest.approx(0.97)


@pytest.mark.parametrize(
    ("deletion", "insertion", "verdict"),
    [
        ([1.0, 0.0, 0.0], [0.0, 1.0, 1.0], "faithful"),
        ([1.0, 0.0, 0.0], [0.0, 0.5, 1.0], "partly faithful"),
        ([1.0, 0.5, 0.0], [0.0, 1.0, 1.0], "partly faithful"),
        ([1.0, 0.5, 0.0], [0.0, 0.5, 1.0], "not faithful"),
        ([0.95, 0.9, 0.9], [0.9, 0.95, 0.95], "cannot be told"),
    ],
)
def test_the_verdict_needs_both_to_beat_every_random_order(deletion, insertion, verdict):
    shares = np.array([0.0, 0.5, 1.0])
    found = Faithfulness(
        deleted_shares=shares,
        deletion=np.array(deletion),
        inserted_shares=shares,
        insertion=np.array(insertion),
        random_areas=np.array([0.4, 0.5, 0.6]),
        random_mean=np.array(deletion),
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
