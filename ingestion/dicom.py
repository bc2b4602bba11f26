"""From a DICOM file to the 8-bit grey picture that a viewer would show.

The steps and their formulas are those of DICOM PS3.3: modality transform
(C.11.1), then the value-of-interest transform (C.11.2) to 0..255, then
inversion where low values mean white (MONOCHROME1, C.7.6.3.1.2). Padding
(C.7.5.1.1.2) is not part of the picture, and drawn black.

Files of real archives contradict themselves: what they declare is checked
against the pixels, and an element without a value counts as absent.
"""

from __future__ import annotations

import io
import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.multival import MultiValue
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from contract.errors import RejectedImageError
from ingestion.image_header import warnings_ignored

GreyPixels = npt.NDArray[np.uint8]
_FloatPixels = npt.NDArray[np.float64]
_Mask = npt.NDArray[np.bool_]

_MARK_AT = 128
_MARK = b"DICM"
_BLANK = b" "
# The groups that files without a preamble start with, 0002 and 0008, in either order of bytes.
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x08")
_GREY_INTERPRETATIONS = ("MONOCHROME1", "MONOCHROME2")
# C.8.11.3.1.2 ties each shape to one interpretation; viewers differ on files that break it.
_SHAPES = {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}


def is_dicom(data: bytes) -> bool:
    """Return whether a file starts like DICOM, with or without a preamble.

    Args:
        data: The file, or at least its first 132 bytes.
    """
    return _has_preamble(data) or data.lstrip(_BLANK)[:2] in _FIRST_GROUPS


def _has_preamble(data: bytes) -> bool:
    return data[_MARK_AT : _MARK_AT + len(_MARK)] == _MARK


def _read_elements(data: bytes) -> pydicom.Dataset:
    if _has_preamble(data):
        return pydicom.dcmread(io.BytesIO(data))
    # One of pydicom's own samples starts with a blank.
    return pydicom.dcmread(io.BytesIO(data.lstrip(_BLANK)), force=True)


def read_dicom(data: bytes, max_image_pixels: int) -> GreyPixels:
    """Decode a DICOM file to grey pixels.

    Values of any bit depth are rescaled (slope and intercept, or the modality
    LUT), mapped to 0..255 by the first VOI LUT or the first window of the file,
    or from minimum to maximum where it has neither, and inverted for
    MONOCHROME1, so that bone is bright. Padding counts for none of this.

    Args:
        data: The whole file.
        max_image_pixels: Largest allowed Rows x Columns, checked before decoding.

    Returns:
        uint8 of shape [Rows, Columns].

    Raises:
        RejectedImageError: The file is damaged, or no single grey picture.
    """
    try:
        with warnings_ignored(), np.errstate(all="ignore"):
            dataset = _read_elements(data)
            return _read(dataset, max_image_pixels)
    except RejectedImageError:
        raise
    except Exception as error:  # pydicom and its decoders raise almost any kind of error.
        raise RejectedImageError(
            "cannot be decoded as DICOM: it is damaged, or of a kind that cannot be read",
            f"{type(error).__name__}: {error}",
        ) from error


