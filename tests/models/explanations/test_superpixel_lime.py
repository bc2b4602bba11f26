import numpy as np
import pytest

from models.explanations.superpixel_lime import explain_by_lime

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


def make_predict(regions):
    """Patch 5 speaks for pneumonia, patch 10 half as much against it."""
    return lambda images: (
        0.4 + 0.4 * contrast(images, regions, 5) - 0.2 * contrast(images, regions, 10)
    )


def explain(image, regions, **changes):
    arguments = {"num_samples": 300, "seed": 3, "is_pneumonia": True} | changes
    return explain_by_lime(make_predict(regions), image, regions, **arguments)


def test_a_linear_answer_is_found_again_with_its_signs(image, regions):
    found = explain(image, regions)
    assert found.weights[5] == pytest.approx(0.4, abs=0.03)
    assert found.weights[10] == pytest.approx(-0.2, abs=0.03)
    assert np.abs(np.delete(found.weights, [5, 10])).max() < 0.03
    assert found.fit > 0.95


@pytest.mark.parametrize(("is_pneumonia", "region"), [(True, 5), (False, 10)])
def test_the_mask_shows_what_speaks_for_the_answer(image, regions, is_pneumonia, region):
    mask = explain(image, regions, is_pneumonia=is_pneumonia).mask
    assert mask.dtype == bool
    assert mask[regions == region].all()
    assert not mask[regions == (15 - region)].any()
    assert len(np.unique(regions[mask])) <= 5


def test_an_answer_that_never_moves_has_no_mask(image, regions):
    def predict(images):
        return 0.999 + 0.001 * contrast(images, regions, 5)

    found = explain_by_lime(predict, image, regions, num_samples=99, seed=0, is_pneumonia=True)
    assert not found.mask.any()


def test_the_same_seed_gives_the_same_and_another_another(image, regions):
    first, again = explain(image, regions), explain(image, regions)
    np.testing.assert_array_equal(first.weights, again.weights)
    assert np.any(first.weights != explain(image, regions, seed=4).weights)


@pytest.mark.parametrize("num_samples", [50, 130])
def test_as_many_answers_as_asked_for_and_nothing_on_the_terminal(
    image, regions, num_samples, capfd
):
    asked = []

    def predict(images):
        assert images.dtype == np.uint8
        assert images.shape[1:] == (SIDE, SIDE, 1)
        asked.append(len(images))
        return make_predict(regions)(images)

    explain_by_lime(predict, image, regions, num_samples=num_samples, seed=0, is_pneumonia=True)
    assert sum(asked) == num_samples
    assert capfd.readouterr() == ("", "")
