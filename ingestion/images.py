"""Read one image file: verify it by a full decode, and hash its pixels.

The bytes of JPEG and PNG files are kept untouched. An image is accepted only
if `tf.io.decode_image(bytes, channels=1)`, which training and serving use,
sees the picture that was hashed here:

- JPEG, grey or colour: luminance straight from the file, as TensorFlow takes
  it. The two decoders round differently, by a few grey levels at most.
- PNG, grey, palette, RGB, with or without alpha, interlaced or not: the same
  grey levels, for colours within one level. Alpha is dropped by both.
- PNG of 16 bits: the high byte, by both. Files that use only the lower bits
  (12-bit pictures in 16-bit files) would turn black, and are rejected.
- CMYK JPEG and animated PNG: rejected, because TensorFlow cannot read them.
- DICOM: decoded and kept as 8-bit grey PNG (see `dicom.py`).

Neither decoder applies an EXIF orientation.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image, JpegImagePlugin, PngImagePlugin

from ingestion.rejection import RejectedImageError
from ingestion.sharpness import make_thumbnail, mean_absolute_gradient

_JPEG_START = b"\xff\xd8\xff"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
_PNG_DEPTH_AT = 24  # signature 8, chunk header 8, width 4, height 4
_DICOM_MARK_AT = 128
_DICOM_MARK = b"DICM"
_MIN_HIGH_BYTE = 64  # of 16-bit PNG: below it, fewer than 64 of 256 grey levels are left


@dataclasses.dataclass(frozen=True, slots=True)
class DecodedImage:
    """A verified image.

    Attributes:
        encoded: The file's own JPEG or PNG bytes, or a PNG made from DICOM.
        height: Native height, px.
        width: Native width, px.
        pixel_sha256: Hex digest of the 8-bit grey pixels and their shape.
        mean_gradient: What `mean_absolute_gradient` says of the image's thumbnail.
    """

    encoded: bytes
    height: int
    width: int
    pixel_sha256: str
    mean_gradient: float


def read_image(path: Path, max_image_pixels: int) -> DecodedImage:
    """Read and verify a JPEG, PNG or DICOM file, told apart by content, not by name.

    Args:
        path: The file.
        max_image_pixels: Largest allowed height x width, checked before decoding.

    Raises:
        RejectedImageError: The file cannot be used; the message is the reason.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RejectedImageError(f"cannot be read: {error.strerror or error}") from error
    return decode_image(data, max_image_pixels)


def decode_image(data: bytes, max_image_pixels: int) -> DecodedImage:
    """Verify the bytes of a JPEG, PNG or DICOM file; arguments and errors as in `read_image`."""
    if not data:
        raise RejectedImageError("empty file (zero bytes)")
    if data.startswith(_JPEG_START):
        return _decode(JpegImagePlugin.JpegImageFile, data, max_image_pixels)
    if data.startswith(_PNG_START):
        if _PNG_END not in data[-64:]:
            raise RejectedImageError("truncated PNG: its end is missing")
        return _decode(PngImagePlugin.PngImageFile, data, max_image_pixels)
    if data[_DICOM_MARK_AT : _DICOM_MARK_AT + len(_DICOM_MARK)] == _DICOM_MARK:
        # Imported where needed: pydicom costs a second, and most sources hold no DICOM.
        from ingestion.dicom import read_dicom

        pixels = read_dicom(data, max_image_pixels)
        height, width = pixels.shape
        return _measure(_encode_png(pixels), pixels.tobytes(), height, width)
    raise RejectedImageError(f"not a JPEG, PNG or DICOM file: it starts with {data[:8]!r}")


def decode_grey(encoded: bytes, min_side_px: int) -> Image.Image:
    """Decode the bytes of a record, which `decode_image` has accepted, for a small picture.

    Args:
        encoded: A JPEG or PNG.
        min_side_px: JPEG is decoded at a half, a quarter or an eighth of its size where both
            sides then still have this many pixels: up to eight times faster.

    Returns:
        Mode "L", in [0, 255].

    Raises:
        ValueError: The bytes are no complete JPEG or PNG.
    """
    is_jpeg = encoded.startswith(_JPEG_START)
    image_class = JpegImagePlugin.JpegImageFile if is_jpeg else PngImagePlugin.PngImageFile
    try:
        image = image_class(io.BytesIO(encoded))
        image.draft("L", (min_side_px, min_side_px))
        image.load()
    except (OSError, SyntaxError) as error:
        raise ValueError(f"expected a complete JPEG or PNG, got: {error}") from error
    return _grey_image(_grey_bytes(image), image.height, image.width)


def hash_pixels(pixels: bytes, height: int, width: int) -> str:
    """Return the hex SHA-256 of 8-bit grey `pixels`, row by row, and of their shape."""
    digest = hashlib.sha256(f"{height}x{width}\n".encode())
    digest.update(pixels)
    return digest.hexdigest()


def _decode(
    image_class: type[JpegImagePlugin.JpegImageFile] | type[PngImagePlugin.PngImageFile],
    data: bytes,
    max_image_pixels: int,
) -> DecodedImage:
    # The plugin's class rather than Image.open: the format is known, and Pillow's own
    # limit on the number of pixels, a global, stays out of the way of ours.
    try:
        image = image_class(io.BytesIO(data))
        width, height = image.size
        if width * height > max_image_pixels:
            raise RejectedImageError(
                f"{width}x{height} px is more than max_image_pixels = {max_image_pixels}"
            )
        _refuse_unreadable_kinds(image)
        # For JPEG: decode luminance only. It is what TensorFlow does, and faster.
        image.draft("L", None)
        image.load()
    except RejectedImageError:
        raise
    except Exception as error:  # Decoders raise almost any kind of error on broken files.
        raise RejectedImageError(f"cannot be decoded as {image_class.format}: {error}") from error
    pixels = _grey_bytes(image)
    if isinstance(image, PngImagePlugin.PngImageFile) and data[_PNG_DEPTH_AT] == 16:
        brightest = max(pixels)
        if brightest < _MIN_HIGH_BYTE:
            raise RejectedImageError(
                f"16-bit PNG that uses only values below {(brightest + 1) * 256} of 65536: it "
                "would be read as black; scale it to 8 bits"
            )
    return _measure(data, pixels, height, width)


def _measure(encoded: bytes, pixels: bytes, height: int, width: int) -> DecodedImage:
    thumbnail = make_thumbnail(_grey_image(pixels, height, width))
    return DecodedImage(
        encoded=encoded,
        height=height,
        width=width,
        pixel_sha256=hash_pixels(pixels, height, width),
        mean_gradient=mean_absolute_gradient(thumbnail),
    )


def _grey_image(pixels: bytes, height: int, width: int) -> Image.Image:
    return Image.frombuffer("L", (width, height), pixels, "raw", "L", 0, 1)


def _refuse_unreadable_kinds(image: Image.Image) -> None:
    if image.mode == "CMYK":
        raise RejectedImageError("CMYK JPEG: expected grey or RGB; convert it")
    if getattr(image, "is_animated", False):
        raise RejectedImageError("animated PNG: expected a single picture")


def _grey_bytes(image: Image.Image) -> bytes:
    if image.mode == "L":
        return image.tobytes()
    if image.mode.startswith("I"):
        return (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8).tobytes()
    return image.convert("L").tobytes()


def _encode_png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
