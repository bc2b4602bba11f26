"""The size of a JPEG or PNG, from its header alone.

A picture of a few kilobytes can claim gigapixels, and a decoder would make room for them.

Pillow's lazy opening does not do for this: it refuses files that TensorFlow decodes, such as a PNG
with a wrong checksum or much text in a chunk that decoders pass over, or a JPEG with a marker that
Pillow does not know. TensorFlow would read a JPEG's size itself, but not a PNG's.
"""

from __future__ import annotations

_PNG_START = b"\x89PNG\r\n\x1a\n"
_JPEG_START = b"\xff\xd8\xff"
_MARKER = 0xFF
_SCAN, _END = 0xDA, 0xD9
_WITHOUT_LENGTH = {0x00, 0x01, *range(0xD0, 0xD9)}  # stuffing, TEM, RST0-7, SOI
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF; not DHT, JPG, DAC


def read_size(data: bytes) -> tuple[int, int]:
    """Return height and width in px.

    Raises:
        ValueError: The bytes are no JPEG or PNG, or end before their size.
    """
    if data.startswith(_PNG_START):
        return _png_size(data)
    if data.startswith(_JPEG_START):
        return _jpeg_size(data)
    raise ValueError("expected a JPEG or PNG")


def _png_size(data: bytes) -> tuple[int, int]:
    if len(data) < 24 or data[12:16] != b"IHDR":
        raise ValueError("expected the size of a PNG in its first 24 bytes")
    return int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    position = 2
    while True:
        # Decoders pass over stray bytes between segments, and so does this.
        position = data.find(_MARKER, position)
        if position < 0 or position + 9 > len(data):
            break
        code = data[position + 1]
        if code == _MARKER:  # fill byte
            position += 1
        elif code in _WITHOUT_LENGTH:
            position += 2
        elif code in (_SCAN, _END):
            break
        elif code in _FRAMES:
            height = int.from_bytes(data[position + 5 : position + 7], "big")
            return height, int.from_bytes(data[position + 7 : position + 9], "big")
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    raise ValueError("expected the size of a JPEG before its first scan")
