"""Every image operation is tried eagerly and inside a graph."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from contract import features
from contract.settings import CUSTOM_CONFIG_KEY, TransformSettings
from models.preprocessing import (
    crop_around_lungs,
    decode_and_resize,
    decode_grey,
    decode_transformed,
    preprocessing_fn,
)


def encode(pixels: np.ndarray, image_format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, image_format)
    return buffer.getvalue()


def in_both_modes(function, *arguments):
    eager = function(*arguments).numpy()
    graph = tf.function(function)(*arguments).numpy()
    np.testing.assert_array_equal(eager, graph)
    return eager


@pytest.mark.slow
@pytest.mark.parametrize("resize", ["squash", "letterbox", "lung_crop"])
@pytest.mark.parametrize("shape", [(37, 90), (90, 37, 3), (700, 500), (16, 16)])
@pytest.mark.parametrize("image_format", ["PNG", "JPEG"])
def test_any_image_becomes_the_input_size(resize, shape, image_format):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    settings = TransformSettings(image_size_px=32, resize=resize)
    image = in_both_modes(
        lambda data: decode_and_resize(data, settings), tf.constant(encode(pixels, image_format))
    )
    assert image.shape == (32, 32, 1)
    assert image.dtype == np.uint8


def test_grey_and_rgb_of_equal_channels_are_the_same_image():
    grey = np.random.default_rng(1).integers(0, 256, (50, 60), dtype=np.uint8)
    settings = TransformSettings(image_size_px=32)
    from_grey = decode_and_resize(tf.constant(encode(grey)), settings).numpy()
    from_rgb = decode_and_resize(
        tf.constant(encode(np.repeat(grey[..., np.newaxis], 3, -1))), settings
    ).numpy()
    np.testing.assert_allclose(from_grey.astype(int), from_rgb.astype(int), atol=1)


def test_squash_keeps_the_corners_and_letterbox_the_aspect_ratio():
    wide = np.full((50, 200), 200, np.uint8)
    data = tf.constant(encode(wide))
    squashed = decode_and_resize(data, TransformSettings(image_size_px=64, resize="squash"))
    boxed = decode_and_resize(data, TransformSettings(image_size_px=64, resize="letterbox"))
    assert np.all(squashed.numpy() == 200)
    assert np.all(boxed.numpy()[24:40] == 200)  # 64 * 50 / 200 = 16 rows in the middle
    assert np.all(boxed.numpy()[:24] == 0)
    assert np.all(boxed.numpy()[40:] == 0)


def test_large_images_are_averaged_not_sampled():
    checkers = np.indices((640, 640)).sum(0) % 2 * 255
    image = decode_and_resize(
        tf.constant(encode(checkers.astype(np.uint8))), TransformSettings(image_size_px=32)
    ).numpy()
    assert np.all(np.abs(image.astype(int) - 127) <= 3)


def test_lung_crop_follows_dark_lungs():
    image = np.full((100, 100, 1), 200, np.uint8)
    image[40:80, 50:85] = 20  # lungs low and to the right
    cropped = in_both_modes(lambda data: crop_around_lungs(data, 0.6), tf.constant(image))
    assert cropped.shape == (60, 60, 1)
    assert np.sum(cropped == 20) == 40 * 35  # nothing of the lungs is cut


@pytest.mark.parametrize("fraction", [0.3, 0.85, 1.0])
def test_lung_crop_of_a_flat_image_is_central(fraction):
    image = np.tile(np.arange(100, dtype=np.uint8)[:, np.newaxis, np.newaxis], (1, 100, 1))
    flat = np.full((100, 100, 1), 7, np.uint8)
    kept = round(100 * fraction)
    assert crop_around_lungs(tf.constant(flat), fraction).shape == (kept, kept, 1)
    assert crop_around_lungs(tf.constant(image), fraction).shape == (kept, kept, 1)


def test_bytes_that_are_no_image_raise():
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_and_resize(tf.constant(b"no image"), TransformSettings())


def raw_inputs(encoded: list[bytes]) -> dict[str, tf.Tensor]:
    number = len(encoded)
    return {
        features.IMAGE_BYTES: tf.constant(encoded),
        features.LABEL: tf.constant([index % 2 for index in range(number)], tf.int64),
        features.SUBTYPE: tf.constant(["normal", "viral"] * number)[:number],
        features.SIZE_GROUP: tf.constant(["under_500_px"] * number),
        features.SHARPNESS_GROUP: tf.constant(["soft", "sharp"] * number)[:number],
        features.PATIENT_ID: tf.constant([f"patient-{index // 2}" for index in range(number)]),
        features.IMAGE_ID: tf.constant([f"{index}.png" for index in range(number)]),
    }


def test_preprocessing_fn_keeps_pixels_at_a_byte_each():
    pixels = np.random.default_rng(2).integers(0, 256, (2, 64, 64), dtype=np.uint8)
    config = {CUSTOM_CONFIG_KEY: TransformSettings(image_size_px=64).model_dump_json()}
    inputs = raw_inputs([encode(image) for image in pixels])
    for transform in (preprocessing_fn, tf.function(preprocessing_fn, autograph=False)):
        outputs = transform(inputs, config)
        assert all(tensor.dtype in (tf.string, tf.int64) for tensor in outputs.values())
        stored = outputs[features.TRANSFORMED_IMAGE]
        assert stored.numpy().tolist() == [image.tobytes() for image in pixels]
        np.testing.assert_array_equal(decode_transformed(stored, 64).numpy()[..., 0], pixels)
        assert outputs[features.TRANSFORMED_LABEL].numpy().tolist() == [0, 1]
        for name in features.TRANSFORMED_TEXTS:
            assert outputs[name].numpy().tolist() == inputs[name].numpy().tolist()


@pytest.mark.parametrize("sizes", [(63 * 64, 63 * 64), (64 * 64, 63 * 64)])
def test_pixels_of_another_size_are_refused(sizes):
    # Two of another size have as many pixels as other numbers of the right one.
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_transformed(tf.constant([b"x" * size for size in sizes]), 64)


def test_no_image_at_all_is_an_empty_batch():
    assert decode_transformed(tf.constant([], tf.string), 64).shape == (0, 64, 64, 1)


def draw_chest(height: int, width: int) -> np.ndarray:
    """Return two dark lungs with ribs, and the grain of film."""
    rows = np.linspace(-1.0, 1.0, height)[:, np.newaxis]
    columns = np.linspace(-1.0, 1.0, width)[np.newaxis, :]
    lungs = np.exp(-(((np.abs(columns) - 0.4) / 0.3) ** 2) - (rows / 0.7) ** 2)
    ribs = 12.0 * np.sin(40.0 * rows + 9.0 * columns**2)
    grain = np.random.default_rng(3).normal(0.0, 3.0, (height, width))
    return np.clip(190.0 - 130.0 * lungs + ribs + grain, 0, 255).astype(np.uint8)


def decode_fully(image_bytes: bytes) -> np.ndarray:
    return tf.io.decode_image(image_bytes, channels=1, expand_animations=False).numpy()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "decoded"),
    [
        ((191, 195), (191, 195)),
        ((192, 300), (96, 150)),
        ((300, 201), (150, 101)),
        ((383, 383), (192, 192)),
        ((384, 500), (96, 125)),
        ((767, 800), (192, 200)),
        ((768, 2000), (96, 250)),
    ],
)
def test_a_jpeg_is_made_smaller_while_three_times_the_wanted_side_is_left(shape, decoded):
    data = tf.constant(encode(draw_chest(*shape), "JPEG"))
    image = in_both_modes(lambda given: decode_grey(given, 32).image, data)
    assert image.shape == (*decoded, 1)
    assert min(decoded) >= 96


@pytest.mark.parametrize("image_format", ["PNG", "JPEG"])
@pytest.mark.parametrize("shape", [(224, 224), (255, 700), (224, 224, 3)])
def test_what_is_not_made_smaller_is_decoded_as_ever(image_format, shape):
    pixels = draw_chest(*shape[:2])
    data = encode(np.repeat(pixels[..., np.newaxis], 3, -1) if len(shape) == 3 else pixels)
    if image_format == "JPEG":
        data = encode(pixels, "JPEG")
    decoded = decode_grey(tf.constant(data), 64)
    np.testing.assert_array_equal(decoded.image.numpy(), decode_fully(data))
    assert decoded.sides_px.numpy().tolist() == [*shape[:2]]
    assert decoded.excess.numpy() == 0.0


def test_a_large_png_keeps_all_its_pixels():
    pixels = draw_chest(600, 700)
    decoded = decode_grey(tf.constant(encode(pixels)), 32)
    np.testing.assert_array_equal(decoded.image.numpy()[..., 0], pixels)
    assert decoded.excess.numpy() == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(64, 64), (65, 200), (200, 65), (131, 150), (20, 33)])
def test_what_is_not_made_smaller_is_resized_as_tensorflow_does(shape):
    pixels = draw_chest(*shape)[..., np.newaxis]
    data = tf.constant(encode(pixels[..., 0]))
    squashed = tf.image.resize(pixels, [64, 64], antialias=True)
    boxed = tf.image.resize_with_pad(pixels, 64, 64, antialias=True)
    for resize, expected in (("squash", squashed), ("letterbox", boxed)):
        image = in_both_modes(
            lambda given, how=resize: decode_and_resize(
                given, TransformSettings(image_size_px=64, resize=how)
            ),
            data,
        )
        np.testing.assert_array_equal(image, np.round(expected.numpy()))


@pytest.mark.slow
@pytest.mark.parametrize("resize", ["squash", "letterbox", "lung_crop"])
@pytest.mark.parametrize(("height", "width"), [(384, 389), (520, 560), (1031, 1070), (1539, 2063)])
def test_a_jpeg_made_smaller_looks_as_the_whole_one(resize, height, width):
    buffer = io.BytesIO()
    Image.fromarray(draw_chest(height, width)).save(buffer, "JPEG", quality=92)
    settings = TransformSettings(image_size_px=64, resize=resize)
    whole = encode(decode_fully(buffer.getvalue())[..., 0])  # a PNG of its pixels
    smaller = decode_and_resize(tf.constant(buffer.getvalue()), settings).numpy().astype(int)
    difference = smaller - decode_and_resize(tf.constant(whole), settings).numpy()
    if resize == "lung_crop":  # the window begins at a whole pixel of what was decoded
        assert np.abs(difference).max() <= 5
    else:
        assert np.abs(difference).max() <= 2
        assert (difference == 0).mean() > 0.85
    assert abs(difference.mean()) < 0.15


@pytest.mark.parametrize("beyond", range(8))
def test_a_thin_dark_border_counts_once_whatever_the_size_divides_by(beyond):
    side_px = 800 + beyond
    pixels = np.full((side_px, side_px), 200, np.uint8)
    pixels[-2:] = pixels[:, -2:] = 0
    data = encode(pixels, "JPEG")
    settings = TransformSettings(image_size_px=32)
    whole = decode_and_resize(tf.constant(encode(decode_fully(data)[..., 0])), settings)
    smaller = decode_and_resize(tf.constant(data), settings)
    difference = smaller.numpy().astype(int) - whole.numpy()
    assert whole.numpy().min() < 185  # the border is seen
    assert np.abs(difference).max() <= 12


@pytest.mark.parametrize("level", [0, 1, 100, 254, 255])
def test_flat_images_keep_their_level_at_any_size(level):
    for side_px in (100, 300, 600, 1200):
        data = encode(np.full((side_px, side_px), level, np.uint8), "JPEG")
        image = decode_and_resize(tf.constant(data), TransformSettings(image_size_px=32)).numpy()
        np.testing.assert_array_equal(image, level)


def test_a_crop_leaves_three_times_the_wanted_side_too():
    data = tf.constant(encode(draw_chest(800, 800), "JPEG"))
    settings = TransformSettings(image_size_px=128, resize="lung_crop", lung_crop_fraction=0.85)
    whole = tf.constant(encode(decode_fully(data.numpy())[..., 0]))
    # 800 px are more than six times 128, but of the 400 px that were left 340 would be kept.
    np.testing.assert_array_equal(
        decode_and_resize(data, settings).numpy(), decode_and_resize(whole, settings).numpy()
    )


def test_colour_and_progressive_jpegs_are_made_smaller_alike():
    pixels = draw_chest(600, 600)
    colour = Image.fromarray(pixels).convert("RGB")
    decoded = []
    for image, options in (
        (Image.fromarray(pixels), {}),
        (Image.fromarray(pixels), {"progressive": True}),
        (colour, {}),
        (colour, {"progressive": True}),
        (colour, {"keep_rgb": True}),  # Adobe's: no conversion to luma and chroma
    ):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", **options)
        smaller = decode_grey(tf.constant(buffer.getvalue()), 32).image
        decoded.append(smaller.numpy().astype(int))
        assert decoded[-1].shape == (150, 150, 1)
    for other in decoded[1:]:
        assert np.abs(other - decoded[0]).max() <= 2


def spoilt_jpegs() -> dict[str, bytes]:
    whole = encode(draw_chest(600, 600), "JPEG")
    progressive, cmyk = io.BytesIO(), io.BytesIO()
    Image.fromarray(draw_chest(600, 600)).save(progressive, "JPEG", progressive=True)
    Image.new("CMYK", (600, 600), (10, 20, 30, 40)).save(cmyk, "JPEG")
    start_of_frame = whole.index(b"\xff\xc0")
    return {
        "start only": whole[:3],
        "half a header": whole[: start_of_frame + 6],
        "no scan": whole[: whole.index(b"\xff\xda")],
        "half a scan": whole[: len(whole) // 2],
        "half a progressive scan": progressive.getvalue()[: len(progressive.getvalue()) // 2],
        "no height": whole[: start_of_frame + 5] + b"\0\0" + whole[start_of_frame + 7 :],
        "12 bits": whole[: start_of_frame + 4] + b"\x0c" + whole[start_of_frame + 5 :],
        "no tables": whole[:20] + whole[start_of_frame:],
        "four inks": cmyk.getvalue(),
    }


@pytest.mark.parametrize("name", spoilt_jpegs())
def test_a_large_jpeg_that_cannot_be_read_is_the_error_that_it_was(name):
    data = spoilt_jpegs()[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid JPEG data"):
        decode_fully(data)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid JPEG data"):
        decode_grey(tf.constant(data), 32)


def test_a_jpeg_spoilt_within_is_read_as_far_as_it_was():
    data = bytearray(encode(draw_chest(600, 600), "JPEG"))
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    assert decode_fully(bytes(data)).shape == (600, 600, 1)
    assert decode_grey(tf.constant(bytes(data)), 32).image.shape == (150, 150, 1)


def test_the_loader_of_tensorflow_serving_runs_it(tmp_path):
    """TF Serving's session_bundle loads graphs into a session, as this does."""
    settings = TransformSettings(image_size_px=32)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def transform(image_bytes):
        inputs = {features.IMAGE_BYTES: image_bytes} | dict.fromkeys(
            [features.LABEL, *features.TRANSFORMED_TEXTS], 0
        )
        config = {CUSTOM_CONFIG_KEY: settings.model_dump_json()}
        stored = preprocessing_fn(inputs, config)[features.TRANSFORMED_IMAGE]
        return {"pixels": decode_transformed(stored, 32)}

    module = tf.Module()
    tf.saved_model.save(module, str(tmp_path / "model"), signatures={"transform": transform})
    images = [
        encode(draw_chest(200, 200)),
        encode(draw_chest(100, 120), "JPEG"),
        *(encode(draw_chest(side_px, side_px), "JPEG") for side_px in (200, 400, 800)),
    ]
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], str(tmp_path / "model"))
        signature = meta_graph.signature_def["transform"]
        (given,) = signature.inputs.values()
        answer = session.run(signature.outputs["pixels"].name, {given.name: images})
    expected = [decode_and_resize(tf.constant(image), settings).numpy() for image in images]
    np.testing.assert_array_equal(answer, expected)
