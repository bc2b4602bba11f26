"""Any bytes end in a picture that TensorFlow reads to the same pixels, or in a reason.

The budget is fixed, and so are the examples: what is found here is found in every run.
"""

from __future__ import annotations

import functools
import io

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from contract.errors import RejectedImageError
from ingestion.image_header import warnings_ignored
from ingestion.images import decode_image, hash_pixels, read_for_serving
from serving.client.images import ReadyImage, prepare_image
from serving.client.outcomes import Failure
from tests.serving.client.pictures import encode_dicom

_LIMIT = 10**6
_MAX_REASON = 400
_EDITS = ("set", "flip", "remove", "insert", "cut", "append")


def _picture(mode):
    coarse = np.random.default_rng(1).integers(0, 256, (6, 8), dtype=np.uint8)
    return Image.fromarray(coarse).resize((40, 30), Image.Resampling.BICUBIC).convert(mode)


def _encode(kind, mode="L", **options):
    buffer = io.BytesIO()
    _picture(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def _turned():
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    exif[0x0112] = 6
    return exif


def _texts():
    texts = PngImagePlugin.PngInfo()
    texts.add_text("comment", "hello" * 20)
    texts.add_text("packed", "x" * 2_000_000, zip=True)
    return texts


def _deep():
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(_picture("L")).astype(np.uint16) * 257).save(buffer, "PNG")
    return buffer.getvalue()


@functools.cache
def _originals():
    return [
        *(_encode("PNG", mode) for mode in ("L", "RGB", "P", "1", "LA", "RGBA")),
        _deep(),
        _encode("PNG", exif=_turned()),
        _encode("PNG", pnginfo=_texts()),
        *(_encode("JPEG", mode) for mode in ("L", "RGB", "CMYK")),
        _encode("JPEG", progressive=True),
        _encode("JPEG", "RGB", optimize=True, exif=_turned(), comment=b"a comment"),
        encode_dicom(),
        encode_dicom(WindowCenter=120, WindowWidth=200, PixelSpacing=[1, 1]),
    ]


@st.composite
def _damaged(draw):
    original = draw(st.sampled_from(_originals()))
    data = bytearray(original)
    # Headers decide most, and are a small part of a file.
    ends = st.sampled_from([40, 200, len(original)])
    for _ in range(draw(st.integers(1, 4))):
        at = min(draw(st.integers(0, draw(ends) - 1)), max(len(data) - 1, 0))
        edit = draw(st.sampled_from(_EDITS))
        if edit == "set" and data:
            data[at] = draw(st.integers(0, 255))
        elif edit == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif edit == "remove":
            del data[at : at + draw(st.integers(1, 5))]
        elif edit == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=5))
        elif edit == "cut":
            del data[at:]
        else:
            data += draw(st.binary(min_size=1, max_size=20))
    return bytes(data)


def _wrong_checksum():
    data = bytearray(_encode("PNG"))
    data[data.rindex(b"IEND") - 5] ^= 255
    return bytes(data)


def _without_end():
    data = bytearray(_encode("JPEG", "RGB"))
    data[-2] = 0x1B
    return bytes(data)


def _seen_by_tensorflow(encoded):
    return tf.io.decode_image(encoded, channels=1, expand_animations=False).numpy()[..., 0]


def _check_reason(text):
    assert text
    assert text.isprintable()
    assert len(text) <= _MAX_REASON


_BUDGET = settings(max_examples=1_500, derandomize=True, database=None)


@pytest.mark.slow
@_BUDGET
@given(_damaged() | st.binary(max_size=300))
@example(_wrong_checksum())
@example(_without_end())
def test_ingestion_accepts_what_tensorflow_reads_and_gives_a_reason_for_all_else(data):
    try:
        decoded = decode_image(data, _LIMIT)
    except RejectedImageError as error:
        _check_reason(str(error))
        return
    seen = _seen_by_tensorflow(decoded.encoded)
    assert seen.shape == (decoded.height, decoded.width)
    assert hash_pixels(seen.tobytes(), *seen.shape) == decoded.pixel_sha256
    assert seen.min() < seen.max()
    # So do viewers, which are stricter in other things than TensorFlow. They may warn, as of EXIF
    # that is cut off.
    with warnings_ignored():
        Image.open(io.BytesIO(decoded.encoded)).load()


@pytest.mark.slow
@_BUDGET
@given(_damaged() | st.binary(max_size=300))
@example(_wrong_checksum())
@example(_without_end())
def test_the_client_sends_what_tensorflow_reads_and_gives_a_reason_for_all_else(data):
    outcome = prepare_image("a", data, _LIMIT)
    if isinstance(outcome, Failure):
        assert outcome.kind == "image"
        _check_reason(outcome.reason)
        return
    assert isinstance(outcome, ReadyImage)
    seen = _seen_by_tensorflow(outcome.encoded)
    decoded = decode_image(data, _LIMIT)
    assert hash_pixels(seen.tobytes(), *seen.shape) == decoded.pixel_sha256


def test_undamaged_every_original_is_read():
    originals = [data for data in _originals() if data != _encode("JPEG", "CMYK")]
    assert len(originals) == len(_originals()) - 1
    for data in originals:
        assert decode_image(data, _LIMIT).encoded == read_for_serving(data, _LIMIT)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (_wrong_checksum(), "cannot be decoded as PNG: it is damaged"),
        (_without_end(), "cannot be decoded as JPEG"),
    ],
    ids=["checksum", "end"],
)
def test_what_pillow_reads_and_tensorflow_does_not_is_rejected(data, reason):
    Image.open(io.BytesIO(data)).load()
    for read in (decode_image, read_for_serving):
        with pytest.raises(RejectedImageError, match=reason):
            read(data, _LIMIT)
