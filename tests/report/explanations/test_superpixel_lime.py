import numpy as np
import pytest

from report.explanations.superpixel_lime import (
    SMALLEST_WEIGHT,
    explain_by_lime,
    mean_by_region,
    segment,
)

SIDE, TILE = 32, 8


@pytest.fixture
def regions():
    rows, columns = np.indices((SIDE, SIDE)) // TILE
    return (rows * 4 + columns).astype(np.int64)


@pytest.fixture
def image(regions):
    return (np.random.default_rng(5).integers(0, 2, (SIDE, SIDE, 1)) * 255).astype(np.uint8)


def contrast(images, regions, region):
    """How textured a patch still is: 1 as drawn, 0 greyed out."""
    pixels = images[:, regions == region].astype(float)
    return np.minimum(pixels.std(axis=(1, 2)) / 100.0, 1.0)


def make_log_odds(regions, sureness=0.0):
    """Patch 5 speaks for pneumonia, patch 10 half as much against it."""
    return lambda images: (
        sureness + 4.0 * contrast(images, regions, 5) - 2.0 * contrast(images, regions, 10)
    )


def explain(image, regions, sureness=0.0, **changes):
    arguments = {"num_samples": 300, "seed": 3, "is_pneumonia": True} | changes
    return explain_by_lime(make_log_odds(regions, sureness), image, regions, **arguments)


@pytest.mark.parametrize("sureness", [-40.0, 0.0, 40.0])
def test_a_linear_answer_is_found_again_with_its_signs_however_sure(image, regions, sureness):
    found = explain(image, regions, sureness)
    assert found.weights[5] == pytest.approx(4.0, abs=0.3)
    assert found.weights[10] == pytest.approx(-2.0, abs=0.3)
    assert np.abs(np.delete(found.weights, [5, 10])).max() < 0.3
    assert found.fit > 0.95
    assert found.mask[regions == 5].all()


@pytest.mark.parametrize(("is_pneumonia", "region"), [(True, 5), (False, 10)])
def test_the_mask_shows_what_speaks_for_the_answer(image, regions, is_pneumonia, region):
    mask = explain(image, regions, is_pneumonia=is_pneumonia).mask
    assert mask.dtype == bool
    assert mask[regions == region].all()
    assert not mask[regions == (15 - region)].any()
    assert len(np.unique(regions[mask])) <= 5


def test_an_answer_that_hardly_moves_has_no_mask(image, regions):
    def log_odds(images):
        return 9.0 + 0.05 * contrast(images, regions, 5)

    found = explain_by_lime(log_odds, image, regions, num_samples=99, seed=0, is_pneumonia=True)
    assert not found.mask.any()
    assert found.smallest == SMALLEST_WEIGHT


def noisy_log_odds(images):
    """A large number that has nothing to do with any patch."""
    return 40.0 + 8.0 * np.array(
        [np.random.default_rng(int(image.sum())).standard_normal() for image in images]
    )


def test_noise_is_not_outlined_however_large(image, regions):
    masks, errors = [], []
    for seed in range(20):
        found = explain_by_lime(
            noisy_log_odds, image, regions, num_samples=150, seed=seed, is_pneumonia=True
        )
        masks.append(found.mask.any())
        errors.append(found.weights.std() / found.noise)
        assert found.smallest == pytest.approx(3.0 * found.noise)
        assert np.abs(found.weights).max() > 10.0 * SMALLEST_WEIGHT
    assert np.mean(masks) <= 0.1
    # The spread of weights that are all noise is what their standard error says.
    assert np.mean(errors) == pytest.approx(1.0, abs=0.15)


def test_the_same_seed_gives_the_same_and_another_another(image, regions):
    first, again = explain(image, regions), explain(image, regions)
    np.testing.assert_array_equal(first.weights, again.weights)
    assert np.any(first.weights != explain(image, regions, seed=4).weights)


@pytest.mark.parametrize("num_samples", [50, 130])
def test_as_many_answers_as_asked_for_and_nothing_on_the_terminal(
    image, regions, num_samples, capfd
):
    asked = []

    def log_odds(images):
        assert images.dtype == np.uint8
        assert images.shape[1:] == (SIDE, SIDE, 1)
        asked.append(len(images))
        return make_log_odds(regions)(images)

    explain_by_lime(log_odds, image, regions, num_samples=num_samples, seed=0, is_pneumonia=True)
    assert sum(asked) == num_samples
    assert capfd.readouterr() == ("", "")


def test_patches_are_numbered_without_a_gap_and_as_many_as_asked_for():
    rows, columns = np.indices((64, 64))
    image = (120 + 100 * np.sin(rows / 9.0) * np.cos(columns / 13.0)).astype(np.uint8)
    regions = segment(image[..., np.newaxis], 30)
    numbers = np.unique(regions)
    assert regions.shape == image.shape
    assert numbers.tolist() == list(range(len(numbers)))
    assert 15 <= len(numbers) <= 45


def test_patches_follow_edges():
    image = np.zeros((64, 64, 1), np.uint8)
    image[:, 29:] = 255  # not where a grid of 48 patches would be cut
    regions = segment(image)
    assert not set(regions[:, :28].ravel()) & set(regions[:, 30:].ravel())


def test_a_flat_image_and_a_tiny_one_have_patches_too():
    assert len(np.unique(segment(np.full((64, 64, 1), 7, np.uint8)))) > 1
    assert segment(np.zeros((4, 4, 1), np.uint8)).shape == (4, 4)


def test_mean_by_region():
    regions = np.array([[0, 0], [1, 2]])
    values = np.array([[1.0, 3.0], [5.0, 7.0]])
    assert mean_by_region(values, regions).tolist() == [2.0, 5.0, 7.0]
