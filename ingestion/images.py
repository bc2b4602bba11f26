"""Read one image file: verify it by a full decode, and hash its pixels.

What counts is what `tf.io.decode_image(bytes, channels=1)` sees, which training and serving use:
JPEG and PNG are decoded by it here, too. It takes luminance from JPEG, drops alpha, and keeps the
high byte of 16-bit PNG. What it cannot read, or would not read as people see it, is rejected.

A file's bytes are kept untouched where a record of them shows the same picture everywhere. These
are replaced by an 8-bit grey PNG of the picture:

- DICOM (see `dicom.py`);
- JPEG and PNG with an EXIF orientation, which viewers follow and TensorFlow does not: turned;
- JPEG and PNG that TensorFlow reads and other decoders refuse, e.g. with megabytes of text.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, JpegImagePlugin, PngImagePlugin

from contract import features
from contract.errors import RejectedImageError
from ingestion.image_header import (
    JPEG_START,
    PNG_START,
    UPRIGHT,
    ImageHeader,
    read_header,
    warnings_ignored,
)
from ingestion.sharpness import make_thumbnail, mean_absolute_gradient
from ingestion.tensorflow_decoder import decode_by_tensorflow

GreyPixels = npt.NDArray[np.uint8]
_NUM_BYTES_SHOWN = 8
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclasses.dataclass(frozen=True, slots=True)
class DecodedImage:
    """A verified image.

    Attributes:
        encoded: The file's own JPEG or PNG bytes, or a PNG of the picture.
        height: Native height, px, upright.
        width: Native width, px, upright.
        pixel_sha256: Hex digest of the 8-bit grey pixels that TensorFlow reads from `encoded`, and
            of their shape.
        mean_gradient: What `mean_absolute_gradient` says of the image's thumbnail.
    """

    encoded: bytes
    height: int
    width: int
    pixel_sha256: str
    mean_gradient: float


def read_image(path: Path, max_image_pixels: int) -> DecodedImage:
    """Read and verify a JPEG, PNG or DICOM file, recognised by content, not by name.

    Args:
        path: The file.
        max_image_pixels: Largest allowed height x width, checked before decoding.

    Raises:
        RejectedImageError: The file cannot be used; the message is the reason.
    """
    return decode_image(_read_file(path), max_image_pixels)


def decode_image(data: bytes, max_image_pixels: int) -> DecodedImage:
    """Verify the bytes of a JPEG, PNG or DICOM file; arguments and errors as in `read_image`."""
    if data.startswith((JPEG_START, PNG_START)):
        header = _checked_header(data, max_image_pixels)
        pixels = _decode_as_trained(data, header)
        _refuse_unusable(pixels, header)
        if header.orientation == UPRIGHT and _does_pillow_open(data, header):
            return _measure(data, pixels)
        pixels = _turn(pixels, header.orientation)
    else:
        pixels = _decode_dicom(data, max_image_pixels)
    return _measure(_encode_png(pixels), pixels)


def read_for_serving(image: bytes | Path, max_image_pixels: int) -> bytes:
    """Return what to ask a model about: `encoded` of what `decode_image` returns.

    TensorFlow takes seconds to import, and is left out here where Pillow decodes a file in which
    nothing is unusual. The model's own decoder has the last word on that.

    Args:
        image: The content of a JPEG, PNG or DICOM file, or its path.
        max_image_pixels: As in `read_image`.

    Raises:
        RejectedImageError: As `read_image`.
    """
    data = image if isinstance(image, bytes) else _read_file(image)
    if not data.startswith((JPEG_START, PNG_START)):
        return _encode_png(_decode_dicom(data, max_image_pixels))
    header = _checked_header(data, max_image_pixels)
    if header.is_plain and header.orientation == UPRIGHT:
        try:
            pixels = _decode_by_pillow(data, header)
        except ValueError:
            pass  # TensorFlow may read it all the same.
        else:
            _refuse_unusable(pixels, header)
            return data
    return decode_image(data, max_image_pixels).encoded


def decode_grey(encoded: bytes, min_side_px: int) -> Image.Image:
    """Decode the bytes of a record, which `decode_image` has accepted, for a small picture.

    Args:
        encoded: A JPEG or PNG.
        min_side_px: JPEG is decoded at a half, a quarter or an eighth of its size where both
            sides then still have this many pixels: up to eight times faster.

    Returns:
        Mode "L", in [0, 255].

    Raises:
        ValueError: The bytes are not a complete JPEG or PNG.
    """
    try:
        image = _open_by_pillow(encoded)
        image.draft("L", (min_side_px, min_side_px))
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        try:
            return Image.fromarray(decode_by_tensorflow(encoded))
        except ValueError:
            raise ValueError(f"expected a complete JPEG or PNG, got: {error}") from error
    return Image.fromarray(_grey_pixels(image))


def hash_pixels(pixels: bytes, height: int, width: int) -> str:
    """Return the hex SHA-256 of 8-bit grey `pixels`, row by row, and of their shape."""
    digest = hashlib.sha256(f"{height}x{width}\n".encode())
    digest.update(pixels)
    return digest.hexdigest()


def _read_file(path: Path) -> bytes:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise OSError("a pipe, a socket or a device, which may never end")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RejectedImageError(f"cannot be read: {reason}") from error


def _decode_dicom(data: bytes, max_image_pixels: int) -> GreyPixels:
    if not data:
        raise RejectedImageError("empty file (zero bytes)")
    # Imported where needed: pydicom costs a second, and most sources hold no DICOM.
    from ingestion.dicom import is_dicom, read_dicom

    if not is_dicom(data):
        raise RejectedImageError(
            "not a JPEG, PNG or DICOM file", f"it starts with {data[:_NUM_BYTES_SHOWN]!r}"
        )
    pixels = read_dicom(data, max_image_pixels)
    _refuse_constant(pixels)
    return pixels


def _checked_header(data: bytes, max_image_pixels: int) -> ImageHeader:
    try:
        header = read_header(data)
    except ValueError as error:
        kind = "PNG" if data.startswith(PNG_START) else "JPEG"
        raise RejectedImageError(f"cannot be decoded as {kind}: {error}") from error
    width, height = header.width_px, header.height_px
    if width * height > max_image_pixels:
        raise RejectedImageError(
            f"{width}x{height} px is more than max_image_pixels = {max_image_pixels}"
        )
    if header.is_cmyk:
        raise RejectedImageError("CMYK JPEG: expected grey or RGB; convert it")
    if header.is_animated:
        raise RejectedImageError("animated PNG: expected a single picture")
    if not header.is_complete:
        raise RejectedImageError("truncated PNG: its end is missing")
    return header


def _decode_as_trained(data: bytes, header: ImageHeader) -> GreyPixels:
    try:
        pixels = decode_by_tensorflow(data)
    except ValueError as error:
        try:
            _decode_by_pillow(data, header)
        except ValueError as other:
            # TensorFlow gives no reason, Pillow does.
            raise RejectedImageError(f"cannot be decoded as {header.kind}", other) from error
        raise RejectedImageError(
            f"cannot be decoded as {header.kind}: it is damaged (viewers may show it, but "
            "TensorFlow, which training and serving use, refuses it); export it again"
        ) from error
    if pixels.shape != (header.height_px, header.width_px):
        raise RejectedImageError(
            f"cannot be decoded as {header.kind}: it declares {header.width_px}x"
            f"{header.height_px} px, and holds {pixels.shape[1]}x{pixels.shape[0]}"
        )
    return pixels


def _refuse_unusable(pixels: GreyPixels, header: ImageHeader) -> None:
    # By the distribution: one bright letter on it does not make a picture.
    dark_fraction = float((pixels < features.MIN_HIGH_BYTE).mean()) if header.is_16_bit else 0.0
    if dark_fraction >= features.MAX_DARK_FRACTION:
        raise RejectedImageError(
            f"16-bit PNG that leaves most of its range unused: {math.floor(dark_fraction * 100)}% "
            f"of its pixels are below {features.MIN_HIGH_BYTE * 256} of 65536, as pictures of 12 "
            "bits are, and it would be read as nearly black; scale it to 8 bits"
        )
    _refuse_constant(pixels)


def _refuse_constant(pixels: GreyPixels) -> None:
    if pixels.min() == pixels.max():
        raise RejectedImageError(
            f"not a picture: all of its {pixels.size} pixels have one value ({pixels.flat[0]})"
        )


def _turn(pixels: GreyPixels, orientation: int) -> GreyPixels:
    if orientation == UPRIGHT:
        return pixels
    return np.asarray(Image.fromarray(pixels).transpose(_TURNS[orientation]))


def _does_pillow_open(data: bytes, header: ImageHeader) -> bool:
    """Return whether viewers that are built on Pillow show a file, too.

    The header decides for all but PNGs with unusual chunks: these may follow the pixels.
    """
    try:
        with warnings_ignored():
            image = _open_by_pillow(data)
            if not header.is_plain:
                image.load()
    except Exception:  # Decoders raise almost any kind of error on odd files.
        return False
    return True


def _open_by_pillow(data: bytes) -> Image.Image:
    # The plugin's class rather than Image.open: the format is known, and Pillow's own
    # limit on the number of pixels, a global, stays out of the way of ours.
    if data.startswith(JPEG_START):
        return JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    return PngImagePlugin.PngImageFile(io.BytesIO(data))


def _decode_by_pillow(data: bytes, header: ImageHeader) -> GreyPixels:
    """Return luminance, or raise `ValueError` with Pillow's reason."""
    try:
        with warnings_ignored():
            image = _open_by_pillow(data)
            if image.size != (header.width_px, header.height_px):
                raise ValueError("it declares two sizes")
            # For JPEG: decode luminance only. It is what TensorFlow does, and faster.
            image.draft("L", None)
            image.load()
        return _grey_pixels(image)
    except Exception as error:  # Decoders raise almost any kind of error on broken files.
        raise ValueError(str(error)) from error


def _grey_pixels(image: Image.Image) -> GreyPixels:
    if image.mode.startswith("I"):
        return (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
    return np.asarray(image if image.mode == "L" else image.convert("L"))


def _measure(encoded: bytes, pixels: GreyPixels) -> DecodedImage:
    height, width = pixels.shape
    return DecodedImage(
        encoded=encoded,
        height=height,
        width=width,
        pixel_sha256=hash_pixels(pixels.tobytes(), height, width),
        mean_gradient=mean_absolute_gradient(make_thumbnail(Image.fromarray(pixels))),
    )


def _encode_png(pixels: GreyPixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
