"""The files that pydicom ships: each is read, or rejected with its reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom.data
import pytest

from contract.errors import RejectedImageError
from ingestion.dicom import is_dicom, read_dicom
from ingestion.images import decode_image

_SAMPLES = Path(pydicom.data.__file__).parent / "test_files"
_LIMIT = 10**7
_MR_LEVELS = (52, 255, 113.1)  # one picture in seven encodings

# Name -> height, width, darkest, brightest and mean grey level.
READ = {
    "693_J2KI.dcm": (512, 512, 0, 255, 44.3),
    "CT_small.dcm": (128, 128, 0, 255, 96.0),
    "J2K_pixelrep_mismatch.dcm": (512, 512, 0, 255, 63.2),
    "JPEG2000.dcm": (1024, 256, 0, 255, 40.4),
    "JPEGLSNearLossless_08.dcm": (45, 10, 0, 255, 55.6),
    "JPEGLSNearLossless_16.dcm": (50, 10, 0, 255, 46.7),
    "JPGExtended.dcm": (1024, 256, 0, 255, 13.9),
    "MR_small.dcm": (64, 64, *_MR_LEVELS),
    "MR_small_RLE.dcm": (64, 64, *_MR_LEVELS),
    "MR_small_bigendian.dcm": (64, 64, *_MR_LEVELS),
    "MR_small_expb.dcm": (64, 64, *_MR_LEVELS),
    "MR_small_implicit.dcm": (64, 64, *_MR_LEVELS),
    "MR_small_jp2klossless.dcm": (64, 64, *_MR_LEVELS),
    "MR_small_jpeg_ls_lossless.dcm": (64, 64, *_MR_LEVELS),
    "MR_small_padded.dcm": (64, 64, *_MR_LEVELS),
    "examples_overlay.dcm": (300, 484, 0, 255, 48.1),
    "image_dfl.dcm": (512, 512, 0, 255, 127.1),
    "liver_1frame.dcm": (512, 512, 0, 255, 35.2),
    "liver_expb_1frame.dcm": (512, 512, 0, 255, 35.2),
    "no_meta.dcm": (128, 128, 0, 255, 96.0),
    "rtdose_1frame.dcm": (10, 10, 0, 255, 121.5),
    "rtdose_expb_1frame.dcm": (10, 10, 0, 255, 121.5),
    "rtdose_rle_1frame.dcm": (10, 10, 0, 255, 121.5),
}
# What the reason says -> names; "*" as in shell patterns.
REJECTED = {
    "photometric interpretation RGB: expected": [
        "ExplVR_BigEnd.dcm",
        "SC_jpeg_no_color_transform*.dcm",
        "SC_rgb_dcmtk_+eb+cr.dcm",
        "SC_rgb_gdcm_KY.dcm",
        "SC_rgb_jls_lossy_*.dcm",
        "SC_rgb_jpeg.dcm",
        "SC_rgb_jpeg_app14_dcmd.dcm",
        "SC_rgb_jpeg_dcmd.dcm",
        "SC_rgb_jpeg_gdcm.dcm",
        "SC_rgb_rle*.dcm",
        "SC_rgb_small_odd.dcm",
        "SC_rgb_small_odd_big_endian.dcm",
        "examples_rgb_color.dcm",
    ],
    "photometric interpretation (YBR_FULL|YBR_FULL_422|YBR_RCT): expected": [
        "GDCMJ2K_TextGBR.dcm",
        "SC_rgb_dcmtk_+eb+cy+*.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "SC_rgb_jpeg_lossy_gdcm.dcm",
        "SC_rgb_small_odd_jpeg.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
        "examples_jpeg2k.dcm",
        "examples_ybr_color.dcm",
    ],
    "photometric interpretation PALETTE COLOR: expected": ["examples_palette.dcm"],
    "DICOM with 15 frames: expected one": ["rtdose.dcm", "rtdose_expb.dcm", "rtdose_rle.dcm"],
    "DICOM without a picture": [
        "ExplVR_*NoMeta.dcm",
        "UN_sequence.dcm",
        "DICOMDIR*",
        "dicomdirtests/TINY_ALPHA/PT*/ST*/SE*/IM*",
        "empty_charset_LEI.dcm",
        "meta_missing_tsyntax.dcm",
        "nested_priv_SQ.dcm",
        "no_meta_group_length.dcm",
        "priv_SQ.dcm",
        "reportsi*.dcm",
        "rtplan*.dcm",
        "rtstruct.dcm",
        "test-SR.dcm",
        "waveform_ecg.dcm",
    ],
    "less than expected": ["MR_truncated.dcm"],
    "invalid literal for int": ["badVR.dcm"],  # a number of rows that is none
    # Damaged on purpose: a scan of 12 bits in a process of 8, a codestream that breaks off.
    "all available plugins: pylibjpeg: ": [
        "JPEG-lossy.dcm",
        "JPEG2000-embedded-sequence-delimiter.dcm",
    ],
    "window .* shows all of its values": [
        "dicomdirtests/77654033/CT2/17166",
        "dicomdirtests/77654033/CT2/17196",
    ],
    "not a JPEG, PNG or DICOM file": ["*.txt", "*README", "*.json", "*.dump", "*.icc", "*.gz"],
}
# Small pictures of which only their own variety counts.
READ_SERIES = ("dicomdirtests/77654033/C*/*", "dicomdirtests/9889200*/*/*")


def _names(pattern):
    return {
        path.relative_to(_SAMPLES).as_posix()
        for path in _SAMPLES.rglob("*")
        if path.is_file() and path.relative_to(_SAMPLES).match(pattern)
    }


_REJECTED_NAMES = {
    name: reason
    for reason, patterns in REJECTED.items()
    for pattern in patterns
    for name in _names(pattern)
}
_SERIES_NAMES = set().union(*map(_names, READ_SERIES)) - set(_REJECTED_NAMES)


def test_every_file_has_its_expected_outcome():
    assert _names("*") == set(READ) | set(_REJECTED_NAMES) | _SERIES_NAMES


@pytest.mark.parametrize("name", READ)
def test_a_sample_is_read(name):
    height, width, darkest, brightest, mean = READ[name]
    data = (_SAMPLES / name).read_bytes()
    pixels = read_dicom(data, _LIMIT)
    assert pixels.shape == (height, width)
    assert (pixels.min(), pixels.max()) == (darkest, brightest)
    assert pixels.mean() == pytest.approx(mean, abs=0.1)
    assert (decode_image(data, _LIMIT).height, decode_image(data, _LIMIT).width) == pixels.shape


def test_encodings_of_one_picture_give_the_same_pixels():
    names = [name for name in READ if name.startswith("MR_small")]
    pictures = [read_dicom((_SAMPLES / name).read_bytes(), _LIMIT) for name in names]
    assert len(pictures) == 8
    for picture in pictures:
        np.testing.assert_array_equal(picture, pictures[0])


@pytest.mark.parametrize("name", sorted(_SERIES_NAMES))
def test_a_series_is_read(name):
    pixels = read_dicom((_SAMPLES / name).read_bytes(), _LIMIT)
    assert pixels.shape == (16, 16)
    assert len(np.unique(pixels)) > 2


@pytest.mark.parametrize("name", sorted(_REJECTED_NAMES))
def test_a_sample_is_rejected_with_its_reason(name):
    data = (_SAMPLES / name).read_bytes()
    with pytest.raises(RejectedImageError, match=_REJECTED_NAMES[name]) as caught:
        decode_image(data, _LIMIT)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
    assert is_dicom(data) == ("not a JPEG" not in str(caught.value))
