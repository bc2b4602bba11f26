from __future__ import annotations

import hashlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from contract.errors import RejectedImageError
from ingestion.images import decode_image, hash_pixels, read_image
from ingestion.tensorflow_decoder import decode_by_tensorflow

_LIMIT = 1_000_000


def _png16(values):
    buffer = io.BytesIO()
    Image.fromarray(values.astype(np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


def test_hash_covers_pixels_and_shape():
    assert hash_pixels(b"abcdef", 2, 3) == hashlib.sha256(b"2x3\nabcdef").hexdigest()
    assert hash_pixels(b"abcdef", 2, 3) != hash_pixels(b"abcdef", 3, 2)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_bytes_stay_untouched_and_size_and_hash_are_those_of_the_pixels(
    tmp_path, encode_picture, kind
):
    data = encode_picture(1, kind, size=(50, 20))
    path = tmp_path / "picture.any"
    path.write_bytes(data)

    decoded = read_image(path, _LIMIT)

    assert decoded.encoded == data
    assert (decoded.height, decoded.width) == (20, 50)
    pixels = decode_by_tensorflow(data)
    assert decoded.pixel_sha256 == hash_pixels(pixels.tobytes(), 20, 50)


def test_grey_and_rgb_files_of_the_same_picture_have_the_same_hash(encode_picture):
    hashes = {
        decode_image(encode_picture(3, "PNG", mode), _LIMIT).pixel_sha256
        for mode in ("L", "RGB", "LA", "RGBA")
    }
    assert len(hashes) == 1


def test_grey_jpeg_equals_its_rgb_twin(encode_picture):
    grey = decode_image(encode_picture(3, "JPEG", "L"), _LIMIT)
    colour = decode_image(encode_picture(3, "JPEG", "RGB"), _LIMIT)
    assert grey.pixel_sha256 == colour.pixel_sha256


def test_palette_and_bilevel_png_are_read(encode_picture):
    for mode in ("P", "1"):
        data = encode_picture(3, "PNG", mode)
        grey = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
        decoded = decode_image(data, _LIMIT)
        assert decoded.encoded == data
        assert decoded.pixel_sha256 == hash_pixels(grey.tobytes(), *grey.shape)


def test_16_bit_png_counts_by_its_high_bytes():
    values = np.linspace(0, 65535, 600).reshape(20, 30)
    decoded = decode_image(_png16(values), _LIMIT)
    high = (values.astype(np.uint16) >> 8).astype(np.uint8)
    assert decoded.pixel_sha256 == hash_pixels(high.tobytes(), 20, 30)


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_16_bit_png_with_unused_high_bits_is_rejected(bits):
    data = _png16(np.linspace(0, 2**bits - 1, 600).reshape(20, 30))
    with pytest.raises(RejectedImageError, match="16-bit PNG that leaves most of its range unused"):
        decode_image(data, _LIMIT)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", r"empty file \(zero bytes\)"),
        (b"this is a text file", r"not a JPEG, PNG or DICOM file: it starts with b'this is '"),
        (b"\xff\xd8\xff\xe0 and no more", "cannot be decoded as JPEG"),
        (b"GIF89a" + b"\0" * 200, "not a JPEG, PNG or DICOM file"),
    ],
)
def test_what_is_no_image_is_rejected_with_the_reason(tmp_path, data, reason):
    path = tmp_path / "a.jpeg"
    path.write_bytes(data)
    with pytest.raises(RejectedImageError, match=reason):
        read_image(path, _LIMIT)


def test_missing_file_is_rejected(tmp_path):
    with pytest.raises(RejectedImageError, match="cannot be read: No such file"):
        read_image(tmp_path / "a.jpeg", _LIMIT)


@pytest.mark.parametrize("cut", [1, 2, 30, 200])
def test_truncated_jpeg_is_rejected(encode_picture, cut):
    with pytest.raises(RejectedImageError, match=r"cannot be decoded as JPEG.*truncated"):
        decode_image(encode_picture()[:-cut], _LIMIT)


@pytest.mark.parametrize("cut", [1, 12, 30, 200])
def test_truncated_png_is_rejected(encode_picture, cut):
    with pytest.raises(RejectedImageError, match="truncated PNG"):
        decode_image(encode_picture(kind="PNG")[:-cut], _LIMIT)


def test_png_with_a_damaged_checksum_is_rejected(encode_picture):
    data = bytearray(encode_picture(kind="PNG"))
    data[-20] ^= 1
    with pytest.raises(RejectedImageError, match="cannot be decoded as PNG"):
        decode_image(bytes(data), _LIMIT)


def test_cmyk_jpeg_is_rejected(encode_picture):
    with pytest.raises(RejectedImageError, match="CMYK JPEG: expected grey or RGB"):
        decode_image(encode_picture(mode="CMYK"), _LIMIT)


def test_animated_png_is_rejected(encode_picture):
    frames = [Image.open(io.BytesIO(encode_picture(seed))) for seed in range(2)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    with pytest.raises(RejectedImageError, match="animated PNG"):
        decode_image(buffer.getvalue(), _LIMIT)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_size_limit_is_inclusive(encode_picture, kind):
    data = encode_picture(kind=kind, size=(40, 30))
    assert decode_image(data, 1200).width == 40
    with pytest.raises(RejectedImageError, match="40x30 px is more than max_image_pixels = 1199"):
        decode_image(data, 1199)


def test_size_is_checked_before_pixels_are_decoded():
    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(RejectedImageError, match="60000x60000 px is more than max_image_pixels"):
        decode_image(bomb, 50_000_000)
