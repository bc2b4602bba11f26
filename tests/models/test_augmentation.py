import numpy as np
import pytest
import tensorflow as tf
from keras.src.legacy.preprocessing.image import apply_affine_transform

from contract.settings import AugmentationSettings
from models.augmentation import add_bands, affine_maps, mix_pairs, move, vary_photometry

# Keras' own reference reaches scipy by its old name.
pytestmark = pytest.mark.filterwarnings("ignore:Please import `affine_transform`")

STILL = {"rotation_degrees": 0, "width_shift": 0, "height_shift": 0, "shear_degrees": 0, "zoom": 0}
OFF = dict.fromkeys(
    ("brightness", "contrast", "gamma", "blur", "sharpen", "resample", "noise", "erasing"), 0.0
)
SEED = tf.constant([1, 2], tf.int64)


def smooth_images(count: int, side: int = 48) -> np.ndarray:
    rng = np.random.default_rng(3)
    coarse = rng.uniform(0, 255, (count, 6, 6, 1)).astype(np.float32)
    return tf.image.resize(coarse, [side, side], method="bicubic").numpy()


@pytest.mark.parametrize(
    ("setting", "bound"),
    [("rotation_degrees", 40.0), ("shear_degrees", 30.0), ("zoom", 0.4), ("width_shift", 0.2),
     ("height_shift", 0.3)],
)  # fmt: skip
def test_each_change_is_that_of_image_data_generator(setting, bound):
    settings = AugmentationSettings(**{**STILL, setting: bound})
    images = smooth_images(1)
    side = images.shape[1]
    seed = tf.constant([5, 7], tf.int64)
    draw = tf.random.stateless_uniform([6, 1], seed, minval=-1.0, maxval=1.0).numpy()[:, 0]
    arguments = {
        "rotation_degrees": {"theta": draw[0] * bound},
        "shear_degrees": {"shear": draw[1] * bound},
        "height_shift": {"ty": draw[2] * bound * side},
        "width_shift": {"tx": draw[3] * bound * side},
        "zoom": {"zy": 1 + draw[4] * bound, "zx": 1 + draw[5] * bound},
    }[setting]
    expected = apply_affine_transform(
        images[0], row_axis=0, col_axis=1, channel_axis=2, fill_mode="nearest", order=1, **arguments
    )
    got = move(tf.constant(images), seed, settings).numpy()[0]
    # The outermost pixels differ in how the two interpolate across the border.
    np.testing.assert_allclose(got[2:-2, 2:-2], expected[2:-2, 2:-2], atol=0.5)


def test_all_changes_together_compose_as_in_image_data_generator():
    settings = AugmentationSettings(
        rotation_degrees=40, width_shift=0.2, height_shift=0.2, zoom=0.1, shear_degrees=20.0
    )
    images = smooth_images(1)
    side = images.shape[1]
    seed = tf.constant([1, 2], tf.int64)
    draw = tf.random.stateless_uniform([6, 1], seed, minval=-1.0, maxval=1.0).numpy()[:, 0]
    expected = apply_affine_transform(
        images[0],
        theta=draw[0] * 40.0,
        shear=draw[1] * 20.0,
        ty=draw[2] * 0.2 * side,
        tx=draw[3] * 0.2 * side,
        zy=1 + draw[4] * 0.1,
        zx=1 + draw[5] * 0.1,
        row_axis=0,
        col_axis=1,
        channel_axis=2,
        fill_mode="nearest",
        order=1,
    )
    got = move(tf.constant(images), seed, settings).numpy()[0]
    np.testing.assert_allclose(got[2:-2, 2:-2], expected[2:-2, 2:-2], atol=0.5)


def test_without_change_the_map_is_the_identity():
    maps = affine_maps(2, 10, 20, tf.constant([1, 1], tf.int64), AugmentationSettings(**STILL))
    np.testing.assert_allclose(maps.numpy(), [[1, 0, 0, 0, 1, 0, 0, 0]] * 2, atol=1e-6)


