import numpy as np
import pytest

from models.stress import STRESSES, stressed_images


def pictures(count: int = 5, side: int = 64) -> np.ndarray:
    rng = np.random.default_rng(6)
    return rng.integers(40, 200, (count, side, side, 1)).astype(np.uint8)


def sharpness(images: np.ndarray) -> float:
    return float(np.abs(np.diff(images.astype(float), axis=2)).mean())


@pytest.mark.parametrize("name", STRESSES)
def test_each_stress_changes_images_the_same_way_every_time(name):
    images = pictures()
    stressed = stressed_images(images, name)
    assert stressed.shape == images.shape
    assert stressed.dtype == np.uint8
    assert np.mean(stressed != images) > 0.1
    np.testing.assert_array_equal(stressed, stressed_images(images, name))
    # Nor does it depend on the company.
    np.testing.assert_array_equal(stressed[:1], stressed_images(images[:1], name))


@pytest.mark.parametrize(
    ("name", "is_expected"),
    [
        ("low_resolution_2x", lambda before, after: sharpness(after) < 0.6 * sharpness(before)),
        ("blur", lambda before, after: sharpness(after) < 0.8 * sharpness(before)),
        ("sharpen", lambda before, after: sharpness(after) > 1.2 * sharpness(before)),
        ("noise", lambda before, after: abs(after.mean() - before.mean()) < 1.0),
        ("brighter", lambda before, after: after.mean() > before.mean() + 20),
        ("darker", lambda before, after: after.mean() < before.mean() - 20),
        ("less_contrast", lambda before, after: after.std() < 0.8 * before.std()),
        ("more_contrast", lambda before, after: after.std() > 1.2 * before.std()),
        ("gamma_lighter", lambda before, after: after.mean() > before.mean()),
        ("gamma_darker", lambda before, after: after.mean() < before.mean()),
        ("borders", lambda before, after: after[:, :4].max() == 0 and after[:, -4:].max() == 0),
    ],
)
def test_each_stress_does_what_its_name_says(name, is_expected):
    images = pictures()
    assert is_expected(images.astype(float), stressed_images(images, name).astype(float))


def test_an_unknown_stress_is_refused():
    with pytest.raises(ValueError, match="Expected a stress of"):
        stressed_images(pictures(), "earthquake")
