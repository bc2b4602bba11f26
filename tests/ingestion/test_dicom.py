from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

from ingestion.dicom import read_dicom
from ingestion.images import decode_image, hash_pixels
from ingestion.rejection import RejectedImageError

_LIMIT = 1_000_000
_STEPS = np.arange(12, dtype=np.uint16).reshape(3, 4)


def _dicom(pixels, interpretation="MONOCHROME2", bits=12, compress=None, **elements):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"  # Digital X-Ray, for presentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = interpretation
    dataset.BitsAllocated = pixels.dtype.itemsize * 8
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    dataset.PixelRepresentation = int(np.issubdtype(pixels.dtype, np.signedinteger))
    dataset.PixelData = pixels.tobytes()
    for name, value in elements.items():
        setattr(dataset, name, value)
    if compress:
        dataset.compress(compress)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_12_bits_without_a_window_fill_0_to_255():
    pixels = read_dicom(_dicom(_STEPS * 100), _LIMIT)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.rint(_STEPS * 255 / 11))


def test_monochrome1_is_the_negative():
    data = _STEPS * 100
    bright = read_dicom(_dicom(data), _LIMIT).astype(int)
    dark = read_dicom(_dicom(data, "MONOCHROME1"), _LIMIT).astype(int)
    assert np.abs(bright + dark - 255).max() <= 1  # both are rounded
    assert dark[0, 0] == 255


@pytest.mark.parametrize("bits", [8, 16])
def test_other_depths_are_mapped_to_8_bits(bits):
    kind = np.uint8 if bits == 8 else np.uint16
    values = (_STEPS * ((2**bits - 1) // 11)).astype(kind)
    np.testing.assert_array_equal(
        read_dicom(_dicom(values, bits=bits), _LIMIT), np.rint(_STEPS * 255 / 11)
    )


def test_signed_values_and_rescale_come_before_the_window():
    stored = np.array([[-100, 0, 100, 300]], np.int16)
    pixels = read_dicom(
        _dicom(
            stored,
            bits=16,
            RescaleSlope=2,
            RescaleIntercept=-100,
            WindowCenter=100,
            WindowWidth=400,
            VOILUTFunction="LINEAR_EXACT",
        ),
        _LIMIT,
    )
    # Rescaled: -300, -100, 100, 500; the window spans -100 to 300.
    np.testing.assert_array_equal(pixels, [[0, 0, 128, 255]])


def test_linear_window_follows_the_standard():
    # PS3.3 C.11.2.1.2: with center 2048 and width 4096, 0 is black and 4095 white.
    stored = np.array([[0, 1024, 2048, 4095]], np.uint16)
    pixels = read_dicom(_dicom(stored, WindowCenter=2048, WindowWidth=4096), _LIMIT)
    np.testing.assert_array_equal(pixels, np.rint(stored / 4095 * 255))


def test_first_of_several_windows_is_taken():
    stored = np.array([[0, 1024, 2048, 4095]], np.uint16)
    one = read_dicom(_dicom(stored, WindowCenter=1000, WindowWidth=500), _LIMIT)
    several = read_dicom(_dicom(stored, WindowCenter=[1000, 9], WindowWidth=[500, 9]), _LIMIT)
    np.testing.assert_array_equal(one, several)


def test_window_of_width_one_is_a_step():
    stored = np.array([[9, 10, 11]], np.uint16)
    pixels = read_dicom(_dicom(stored, WindowCenter=10, WindowWidth=1), _LIMIT)
    np.testing.assert_array_equal(pixels, [[0, 255, 255]])


def test_sigmoid_window_is_half_grey_at_its_center():
    stored = np.array([[0, 2048, 4095]], np.uint16)
    pixels = read_dicom(
        _dicom(stored, WindowCenter=2048, WindowWidth=1000, VOILUTFunction="SIGMOID"), _LIMIT
    )
    np.testing.assert_array_equal(pixels, [[0, 128, 255]])


def test_voi_lut_goes_before_the_window():
    lut = Dataset()
    lut.LUTDescriptor = [4, 0, 8]
    lut.LUTData = np.array([200, 100, 50, 0], np.uint16).tobytes()
    lut["LUTData"].VR = "OW"
    stored = np.array([[0, 1, 2, 3]], np.uint16)
    pixels = read_dicom(_dicom(stored, VOILUTSequence=[lut], WindowCenter=2, WindowWidth=4), _LIMIT)
    np.testing.assert_array_equal(pixels, [[200, 100, 50, 0]])


def test_compressed_pixel_data_gives_the_same_picture():
    data = _STEPS * 100
    packed = _dicom(data, compress=RLELossless)
    np.testing.assert_array_equal(read_dicom(packed, _LIMIT), read_dicom(_dicom(data), _LIMIT))


def test_record_holds_a_png_of_the_very_pixels_that_were_hashed():
    decoded = decode_image(_dicom(_STEPS * 100), _LIMIT)
    picture = Image.open(io.BytesIO(decoded.encoded))
    assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (4, 3))
    assert (decoded.height, decoded.width) == (3, 4)
    assert decoded.pixel_sha256 == hash_pixels(picture.tobytes(), 3, 4)


def _colour():
    return _dicom(
        np.zeros((3, 4, 3), np.uint8), "RGB", bits=8, SamplesPerPixel=3, PlanarConfiguration=0
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (_colour(), "photometric interpretation RGB: expected MONOCHROME1 or MONOCHROME2"),
        (_dicom(_STEPS, "PALETTE COLOR"), "photometric interpretation PALETTE COLOR"),
        (_dicom(np.stack([_STEPS] * 2)[:, 0], NumberOfFrames=2), "DICOM with 2 frames"),
        (_dicom(_STEPS * 0), "all pixels have one value"),
        (
            _dicom(_STEPS, WindowCenter=5, WindowWidth=0),
            "invalid window: LINEAR, center 5, width 0",
        ),
        (_dicom(_STEPS)[:-8], "cannot be decoded as DICOM"),
        (_dicom(_STEPS)[:200], "DICOM"),
        (b"\0" * 128 + b"DICM" + b"\x99" * 300, "DICOM"),
        (b"\0" * 128 + b"DICM", "DICOM"),
    ],
    ids=["rgb", "palette", "frames", "flat", "window", "short", "cut", "noise", "nothing"],
)
def test_what_is_no_grey_picture_is_rejected_with_the_reason(data, reason):
    with pytest.raises(RejectedImageError, match=reason):
        decode_image(data, _LIMIT)


def test_dicom_without_pixels_is_rejected():
    dataset = pydicom.dcmread(io.BytesIO(_dicom(_STEPS * 100)))
    del dataset.PixelData
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    with pytest.raises(RejectedImageError, match="DICOM without a picture"):
        decode_image(buffer.getvalue(), _LIMIT)


def test_size_limit_comes_before_decoding():
    with pytest.raises(RejectedImageError, match="4x3 px is more than max_image_pixels = 11"):
        read_dicom(_dicom(_STEPS), 11)