def test_a_seed_repeats_its_maps_and_every_image_has_its_own():
    images = tf.repeat(tf.constant(smooth_images(1)), 4, axis=0)
    settings = AugmentationSettings()
    run = tf.function(lambda seed: move(images, seed, settings))
    first = run(tf.constant([1, 2], tf.int64)).numpy()
    again = run(tf.constant([1, 2], tf.int64)).numpy()
    other = run(tf.constant([1, 3], tf.int64)).numpy()
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 1
    assert np.abs(first[0] - first[1]).mean() > 1


def test_outside_is_filled_with_the_nearest_pixel():
    images = tf.fill([3, 16, 16, 1], 77.0)
    augmented = move(images, tf.constant([0, 0], tf.int64), AugmentationSettings())
    np.testing.assert_allclose(augmented.numpy(), 77.0, rtol=1e-5)


def test_strength_scales_the_maps():
    seed = tf.constant([1, 1], tf.int64)
    ranges = {**STILL, "width_shift": 0.1}
    once = affine_maps(3, 20, 20, seed, AugmentationSettings(**ranges)).numpy()
    twice = affine_maps(3, 20, 20, seed, AugmentationSettings(**ranges, strength=2.0)).numpy()
    np.testing.assert_allclose(twice[:, 2], 2.0 * once[:, 2], rtol=1e-5)
    assert np.abs(once[:, 2]).min() > 0


def flat(count: int = 40, side: int = 50) -> tf.Tensor:
    return tf.fill([count, side, side, 1], 100.0)


