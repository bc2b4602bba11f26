from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

from contract.errors import RejectedImageError
from ingestion.dicom import read_dicom
from ingestion.images import decode_image, hash_pixels

_LIMIT = 1_000_000
_STEPS = np.arange(12, dtype=np.uint16).reshape(3, 4)


def make_dicom(pixels, interpretation="MONOCHROME2", bits=12, compress=None, **elements):
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
    pixels = read_dicom(make_dicom(_STEPS * 100), _LIMIT)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.rint(_STEPS * 255 / 11))


def test_monochrome1_is_the_negative():
    data = _STEPS * 100
    bright = read_dicom(make_dicom(data), _LIMIT).astype(int)
    dark = read_dicom(make_dicom(data, "MONOCHROME1"), _LIMIT).astype(int)
    assert np.abs(bright + dark - 255).max() <= 1  # both are rounded
    assert dark[0, 0] == 255


@pytest.mark.parametrize("bits", [8, 16])
def test_other_depths_are_mapped_to_8_bits(bits):
    kind = np.uint8 if bits == 8 else np.uint16
    values = (_STEPS * ((2**bits - 1) // 11)).astype(kind)
    np.testing.assert_array_equal(
        read_dicom(make_dicom(values, bits=bits), _LIMIT), np.rint(_STEPS * 255 / 11)
    )


def test_signed_values_and_rescale_come_before_the_window():
    stored = np.array([[-100, 0, 100, 300]], np.int16)
    pixels = read_dicom(
        make_dicom(
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
    pixels = read_dicom(make_dicom(stored, WindowCenter=2048, WindowWidth=4096), _LIMIT)
    np.testing.assert_array_equal(pixels, np.rint(stored / 4095 * 255))


def test_first_of_several_windows_is_taken():
    stored = np.array([[0, 1024, 2048, 4095]], np.uint16)
    one = read_dicom(make_dicom(stored, WindowCenter=1000, WindowWidth=500), _LIMIT)
    several = read_dicom(make_dicom(stored, WindowCenter=[1000, 9], WindowWidth=[500, 9]), _LIMIT)
    np.testing.assert_array_equal(one, several)


def test_window_of_width_one_is_a_step():
    stored = np.array([[9, 10, 11]], np.uint16)
    pixels = read_dicom(make_dicom(stored, WindowCenter=10, WindowWidth=1), _LIMIT)
    np.testing.assert_array_equal(pixels, [[0, 255, 255]])


def test_sigmoid_window_is_half_grey_at_its_center():
    stored = np.array([[0, 2048, 4095]], np.uint16)
    pixels = read_dicom(
        make_dicom(stored, WindowCenter=2048, WindowWidth=1000, VOILUTFunction="SIGMOID"), _LIMIT
    )
    np.testing.assert_array_equal(pixels, [[0, 128, 255]])


def test_voi_lut_goes_before_the_window():
    lut = Dataset()
    lut.LUTDescriptor = [4, 0, 8]
    lut.LUTData = np.array([200, 100, 50, 0], np.uint16).tobytes()
    lut["LUTData"].VR = "OW"
    stored = np.array([[0, 1, 2, 3]], np.uint16)
    pixels = read_dicom(
        make_dicom(stored, VOILUTSequence=[lut], WindowCenter=2, WindowWidth=4), _LIMIT
    )
    np.testing.assert_array_equal(pixels, [[200, 100, 50, 0]])


def test_compressed_pixel_data_gives_the_same_picture():
    data = _STEPS * 100
    packed = make_dicom(data, compress=RLELossless)
    np.testing.assert_array_equal(read_dicom(packed, _LIMIT), read_dicom(make_dicom(data), _LIMIT))


def test_record_holds_a_png_of_the_very_pixels_that_were_hashed():
    decoded = decode_image(make_dicom(_STEPS * 100), _LIMIT)
    picture = Image.open(io.BytesIO(decoded.encoded))
    assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (4, 3))
    assert (decoded.height, decoded.width) == (3, 4)
    assert decoded.pixel_sha256 == hash_pixels(picture.tobytes(), 3, 4)


def _colour():
    return make_dicom(
        np.zeros((3, 4, 3), np.uint8), "RGB", bits=8, SamplesPerPixel=3, PlanarConfiguration=0
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (_colour(), "photometric interpretation RGB: expected MONOCHROME1 or MONOCHROME2"),
        (make_dicom(_STEPS, "PALETTE COLOR"), "photometric interpretation PALETTE COLOR"),
        (make_dicom(np.stack([_STEPS] * 2)[:, 0], NumberOfFrames=2), "DICOM with 2 frames"),
        (make_dicom(_STEPS * 0), "all pixels have one value"),
        (
            make_dicom(_STEPS, WindowCenter=5, WindowWidth=0),
            "invalid window: LINEAR, center 5, width 0",
        ),
        (make_dicom(_STEPS)[:-8], "cannot be decoded as DICOM"),
        (make_dicom(_STEPS)[:200], "DICOM"),
        (b"\0" * 128 + b"DICM" + b"\x99" * 300, "DICOM"),
        (b"\0" * 128 + b"DICM", "DICOM"),
    ],
    ids=["rgb", "palette", "frames", "flat", "window", "short", "cut", "noise", "nothing"],
)
def test_what_is_no_grey_picture_is_rejected_with_the_reason(data, reason):
    with pytest.raises(RejectedImageError, match=reason):
        decode_image(data, _LIMIT)


def _changed(data, change):
    """Return a DICOM file after `change(dataset)`."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    change(dataset)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _table(entries, first=0, bits=16, kind="US", num_entries=None):
    item = Dataset()
    declared = len(entries) if num_entries is None else num_entries
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [declared % 2**16, first, bits])
    if kind == "US":
        item.add_new("LUTData", "US", list(map(int, entries)))
    else:
        dtype = np.uint8 if kind == "packed" else np.uint16
        item.add_new("LUTData", "OW", np.asarray(entries, dtype).tobytes())
    return Sequence([item])


def test_pixel_data_of_two_pictures_is_rejected():
    data = _changed(make_dicom(_STEPS), lambda d: setattr(d, "PixelData", d.PixelData * 2))
    with pytest.raises(RejectedImageError, match="expected 3 x 4 values, got 2 x 3 x 4"):
        decode_image(data, _LIMIT)


_RAMP = np.arange(0, 4096, 64, dtype=np.uint16).reshape(8, 8)


@pytest.mark.parametrize("declared_bits", [8, 10, 12, 16])
@pytest.mark.parametrize("kind", ["US", "OW"])
def test_a_voi_lut_of_12_bits_fills_the_range_whatever_it_declares(declared_bits, kind):
    table = _table(range(4096), bits=declared_bits, kind=kind)
    pixels = read_dicom(make_dicom(_RAMP, VOILUTSequence=table), _LIMIT)
    np.testing.assert_array_equal(pixels, np.rint(_RAMP / 4095 * 255))


def test_a_voi_lut_of_odd_range_is_scaled_by_its_highest_entry():
    table = _table(np.arange(4096) // 2, bits=16)
    pixels = read_dicom(make_dicom(_RAMP, VOILUTSequence=table), _LIMIT)
    np.testing.assert_array_equal(pixels, np.rint(_RAMP // 2 / 2047 * 255))


def test_packed_8_bit_tables_are_read():
    table = _table([0, 50, 100, 200], bits=8, kind="packed")
    stored = np.array([[0, 1, 2, 3]], np.uint16)
    np.testing.assert_array_equal(
        read_dicom(make_dicom(stored, VOILUTSequence=table), _LIMIT), [[0, 50, 100, 200]]
    )


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_a_modality_lut_of_any_depth_is_read(bits):
    table = _table(np.linspace(0, 2**bits - 1, 12), bits=bits)
    pixels = read_dicom(make_dicom(_STEPS, ModalityLUTSequence=table), _LIMIT)
    assert pixels[0, 0] == 0
    assert pixels[-1, -1] == 255
    assert np.abs(pixels - np.rint(_STEPS * 255 / 11)).max() <= 1


def test_tables_start_at_their_first_value_and_repeat_their_ends():
    stored = np.array([[-9, -5, -4, -3, 7]], np.int16)
    table = _table([10, 100, 255], first=-5, bits=8)
    pixels = read_dicom(make_dicom(stored, bits=16, VOILUTSequence=table), _LIMIT)
    np.testing.assert_array_equal(pixels, [[10, 10, 100, 255, 255]])


def test_a_table_for_negative_values_of_unsigned_pixels_starts_below_zero():
    table = _table([10, 100, 255], first=2**16 - 2, bits=8)
    stored = np.array([[0, 1, 2]], np.uint16)
    data = make_dicom(stored, RescaleSlope=1, RescaleIntercept=-2, VOILUTSequence=table)
    np.testing.assert_array_equal(read_dicom(data, _LIMIT), [[10, 100, 255]])


def _empty(dataset):
    for name in (
        "ModalityLUTSequence",
        "NumberOfFrames",
        "PixelPaddingRangeLimit",
        "PixelPaddingValue",
        "PresentationLUTShape",
        "RescaleIntercept",
        "RescaleSlope",
        "VOILUTFunction",
        "VOILUTSequence",
        "WindowCenter",
        "WindowWidth",
    ):
        if name.startswith("PixelPadding"):
            dataset.add_new(name, "US", None)
        else:
            setattr(dataset, name, Sequence([]) if name.endswith("Sequence") else None)


def test_empty_elements_count_as_absent():
    data = make_dicom(_STEPS * 100)
    empty = _changed(data, _empty)
    assert b"\x28\x00\x52\x10" in empty  # RescaleIntercept is there
    np.testing.assert_array_equal(read_dicom(empty, _LIMIT), read_dicom(data, _LIMIT))


def test_a_rescale_slope_without_an_intercept_counts():
    plain = read_dicom(make_dicom(_STEPS, WindowCenter=20, WindowWidth=30), _LIMIT)
    data = make_dicom(_STEPS, RescaleSlope=2, WindowCenter=20, WindowWidth=30)
    assert read_dicom(data, _LIMIT).max() > plain.max()


@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("window", [{}, {"WindowCenter": 600, "WindowWidth": 1100}])
def test_padding_is_black_and_leaves_the_picture_as_it_is(interpretation, window):
    stored = (_STEPS * 100).astype(np.int16)
    wide = np.pad(stored, ((0, 0), (3, 0)), constant_values=-32768)
    plain = read_dicom(make_dicom(stored, interpretation, bits=16, **window), _LIMIT)
    padded = read_dicom(
        make_dicom(wide, interpretation, bits=16, PixelPaddingValue=-32768, **window), _LIMIT
    )
    np.testing.assert_array_equal(padded[:, 3:], plain)
    np.testing.assert_array_equal(padded[:, :3], 0)


def test_a_range_of_padding_is_left_out():
    stored = (_STEPS * 100).astype(np.uint16)
    wide = np.pad(stored, ((0, 0), (2, 2)), constant_values=((0, 0), (60_000, 65_535)))
    data = make_dicom(wide, bits=16, PixelPaddingValue=60_000)
    data = _changed(data, lambda d: d.add_new("PixelPaddingRangeLimit", "US", 65_535))
    pixels = read_dicom(data, _LIMIT)
    np.testing.assert_array_equal(pixels[:, 2:-2], np.rint(_STEPS * 255 / 11))
    np.testing.assert_array_equal(pixels[:, [0, 1, -2, -1]], 0)


def test_padding_is_known_with_the_wrong_sign():
    stored = np.pad((_STEPS * 100).astype(np.int16), ((0, 0), (1, 0)), constant_values=-2000)
    data = _changed(
        make_dicom(stored, bits=16), lambda d: d.add_new("PixelPaddingValue", "US", 2**16 - 2000)
    )
    np.testing.assert_array_equal(read_dicom(data, _LIMIT)[:, 1:], np.rint(_STEPS * 255 / 11))


@pytest.mark.parametrize(
    ("interpretation", "shape", "is_read"),
    [
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME2", "IDENTITY", True),
        ("MONOCHROME2", "INVERSE", False),
        ("MONOCHROME1", "IDENTITY", False),
        ("MONOCHROME2", "LIN OD", False),
    ],
)
def test_a_contradiction_on_what_is_white_is_rejected(interpretation, shape, is_read):
    plain = make_dicom(_STEPS, interpretation)
    shaped = make_dicom(_STEPS, interpretation, PresentationLUTShape=shape)
    if is_read:
        np.testing.assert_array_equal(read_dicom(shaped, _LIMIT), read_dicom(plain, _LIMIT))
    else:
        with pytest.raises(RejectedImageError, match=f"contradicts itself .* got {shape}"):
            read_dicom(shaped, _LIMIT)


@pytest.mark.parametrize(
    ("window", "reason"),
    [
        (
            (-5000, 10),
            r"window \(center -5000, width 10\) shows all of its values, 0 to 11, as one",
        ),
        ((5000, 10), "shows all of its values"),
        (("nan", 10), "invalid window: LINEAR, center nan"),
        ((10, "nan"), "invalid window"),
        (("inf", 10), "invalid window"),
        ((10, -4), "invalid window"),
    ],
)
@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
def test_a_window_that_shows_nothing_is_rejected(window, reason, interpretation):
    center, width = window
    data = _changed(
        make_dicom(_STEPS, interpretation, WindowCenter=1, WindowWidth=1),
        lambda d: (
            setattr(d, "WindowCenter", str(center)),
            setattr(d, "WindowWidth", str(width)),
        ),
    )
    with pytest.raises(RejectedImageError, match=reason):
        read_dicom(data, _LIMIT)


def test_a_table_that_shows_nothing_is_rejected():
    table = _table([7] * 4096)
    with pytest.raises(
        RejectedImageError, match="VOI LUT shows all of its values, 0 to 11, as one"
    ):
        read_dicom(make_dicom(_STEPS, VOILUTSequence=table), _LIMIT)


def test_a_table_that_is_cut_is_rejected():
    table = _table([1, 2, 3], num_entries=4096)
    with pytest.raises(RejectedImageError, match="VOI LUT of 3 entries: it declares 4096"):
        read_dicom(make_dicom(_STEPS, VOILUTSequence=table), _LIMIT)


def test_a_picture_that_is_all_padding_is_rejected():
    data = _changed(
        make_dicom(np.full((3, 4), 9, np.uint16)), lambda d: d.add_new("PixelPaddingValue", "US", 9)
    )
    with pytest.raises(RejectedImageError, match="all pixels are padding"):
        read_dicom(data, _LIMIT)


@pytest.mark.parametrize("is_implicit", [True, False])
@pytest.mark.parametrize("start", [b"", b"  "])
def test_a_file_without_a_preamble_is_read(is_implicit, start):
    data = make_dicom(_STEPS * 100)
    dataset = pydicom.dcmread(io.BytesIO(data))
    plain = Dataset()
    plain.update({element.tag: element for element in dataset})
    buffer = io.BytesIO()
    plain.save_as(buffer, implicit_vr=is_implicit, little_endian=True)
    bare = buffer.getvalue()
    assert bare.startswith(b"\x08\x00")
    pixels = decode_image(start + bare, _LIMIT).pixel_sha256
    assert pixels == decode_image(data, _LIMIT).pixel_sha256


def test_reasons_are_one_printable_line_without_the_file_in_them():
    data = make_dicom(_STEPS, WindowCenter="40", WindowWidth="8000000")
    damaged = data.replace(b"8000000", b"Sur\x1bame")
    with pytest.raises(RejectedImageError) as caught:
        read_dicom(damaged, _LIMIT)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300
    assert "Sur" not in caught.value.reason


def test_the_reason_of_a_decoder_is_more_than_its_first_line():
    samples = Path(pydicom.data.__file__).parent / "test_files"
    with pytest.raises(RejectedImageError, match=r"all available plugins: pylibjpeg: .*J2K"):
        read_dicom((samples / "JPEG2000-embedded-sequence-delimiter.dcm").read_bytes(), 10**7)


def test_dicom_without_pixels_is_rejected():
    dataset = pydicom.dcmread(io.BytesIO(make_dicom(_STEPS * 100)))
    del dataset.PixelData
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    with pytest.raises(RejectedImageError, match="DICOM without a picture"):
        decode_image(buffer.getvalue(), _LIMIT)


def test_size_limit_comes_before_decoding():
    with pytest.raises(RejectedImageError, match="4x3 px is more than max_image_pixels = 11"):
        read_dicom(make_dicom(_STEPS), 11)
