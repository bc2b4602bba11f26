import numpy as np

from report.explanations.superpixels import mean_by_region, segment


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