def _read(dataset: pydicom.Dataset, max_image_pixels: int) -> GreyPixels:
    rows, columns = _number(dataset, "Rows") or 0, _number(dataset, "Columns") or 0
    if _value(dataset, "PixelData") is None or rows < 1 or columns < 1:
        raise RejectedImageError("DICOM without a picture (no pixel data, or no size)")
    interpretation = str(_value(dataset, "PhotometricInterpretation") or "none")
    if interpretation not in _GREY_INTERPRETATIONS:
        raise RejectedImageError(
            f"DICOM with photometric interpretation {_code(interpretation)}: expected "
            f"{' or '.join(_GREY_INTERPRETATIONS)}"
        )
    num_frames = _number(dataset, "NumberOfFrames") or 1
    if num_frames != 1:
        raise RejectedImageError(f"DICOM with {num_frames} frames: expected one")
    if rows * columns > max_image_pixels:
        raise RejectedImageError(
            f"{columns}x{rows} px is more than max_image_pixels = {max_image_pixels}"
        )
    shape = str(_value(dataset, "PresentationLUTShape") or _SHAPES[interpretation])
    if shape != _SHAPES[interpretation]:
        raise RejectedImageError(
            f"DICOM that contradicts itself on what is white: expected the presentation LUT shape "
            f"{_SHAPES[interpretation]} with {interpretation}, got {_code(shape)}; correct one of "
            "them"
        )
    _name_transfer_syntax(dataset)
    stored = dataset.pixel_array
    if stored.shape != (rows, columns):
        shown = " x ".join(map(str, stored.shape))
        raise RejectedImageError(
            f"DICOM whose pixel data is not one picture of its size: expected {rows} x {columns} "
            f"values, got {shown}"
        )
    is_padding = _find_padding(stored, dataset)
    if is_padding.all():
        raise RejectedImageError("DICOM without a picture: all pixels are padding")
    grey = _display_values(_modality_values(stored, dataset), ~is_padding, dataset)
    if interpretation == "MONOCHROME1":
        grey = 255.0 - grey
    grey[is_padding] = 0.0
    return np.rint(grey).astype(np.uint8)


def _value(dataset: pydicom.Dataset, keyword: str) -> Any:
    """Return the first value of an element, or None where it is absent or has none."""
    value = dataset.get(keyword)
    if isinstance(value, MultiValue | pydicom.Sequence | list):
        value = value[0] if len(value) else None
    return None if value is None or value in ("", b"") else value


def _number(dataset: pydicom.Dataset, keyword: str) -> int | None:
    value = _value(dataset, keyword)
    return None if value is None else int(value)


def _code(text: str) -> str:
    """Return a code string, as DICOM allows it, for a message; damaged ones hold anything."""
    return text if re.fullmatch(r"[A-Z0-9_ ]{1,16}", text) else "another"


def _name_transfer_syntax(dataset: pydicom.Dataset) -> None:
    """Say how the pixels are encoded where the file does not: as its elements are."""
    if not hasattr(dataset, "file_meta"):
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
    if _value(dataset.file_meta, "TransferSyntaxUID") is None:
        is_implicit, is_little_endian = dataset.original_encoding
        if is_implicit:
            syntax = ImplicitVRLittleEndian
        else:
            syntax = ExplicitVRLittleEndian if is_little_endian else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = syntax


def _find_padding(stored: npt.NDArray[Any], dataset: pydicom.Dataset) -> _Mask:
    """Return which stored values are padding: one value, or a range with its limit."""
    first = _number(dataset, "PixelPaddingValue")
    if first is None:
        return np.zeros(stored.shape, bool)
    last = _number(dataset, "PixelPaddingRangeLimit")
    # Files hold the value with the wrong sign, too: 63536 for -2000.
    bounds = [_as_stored(bound, stored.dtype) for bound in (first, first if last is None else last)]
    return (stored >= min(bounds)) & (stored <= max(bounds))


def _as_stored(value: int, dtype: np.dtype[Any]) -> int:
    limits = np.iinfo(dtype)
    if limits.min <= value <= limits.max:
        return value
    return value + 2**16 if value < 0 else value - 2**16


def _modality_values(stored: npt.NDArray[Any], dataset: pydicom.Dataset) -> _FloatPixels:
    values = stored.astype(np.float64)
    table = _value(dataset, "ModalityLUTSequence")
    if table is not None:
        entries, first, _ = _read_table(table, "modality LUT", dataset, values)
        return _look_up(values, entries, first)
    slope, intercept = _value(dataset, "RescaleSlope"), _value(dataset, "RescaleIntercept")
    values *= 1.0 if slope is None else float(slope)
    values += 0.0 if intercept is None else float(intercept)
    if not np.isfinite(values).all():
        raise RejectedImageError("DICOM whose rescale slope or intercept is not a finite number")
    return values


