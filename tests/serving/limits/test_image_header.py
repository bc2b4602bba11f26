import io
import struct
import zlib

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from serving.limits.image_header import read_size
from serving.limits.images import check_images
from serving.server.rest.errors import ServingError


def encode(height, width, file_format, **options):
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((height, width), np.uint8)).save(buffer, file_format, **options)
    return buffer.getvalue()


def strings(*values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"comment": b"\xff\xc0\x00\x11\x08\x00\x01\x00\x01"}),
        ("JPEG", {"exif": b"Exif\x00\x00" + b"\xff\xc0" * 99}),
    ],
)
def test_the_size_is_that_of_the_picture(file_format, options):
    assert read_size(encode(61, 317, file_format, **options)) == (61, 317)


def test_stray_bytes_between_segments_are_passed_over():
    data = encode(61, 317, "JPEG")
    assert read_size(data[:2] + b"\xff\xff" + data[3:]) == (61, 317)
    end_of_first = 4 + int.from_bytes(data[4:6], "big")
    assert read_size(data[:end_of_first] + b"\x00\x01" + data[end_of_first:]) == (61, 317)


def chunk(kind, data, checksum=None):
    checksum = zlib.crc32(kind + data) if checksum is None else checksum
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


# Put behind the header of a PNG (33 bytes) or the start of a JPEG (2 bytes).
INSERTS = {
    "wrong checksum of text": ("PNG", 33, chunk(b"tEXt", b"a\0b", checksum=1)),
    "much text": ("PNG", 33, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(3_000_000)))),
    "large profile": ("PNG", 33, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(3_000_000)))),
    "marker without a segment": ("JPEG", 2, b"\xff\x01"),
    "short segment of Adobe's": ("JPEG", 2, b"\xff\xee\0\x07Adobe"),
}


@pytest.mark.parametrize("name", INSERTS)
def test_sizes_are_read_that_tensorflow_decodes_and_pillow_refuses(name):
    import tensorflow as tf  # here: the other tests do without it

    file_format, at, insert = INSERTS[name]
    data = encode(61, 317, file_format)
    data = data[:at] + insert + data[at:]
    assert tf.io.decode_image(data, channels=1).shape == (61, 317, 1)
    assert read_size(data) == (61, 317)
    lazy = {"PNG": PngImageFile, "JPEG": JpegImageFile}[file_format]
    with pytest.raises((SyntaxError, ValueError)):
        lazy(io.BytesIO(data))


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_refused(data):
    with pytest.raises(ValueError, match="expected"):
        read_size(data)


@hypothesis.given(st.binary(max_size=200), st.integers(0, 300))
def test_damaged_headers_are_read_or_refused(noise, at):
    data = encode(61, 317, "JPEG")
    try:
        height, width = read_size(data[:at] + noise + data[at:])
    except ValueError:
        return
    assert 0 <= height < 2**16
    assert 0 <= width < 2**16


def test_a_bomb_is_refused_by_its_index_in_both_signatures():
    from ingestion.tf_example import encode_example

    small, large = encode(10, 10, "PNG"), encode(11, 10, "JPEG")
    check_images({"image_bytes": strings(small, small)}, 100)
    with pytest.raises(ServingError, match=r"element: 1 .* 100 pixels, got an image of 10 x 11"):
        check_images({"image_bytes": strings(small, large)}, 100)
    records = [encode_example({"image_bytes": image}) for image in (small, large)]
    with pytest.raises(ServingError, match=r"element: 1 .* 100 pixels, got an image of 10 x 11"):
        check_images({"examples": strings(*records)}, 100)
    with pytest.raises(ServingError, match=r"element: 1 .* expected a serialized tf.Example"):
        check_images({"examples": strings(records[0], b"\xff\xff")}, 100)
