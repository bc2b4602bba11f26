"""What a JPEG or PNG says of itself before its pixels are decoded.

Pillow's lazy opening does not do for this: it refuses files that TensorFlow decodes, such as a PNG
with a wrong checksum or much text in a chunk that decoders pass over, or a JPEG with a marker that
Pillow does not know. TensorFlow would read a JPEG's size itself, but not a PNG's.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

from PIL import Image

PNG_START = b"\x89PNG\r\n\x1a\n"
JPEG_START = b"\xff\xd8\xff"
UPRIGHT = 1  # EXIF's orientation of a picture that is to be shown as it is stored
_ORIENTATIONS = range(1, 9)
_ORIENTATION_TAG = 0x0112
_EXIF_MARK = b"Exif\0\0"

_JPEG_END = b"\xff\xd9"
_MARKER = 0xFF
_SCAN, _END, _APP1 = 0xDA, 0xD9, 0xE1
_WITHOUT_LENGTH = {0x00, 0x01, *range(0xD0, 0xD9)}  # stuffing, TEM, RST0-7, SOI
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF; not DHT, JPG, DAC
_CMYK_COMPONENTS = 4

_CHUNK_OVERHEAD = 12  # length, kind and checksum, of 4 bytes each
_DEPTH_AT = 24  # signature 8, chunk header 8, width 4, height 4
# Chunks that every decoder reads, or passes over without a complaint.
_COMMON_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"pHYs", b"gAMA", b"sRGB", b"tIME"}


class ImageHeader(NamedTuple):
    """The facts of a file's header.

    Attributes:
        kind: Of the file.
        height_px: As stored, before it is turned.
        width_px: As stored, before it is turned.
        orientation: EXIF's, 1 to 8; 1 where the file names none, or none that exists.
        is_16_bit: Whether each value has 16 bits; PNG only.
        is_cmyk: Whether there are four colour components; JPEG only.
        is_animated: Whether there are several pictures; PNG only.
        is_complete: Whether its last segment is there; PNG only, for JPEG True.
        is_plain: Whether it has nothing that decoders are known to judge differently.
    """

    kind: Literal["JPEG", "PNG"]
    height_px: int
    width_px: int
    orientation: int = UPRIGHT
    is_16_bit: bool = False
    is_cmyk: bool = False
    is_animated: bool = False
    is_complete: bool = True
    is_plain: bool = True


def read_header(data: bytes) -> ImageHeader:
    """Read the header of a JPEG or PNG.

    Raises:
        ValueError: The bytes are neither, or end before their size.
    """
    height, width = read_size(data)
    if data.startswith(PNG_START):
        return _png_header(data, height, width)
    return _jpeg_header(data, height, width)


def read_size(data: bytes) -> tuple[int, int]:
    """Return height and width in px, as stored.

    A picture of a few kilobytes can claim gigapixels, and a decoder would make room for them.

    Raises:
        ValueError: The bytes are not a JPEG or PNG, or end before their size.
    """
    if data.startswith(PNG_START):
        if len(data) < _DEPTH_AT or data[12:16] != b"IHDR":
            raise ValueError("expected the size of a PNG in its first 24 bytes")
        return int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")
    if data.startswith(JPEG_START):
        for code, position in _jpeg_segments(data):
            if code in _FRAMES:
                height = int.from_bytes(data[position + 3 : position + 5], "big")
                return height, int.from_bytes(data[position + 5 : position + 7], "big")
        raise ValueError("expected the size of a JPEG before its first scan")
    raise ValueError("expected a JPEG or PNG")


def _png_header(data: bytes, height: int, width: int) -> ImageHeader:
    kinds = set()
    orientation = UPRIGHT
    are_checksums_right = True
    for kind, body, checksum in _png_chunks(data):
        kinds.add(kind)
        are_checksums_right &= zlib.crc32(body, zlib.crc32(kind)) == checksum
        if kind == b"eXIf":
            orientation = _orientation(bytes(body))
    return ImageHeader(
        "PNG",
        height,
        width,
        orientation=orientation,
        is_16_bit=data[_DEPTH_AT : _DEPTH_AT + 1] == b"\x10",
        is_animated=b"acTL" in kinds,
        is_complete=b"IEND" in kinds,
        is_plain=are_checksums_right and kinds <= _COMMON_CHUNKS,
    )


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview, int]]:
    """Yield kind, body and checksum of each chunk up to the end, or to where the file breaks off.

    What follows the end is not part of the picture.
    """
    view = memoryview(data)
    position = len(PNG_START)
    while position + _CHUNK_OVERHEAD <= len(data):
        body_at = position + 8
        end = body_at + int.from_bytes(view[position : position + 4], "big")
        if end + 4 > len(data):
            return
        kind = bytes(view[position + 4 : body_at])
        yield kind, view[body_at:end], int.from_bytes(view[end : end + 4], "big")
        if kind == b"IEND":
            return
        position = end + 4


def _jpeg_header(data: bytes, height: int, width: int) -> ImageHeader:
    exif_block, num_components = b"", 0
    for code, position in _jpeg_segments(data):
        if code in _FRAMES and not num_components:
            num_components = data[position + 7]
        elif code == _APP1 and not exif_block:
            end = position + int.from_bytes(data[position : position + 2], "big")
            body = data[position + 2 : end]
            exif_block = body if body.startswith(_EXIF_MARK) else b""
    return ImageHeader(
        "JPEG",
        height,
        width,
        orientation=_orientation(exif_block) if exif_block else UPRIGHT,
        is_cmyk=num_components == _CMYK_COMPONENTS,
        # Pillow does without the end, TensorFlow does not.
        is_plain=data.rstrip(b"\0").endswith(_JPEG_END),
    )


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the code of each segment before the first scan, and where its length starts."""
    position = 2
    while True:
        # Decoders pass over stray bytes between segments, and so does this.
        position = data.find(_MARKER, position)
        if position < 0 or position + 9 >= len(data):
            return
        code = data[position + 1]
        if code == _MARKER:  # fill byte
            position += 1
        elif code in _WITHOUT_LENGTH:
            position += 2
        elif code in (_SCAN, _END):
            return
        else:
            yield code, position + 2
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")


def _orientation(exif_block: bytes) -> int:
    exif = Image.Exif()
    try:
        with warnings_ignored():
            exif.load(exif_block)
            value = exif.get(_ORIENTATION_TAG, UPRIGHT)
    except Exception:  # Pillow raises almost any kind of error on damaged EXIF.
        return UPRIGHT
    return value if value in _ORIENTATIONS else UPRIGHT


@contextmanager
def warnings_ignored() -> Iterator[None]:
    """Keep what libraries warn of in odd files from the terminal.

    What matters of it ends in a rejection; a folder of such files would fill the screen.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