def _display_values(
    values: _FloatPixels, is_picture: _Mask, dataset: pydicom.Dataset
) -> _FloatPixels:
    """Return values in 0..255, before inversion; those of padding may be anything in it."""
    low, high = float(values[is_picture].min()), float(values[is_picture].max())
    if low == high:
        raise RejectedImageError(f"DICOM in which all pixels have one value, {low:g}")
    table = _value(dataset, "VOILUTSequence")
    center, width = _value(dataset, "WindowCenter"), _value(dataset, "WindowWidth")
    if table is not None:
        entries, first, bits = _read_table(table, "VOI LUT", dataset, values)
        shown = _look_up(values, entries, first) * (255.0 / _full_scale(entries, bits))
        transform = "VOI LUT"
    elif center is not None and width is not None:
        function = str(_value(dataset, "VOILUTFunction") or "LINEAR")
        shown = _windowed(values, float(center), float(width), function)
        transform = f"window (center {float(center):g}, width {float(width):g})"
    else:
        return np.clip((values - low) * (255.0 / (high - low)), 0.0, 255.0)
    if shown[is_picture].min() == shown[is_picture].max():
        raise RejectedImageError(
            f"DICOM whose {transform} shows all of its values, {low:g} to {high:g}, as one: remove "
            "it, or correct it"
        )
    return shown


def _windowed(values: _FloatPixels, center: float, width: float, function: str) -> _FloatPixels:
    """Map a window of values to 0..255 by the formulas of PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    if not (math.isfinite(center) and math.isfinite(width)):
        mapped = None
    elif function == "LINEAR" and width >= 1.0:
        # A width of one is a step: the formula's denominator is zero there.
        mapped = (values - (center - 0.5)) / max(width - 1.0, 1e-9) * 255.0 + 127.5
    elif function == "LINEAR_EXACT" and width > 0.0:
        mapped = (values - center) / width * 255.0 + 127.5
    elif function == "SIGMOID" and width > 0.0:
        mapped = 255.0 / (1.0 + np.exp(-4.0 * (values - center) / width))
    else:
        mapped = None
    if mapped is None:
        raise RejectedImageError(
            f"DICOM with an invalid window: {_code(function)}, center {center:g}, width {width:g}"
        )
    return np.clip(mapped, 0.0, 255.0)


def _read_table(
    item: pydicom.Dataset, name: str, dataset: pydicom.Dataset, values: _FloatPixels
) -> tuple[npt.NDArray[np.uint16], int, int]:
    """Return a look-up table's entries, the value of its first one, and its declared bits.

    Follows PS3.3 C.11.1.1 and C.11.2.1.1, for entries of any number of bits.
    """
    descriptor, data = item.get("LUTDescriptor"), item.get("LUTData")
    if descriptor is None or len(descriptor) != 3 or data in (None, "", b""):
        raise RejectedImageError(f"DICOM with a {name} without its entries")
    num_entries, first, bits = (int(value) for value in descriptor)
    num_entries = num_entries % 2**16 or 2**16
    if isinstance(data, bytes):
        _, is_little_endian = dataset.original_encoding
        kind = np.dtype(np.uint16).newbyteorder("<" if is_little_endian else ">")
        # Tables of 8 bits may be packed, two entries in a word.
        entries = np.frombuffer(data, kind if len(data) >= 2 * num_entries else np.uint8)
    else:
        entries = np.atleast_1d(np.asarray(data, np.int64))
    if len(entries) < num_entries:
        raise RejectedImageError(
            f"DICOM with a {name} of {len(entries)} entries: it declares {num_entries}"
        )
    # The descriptor's sign follows that of the stored values, not of what they were rescaled to.
    if first >= 2**15 and values.min() < 0.0:
        first -= 2**16
    return entries[:num_entries].astype(np.uint16), first, bits


def _look_up(
    values: _FloatPixels, entries: npt.NDArray[np.uint16], first_value: int
) -> _FloatPixels:
    indexes = np.clip(np.floor(values) - first_value, 0, len(entries) - 1).astype(np.intp)
    return entries[indexes].astype(np.float64)


def _full_scale(entries: npt.NDArray[np.uint16], bits: int) -> float:
    """Return the entry that means white.

    That of the declared bits, unless the entries do not need as many or need more: tables of 12
    bits that declare 16 would turn nearly black.
    """
    highest = int(entries.max())
    return float(2**bits - 1 if highest.bit_length() == bits else max(highest, 1))
