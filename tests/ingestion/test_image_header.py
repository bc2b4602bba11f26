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

from ingestion.image_header import read_header, read_size


def encode(height, width, file_format, **options):
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((height, width), np.uint8)).save(buffer, file_format, **options)
    return buffer.getvalue()


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


def with_orientation(kind, orientation, **options):
    exif = Image.Exif()
    exif[0x010F] = "a maker, so that the orientation is not alone"
    exif[0x0112] = orientation
    return encode(61, 317, kind, exif=exif, **options)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize(("stored", "read"), [*((n, n) for n in range(1, 9)), (0, 1), (9, 1)])
def test_the_orientation_is_that_of_exif(kind, stored, read):
    assert read_header(with_orientation(kind, stored)).orientation == read


def test_an_orientation_behind_the_pixels_of_a_png_counts():
    data = with_orientation("PNG", 6)
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    moved = data[:start] + data[end:-12] + data[start:end] + data[-12:]
    assert read_header(moved).orientation == 6


def test_damaged_exif_names_no_orientation():
    data = with_orientation("JPEG", 6)
    at = data.index(b"Exif\0\0") + 6
    assert read_header(data[:at] + b"\xff" * 8 + data[at + 8 :]).orientation == 1


def test_a_png_without_its_end_is_not_complete_and_bytes_behind_it_do_not_count():
    data = encode(61, 317, "PNG")
    assert read_header(data + bytes(100)) == read_header(data)
    assert read_header(data).is_complete
    assert read_header(data).is_plain
    for cut in (1, 12, 20):
        assert not read_header(data[:-cut]).is_complete


def test_wrong_checksums_and_odd_chunks_are_not_plain():
    data = bytearray(encode(61, 317, "PNG"))
    data[data.rindex(b"IEND") - 5] ^= 1
    assert not read_header(bytes(data)).is_plain
    for name, (kind, at, insert) in INSERTS.items():
        if kind == "PNG":
            data = encode(61, 317, "PNG")
            assert not read_header(data[:at] + insert + data[at:]).is_plain, name


def test_a_jpeg_without_its_end_is_not_plain():
    data = encode(61, 317, "JPEG")
    assert read_header(data).is_plain
    assert read_header(data + bytes(3)).is_plain
    assert not read_header(data[:-2] + b"\x1b\xd9").is_plain