def black(images) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of each image that are all black."""
    is_dark = images[..., 0] < 1.0
    return is_dark.all(2).sum(1), is_dark.all(1).sum(1)


def test_bands_lie_on_one_axis_and_are_as_wide_on_both_sides():
    images = add_bands(flat(), SEED, 1.0).numpy()
    rows, columns = black(images)
    assert np.all((rows == 0) | (columns == 0))
    assert rows.max() > 3
    assert columns.max() > 3
    assert max(rows.max(), columns.max()) <= 0.3 * 50
    np.testing.assert_allclose(images, images[:, ::-1, ::-1], atol=1e-2)
    np.testing.assert_array_equal(images, add_bands(flat(), SEED, 1.0))


def test_the_whole_picture_stays_between_the_bands():
    ramp = np.tile(np.linspace(10, 200, 64, dtype=np.float32)[:, None, None], (30, 1, 64, 1))
    images = add_bands(tf.constant(ramp), SEED, 1.0).numpy()
    assert np.all(images[..., 0].max((1, 2)) > 190)
    dark_rows, _ = black(images)
    for image, count in zip(images, dark_rows, strict=True):
        if count > 6:
            inner = image[count // 2 + 2 : -(count // 2 + 2), 32, 0]
            assert inner[0] < 25
            assert inner[-1] > 185


def test_the_probability_is_that_of_an_image():
    untouched = flat(400)
    assert add_bands(untouched, SEED, 0.0) is untouched
    changed = np.any(add_bands(untouched, SEED, 0.3).numpy() != 100.0, axis=(1, 2, 3))
    assert 0.15 < changed.mean() < 0.4


def test_the_same_inside_a_dataset():
    (mapped,) = (
        tf.data.Dataset.from_tensors(flat())
        .map(lambda images: add_bands(images, SEED, 0.5))
        .as_numpy_iterator()
    )
    np.testing.assert_allclose(mapped, add_bands(flat(), SEED, 0.5), atol=1e-3)


def images(count: int = 6, side: int = 128) -> tf.Tensor:
    rng = np.random.default_rng(1)
    return tf.constant(rng.uniform(60, 190, (count, side, side, 1)).astype(np.float32))


def vary(pixels, **settings) -> np.ndarray:
    return vary_photometry(pixels, SEED, AugmentationSettings(**{**OFF, **settings})).numpy()


def sharpness(pixels) -> np.ndarray:
    return np.abs(np.diff(np.asarray(pixels), axis=2)).mean((1, 2, 3))


def test_nothing_changes_where_every_range_is_nought():
    np.testing.assert_allclose(vary(images()), images(), atol=1e-3)


@pytest.mark.parametrize(
    "setting",
    ["brightness", "contrast", "gamma", "blur", "sharpen", "resample", "noise", "erasing"],
)
def test_each_kind_changes_images_within_full_scale_and_repeats_with_its_seed(setting):
    pixels = images()
    changed = vary(pixels, **{setting: 0.4})
    assert np.abs(changed - pixels).max() > 1.0
    assert changed.min() >= 0.0
    assert changed.max() <= 255.0
    np.testing.assert_array_equal(changed, vary(pixels, **{setting: 0.4}))


def test_brightness_adds_and_contrast_keeps_the_mean():
    pixels = images()
    brighter = vary(pixels, brightness=0.2) - pixels
    assert np.ptp(brighter, axis=(1, 2, 3)).max() < 1e-2
    assert np.abs(brighter).max() <= 0.2 * 255.0
    np.testing.assert_allclose(
        vary(pixels, contrast=0.3).mean((1, 2, 3)), pixels.numpy().mean((1, 2, 3)), atol=0.5
    )


def test_blur_only_softens_and_sharpening_only_sharpens():
    pixels = images(32)
    before = sharpness(pixels)
    softened, sharpened = (sharpness(vary(pixels, **{kind: 1.0})) for kind in ("blur", "sharpen"))
    assert np.all(softened <= before + 1e-3)
    assert np.any(softened < 0.8 * before)
    assert np.all(sharpened >= before - 1e-3)
    assert np.any(sharpened > 1.2 * before)


def test_resampling_loses_detail_in_a_part_of_the_images():
    pixels = images(64)
    lost = sharpness(vary(pixels, resample=0.9)) < 0.95 * sharpness(pixels)
    assert 0.2 < np.mean(lost) < 0.8


def test_strength_scales_the_ranges():
    pixels = images()
    weak = vary(pixels, brightness=0.1) - pixels
    strong = vary(pixels, brightness=0.1, strength=2.0) - pixels
    np.testing.assert_allclose(strong, 2.0 * weak, atol=1e-2)


@pytest.mark.slow
def test_the_same_change_inside_a_dataset():
    settings = AugmentationSettings(blur=0.5, sharpen=0.5, resample=0.4, noise=0.05, erasing=0.5)
    eager = vary_photometry(images(), SEED, settings).numpy()
    dataset = tf.data.Dataset.from_tensors(images()).map(
        lambda pixels: vary_photometry(pixels, SEED, settings)
    )
    (mapped,) = list(dataset.as_numpy_iterator())
    np.testing.assert_allclose(mapped, eager, atol=1e-2)


def waves(count: int, side: int = 64) -> np.ndarray:
    """Images without chance in them: uint8 [count, side, side, 1]."""
    number, row, column = np.ogrid[:count, :side, :side]
    down = 70 * np.sin((0.08 + 0.02 * number) * row + number)
    across = 50 * np.cos((0.2 - 0.03 * number) * column)
    return np.round(128 + down + across).astype(np.uint8)[..., np.newaxis]


def augmented(pixels: np.ndarray, settings: AugmentationSettings) -> np.ndarray:
    varied = vary_photometry(move(tf.constant(pixels), SEED, settings), SEED + 1, settings)
    return add_bands(varied, SEED + 2, settings.bands).numpy()[..., 0]


def test_a_seed_gives_the_images_that_it_gave_before_xla_compiled_them():
    # By one TensorFlow operation a step, with ImageProjectiveTransformV3 for what is moved.
    settings = AugmentationSettings(noise=0.0, erasing=0.5, bands=0.6)
    expected = [
        [[203.5, 133.36, 153.87, 0], [255, 175.28, 220.1, 0],
         [236.23, 116.02, 179.45, 0], [147.05, 25.53, 118.28, 0]],
        [[201.6, 144.75, 227.28, 155.1], [108.83, 98.43, 179.55, 103.89],
         [26.45, 49, 91.03, 8.32], [92.11, 141.26, 130.05, 62.32]],
        [[173.33, 114.03, 160.65, 101.74], [100.34, 26.76, 94.21, 67.17],
         [145.75, 100.63, 161.98, 157.88], [182.27, 111.16, 136.96, 121.03]],
        [[179.49, 140.26, 142.33, 205.53], [197.64, 129.16, 118.77, 165.85],
         [226.51, 184.16, 204.83, 249.51], [140.51, 74.1, 117.31, 167]],
        [[183.61, 127.69, 62.98, 62.78], [249.64, 210.94, 180.34, 201.51],
         [127.91, 65.86, 24, 70.56], [247.28, 193.79, 167.77, 194.15]],
    ]  # fmt: skip
    got = augmented(waves(5), settings)
    np.testing.assert_allclose(got[:, 8::16, 8::16], expected, atol=0.02)


def test_all_changes_together_keep_the_moments_that_they_had():
    # Of the same operations with TensorFlow's own normal numbers.
    got = augmented(waves(5).repeat(40, axis=0), AugmentationSettings())
    moments = {
        "mean": got.mean(),
        "deviation": got.std(),
        "difference of neighbours": np.abs(np.diff(got, axis=2)).mean(),
        "black": (got < 1).mean(),
        "white": (got > 254).mean(),
        "deviation of the means": got.mean((1, 2)).std(),
    }
    expected = [118.50, 68.50, 8.23, 0.064, 0.025, 25.71]
    np.testing.assert_allclose(list(moments.values()), expected, rtol=0.02)


def test_noise_is_normal_and_its_own_for_every_pixel_and_image():
    settings = AugmentationSettings(**{**OFF, "noise": 0.05})
    noise = vary_photometry(tf.fill([64, 65, 65, 1], 127.5), SEED, settings).numpy() - 127.5
    deviations = noise.std((1, 2, 3), keepdims=True)
    assert deviations.max() < 1.03 * 0.05 * 255
    # Uniform amounts.
    assert 0.4 < deviations.mean() / (0.05 * 255) < 0.6
    standard = (noise / deviations)[..., 0]
    shares = [(np.abs(standard) < sigmas).mean() for sigmas in (0.5, 1, 2, 3)]
    np.testing.assert_allclose(shares, [0.3829, 0.6827, 0.9545, 0.9973], atol=0.005)
    np.testing.assert_allclose(standard.mean((1, 2)), 0.0, atol=5 / 65)
    halves = standard.reshape(-1)[: standard.size // 2 * 2].reshape(2, -1)
    for first, second in [
        (standard[:, :, 1:], standard[:, :, :-1]),
        (standard[:, 1:], standard[:, :-1]),
        (standard[1:], standard[:-1]),
        halves,  # of the same random words
    ]:
        assert abs(np.corrcoef(first.reshape(-1), second.reshape(-1))[0, 1]) < 0.01


def test_pairs_are_mixed_with_their_labels():
    pixels = tf.reshape(tf.constant([0.0, 1.0] * 20), [40, 1, 1, 1])
    labels = tf.constant([[0.0], [1.0]] * 20)
    mixed, truth = mix_pairs(pixels, labels, SEED, 1.0)
    np.testing.assert_allclose(mixed[:, 0, 0], truth, atol=1e-6)
    # The image itself stays the larger part.
    assert np.all(np.abs(truth.numpy() - labels.numpy()) <= 0.5)
    assert np.any(np.abs(truth.numpy() - labels.numpy()) > 0.05)
    unmixed, same = mix_pairs(pixels, labels, SEED, 0.0)
    assert unmixed is pixels
    assert same is labels
