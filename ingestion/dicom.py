"""From a DICOM file to the 8-bit grey picture that a viewer would show.

The steps and their formulas are those of DICOM PS3.3: modality transform
(C.11.1), then the value-of-interest transform (C.11.2) to 0..255, then
inversion where low values mean white (MONOCHROME1, C.7.6.3.1.2).
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_modality_lut, apply_voi

from ingestion.rejection import RejectedImageError

GreyPixels = npt.NDArray[np.uint8]
_FloatPixels = npt.NDArray[np.float64]
_GREY_INTERPRETATIONS = ("MONOCHROME1", "MONOCHROME2")


def read_dicom(data: bytes, max_image_pixels: int) -> GreyPixels:
    """Decode a DICOM file to grey pixels.

    Values of any bit depth are rescaled (slope and intercept, or the modality
    LUT), mapped to 0..255 by the first VOI LUT or the first window of the file,
    or from minimum to maximum where it has neither, and inverted for
    MONOCHROME1, so that bone is bright.

    Args:
        data: The whole file.
        max_image_pixels: Largest allowed Rows x Columns, checked before decoding.

    Returns:
        uint8 of shape [Rows, Columns].

    Raises:
        RejectedImageError: The file is damaged, or no single grey picture.
    """
    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
        interpretation = str(dataset.get("PhotometricInterpretation", "none"))
        num_frames = int(dataset.get("NumberOfFrames", None) or 1)
        rows, columns = int(dataset.get("Rows", 0) or 0), int(dataset.get("Columns", 0) or 0)
        has_pixels = "PixelData" in dataset
    except Exception as error:  # pydicom raises almost any kind of error on damaged files.
        raise _damaged(error) from error
    if not has_pixels or rows < 1 or columns < 1:
        raise RejectedImageError("DICOM without a picture (no pixel data, or no size)")
    if interpretation not in _GREY_INTERPRETATIONS:
        raise RejectedImageError(
            f"DICOM with photometric interpretation {interpretation}: expected "
            f"{' or '.join(_GREY_INTERPRETATIONS)}"
        )
    if num_frames != 1:
        raise RejectedImageError(f"DICOM with {num_frames} frames: expected one")
    if rows * columns > max_image_pixels:
        raise RejectedImageError(
            f"{columns}x{rows} px is more than max_image_pixels = {max_image_pixels}"
        )
    try:
        grey = _display_values(dataset)
    except RejectedImageError:
        raise
    except Exception as error:  # So do its decoders, and each plugin in its own way.
        raise _damaged(error) from error
    if interpretation == "MONOCHROME1":
        grey = 255.0 - grey
    return np.rint(grey).astype(np.uint8)


def _damaged(error: Exception) -> RejectedImageError:
    first_line = str(error).partition("\n")[0]
    return RejectedImageError(f"cannot be decoded as DICOM: {type(error).__name__}: {first_line}")


def _display_values(dataset: pydicom.Dataset) -> _FloatPixels:
    """Return values in 0..255, before inversion."""
    values = apply_modality_lut(dataset.pixel_array, dataset)
    if "VOILUTSequence" in dataset:
        return _looked_up(values, dataset)
    if dataset.get("WindowCenter") is not None and dataset.get("WindowWidth") is not None:
        return _windowed(
            values.astype(np.float64),
            center=_first(dataset.WindowCenter),
            width=_first(dataset.WindowWidth),
            function=str(dataset.get("VOILUTFunction", "") or "LINEAR"),
        )
    return _stretched(values.astype(np.float64))


def _first(value: object) -> float:
    return float(value[0] if isinstance(value, MultiValue) else value)  # type: ignore[arg-type]


def _looked_up(values: npt.NDArray[np.generic], dataset: pydicom.Dataset) -> _FloatPixels:
    bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
    return apply_voi(values, dataset).astype(np.float64) * (255.0 / (2**bits - 1))


def _windowed(values: _FloatPixels, center: float, width: float, function: str) -> _FloatPixels:
    """Map a window of values to 0..255 by the formulas of PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    if function == "LINEAR" and width >= 1.0:
        # A width of one is a step: the formula's denominator is zero there.
        mapped = (values - (center - 0.5)) / max(width - 1.0, 1e-9) * 255.0 + 127.5
    elif function == "LINEAR_EXACT" and width > 0.0:
        mapped = (values - center) / width * 255.0 + 127.5
    elif function == "SIGMOID" and width > 0.0:
        with np.errstate(over="ignore"):
            mapped = 255.0 / (1.0 + np.exp(-4.0 * (values - center) / width))
    else:
        raise RejectedImageError(f"DICOM with an invalid window: {function}, width {width:g}")
    return np.clip(mapped, 0.0, 255.0)


def _stretched(values: _FloatPixels) -> _FloatPixels:
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise RejectedImageError("DICOM without a window in which all pixels have one value")
    return (values - low) * (255.0 / (high - low))
