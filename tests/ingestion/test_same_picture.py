"""One picture in every format, through ingestion and through the client: the same pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from pydicom.uid import RLELossless

from ingestion.images import decode_image
from serving.client.images import ReadyImage, prepare_image
from tests.ingestion.test_dicom import make_dicom

_LIMIT = 10**6
# Grey levels by JPEG's quality. At 90 JPEG itself causes nearly all of it. At 98 it causes 2, and
# the rest is TensorFlow's fast inverse transform, which rounds worst where JPEG rounds least.
_JPEG_TOLERANCE = {90: 5, 98: 11}
# How an upright picture is stored, by orientation; EXIF 2.32, 4.6.4 A.
_STORED_AS = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).T,
    8: lambda upright: np.rot90(upright, -1),
}


def _picture():
    """Return a smooth picture of 60 x 48 px that reaches from 0 to 255."""
    coarse = np.random.default_rng(4).integers(0, 256, (6, 8), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((60, 48), Image.Resampling.BICUBIC))
    return np.rint((smooth - smooth.min()) / float(np.ptp(smooth)) * 255).astype(np.uint8)


def _encode(pixels, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def _exif(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def _dicom(pixels, **options):
    return make_dicom(pixels, bits=8 if pixels.dtype == np.uint8 else 12, **options)


PICTURE = _picture()
RGB = np.repeat(PICTURE[..., np.newaxis], 3, axis=2)
DEEP = (PICTURE.astype(np.float64) / 255 * 4095).round().astype(np.uint16)
EXACT = {
    "png": _encode(PICTURE, "PNG"),
    "png, colour": _encode(RGB, "PNG"),
    "png, 16 bits": _encode(PICTURE.astype(np.uint16) * 257, "PNG"),
    "png, bytes behind it": _encode(PICTURE, "PNG") + bytes(100),
    "dicom": _dicom(PICTURE),
    "dicom, 12 bits": _dicom(DEEP),
    "dicom, compressed": _dicom(DEEP, compress=RLELossless),
    "dicom, negative": _dicom((255 - PICTURE).astype(np.uint8), interpretation="MONOCHROME1"),
    "dicom, window": _dicom(DEEP, WindowCenter=2048, WindowWidth=4096),
    "dicom, padding": _dicom(DEEP, PixelPaddingValue=4000),
    **{
        f"png, orientation {n}": _encode(turn(PICTURE), "PNG", exif=_exif(n))
        for n, turn in _STORED_AS.items()
    },
}
JPEGS = {
    "jpeg": _encode(PICTURE, "JPEG", quality=98),
    "jpeg, quality 90": _encode(PICTURE, "JPEG", quality=90),
    "jpeg, colour": _encode(RGB, "JPEG", quality=98),
    "jpeg, progressive": _encode(PICTURE, "JPEG", quality=98, progressive=True),
    **{
        f"jpeg, orientation {n}": _encode(turn(PICTURE), "JPEG", quality=98, exif=_exif(n))
        for n, turn in _STORED_AS.items()
    },
}


def _by_ingestion(data):
    decoded = decode_image(data, _LIMIT)
    assert (decoded.height, decoded.width) == PICTURE.shape
    return decoded.encoded


def _by_client(data):
    ready = prepare_image("a", data, _LIMIT)
    assert isinstance(ready, ReadyImage)
    return ready.encoded


@pytest.mark.parametrize("read", [_by_ingestion, _by_client])
@pytest.mark.parametrize("name", [*EXACT, *JPEGS])
def test_it_is_the_same_picture(name, read):
    encoded = read({**EXACT, **JPEGS}[name])
    seen = tf.io.decode_image(encoded, channels=1, expand_animations=False).numpy()[..., 0]
    expected = np.where(DEEP == 4000, 0, PICTURE) if name == "dicom, padding" else PICTURE
    difference = np.abs(seen.astype(int) - expected.astype(int))
    tolerance = _JPEG_TOLERANCE[90 if "90" in name else 98] if name in JPEGS else 1
    assert difference.max() <= tolerance
    assert difference.mean() < 2.0


@pytest.mark.parametrize("name", [*EXACT, *JPEGS])
def test_the_client_sends_what_ingestion_records(name):
    data = {**EXACT, **JPEGS}[name]
    assert _by_client(data) == _by_ingestion(data)
