"""What the served graph refuses before it judges."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ingestion.image_header import read_header
from models.image_check import check_encoded_images, check_pixels, exif_orientations

CHECK = tf.function(check_encoded_images, input_signature=[tf.TensorSpec([None], tf.string)])


def picture(seed=0, dtype=np.uint8, top=256):
    return np.random.default_rng(seed).integers(0, top, (30, 40)).astype(dtype)


def encode(kind="PNG", pixels=None, orientation=None):
    options = {}
    if orientation is not None:
        exif = Image.Exif()
        exif[0x010F] = "a maker, so that the orientation is not alone"
        exif[0x0112] = orientation
        options["exif"] = exif
    buffer = io.BytesIO()
    Image.fromarray(picture() if pixels is None else pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def big_endian_exif(orientation):
    block = b"MM\0*\0\0\0\x08" + b"\0\x01" + b"\x01\x12\0\x03\0\0\0\x01" + bytes([0, orientation])
    return b"Exif\0\0" + block + bytes(6)


def with_segment(jpeg, code, body):
    return jpeg[:2] + bytes([0xFF, code]) + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


def refusal(*images):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        CHECK(tf.constant(images))
    return caught.value.message


def test_pictures_pass_as_they_are():
    images = [
        encode("JPEG"),
        encode("PNG"),
        encode("JPEG", orientation=1),
        encode("PNG", orientation=1),
        encode("PNG", picture(1, np.uint16, 65536)),
    ]
    assert CHECK(tf.constant(images)).numpy().tolist() == images
    assert CHECK(tf.constant([], tf.string)).numpy().tolist() == []


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_picture_is_refused_by_its_place(kind, orientation):
    message = refusal(encode(), encode(kind, orientation=orientation), encode("JPEG"))
    assert (
        f"image 1 of the batch: expected an upright picture, got EXIF orientation {orientation}"
        in (message)
    )
    assert message.count("of the batch") == 1


def test_the_orientation_is_read_as_ingestion_reads_it():
    jpeg = encode("JPEG")
    text = b"Exif\0\0 in a comment, which is no EXIF"
    images = [
        *(encode(kind, orientation=n) for kind in ("JPEG", "PNG") for n in range(10)),
        with_segment(jpeg, 0xE1, big_endian_exif(6)),
        with_segment(jpeg, 0xE1, big_endian_exif(9)),
        with_segment(with_segment(jpeg, 0xE1, big_endian_exif(6)), 0xE2, bytes(60_000)),
        with_segment(jpeg, 0xFE, big_endian_exif(6)),  # a comment
        with_segment(encode("JPEG", orientation=8), 0xFE, text),
        with_segment(jpeg, 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + big_endian_exif(6)),
        with_segment(with_segment(jpeg, 0xE1, big_endian_exif(3)), 0xE1, b"xmp\0"),
    ]
    read = exif_orientations(tf.constant(images)).numpy().tolist()
    assert read == [read_header(image).orientation for image in images]
    assert {1, 2, 3, 4, 5, 6, 7, 8} == set(read)
    assert read[-7:] == [6, 1, 6, 1, 8, 1, 3]


def test_an_orientation_behind_the_pixels_of_a_png_is_read():
    data = encode("PNG", orientation=6)
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    moved = data[:start] + data[end:-12] + data[start:end] + data[-12:]
    assert exif_orientations(tf.constant([moved])).numpy().tolist() == [6]


@pytest.mark.parametrize(("num_stray", "orientation"), [(1_900, 6), (2_100, 1)])
def test_a_jpeg_of_stray_bytes_is_not_walked_to_its_end(num_stray, orientation):
    image = with_segment(encode("JPEG"), 0xE1, big_endian_exif(6))
    stray = image[:2] + bytes([0xFF]) * num_stray + image[2:]
    assert exif_orientations(tf.constant([stray])).numpy().tolist() == [orientation]


def test_damaged_files_have_an_orientation_or_none_but_never_another_error():
    dice = np.random.default_rng(3)
    images = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\xff\xd8" + b"\xff" * 5_000]
    for kind in ("JPEG", "PNG"):
        good = encode(kind, orientation=6)
        for _ in range(150):
            bad = bytearray(good)
            for at in dice.integers(3, 120, 4):
                bad[at] = dice.integers(256)
            images.append(bytes(bad[: dice.integers(8, len(bad))]))
    read = exif_orientations(tf.constant(images)).numpy()
    assert read.min() >= 1
    assert read.max() <= 8


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_a_16_bit_png_of_fewer_bits_is_refused_in_spite_of_a_bright_letter(bits):
    pixels = picture(2, np.uint16, 2**bits)
    pixels[:3, :4] = 65535  # 1% of the pixels
    message = refusal(encode(), encode("PNG", pixels))
    assert "image 1 of the batch: expected 16-bit grey levels that fill their range" in message


def test_a_16_bit_png_of_dark_lungs_passes():
    pixels = picture(2, np.uint16, 2**14)
    pixels[:, 30:] = 40_000  # a quarter is bright
    image = encode("PNG", pixels)
    assert CHECK(tf.constant([image])).numpy().tolist() == [image]


def test_images_of_one_grey_level_are_refused_by_their_places():
    pixels = np.stack([picture(n)[..., np.newaxis] for n in range(4)])
    np.testing.assert_array_equal(check_pixels(tf.constant(pixels)), pixels)
    pixels[1], pixels[3] = 7, 0
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        check_pixels(tf.constant(pixels))
    reason = "of the batch: expected a picture, got one of a single grey level"
    assert f"image 1 {reason}; image 3 {reason}" in caught.value.message
