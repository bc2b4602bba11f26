"""How sharp an X-ray is, at the size that networks see.

Sharpness belongs to the machine and to the scan, not to the lungs, and may still
differ between the classes. Records carry it as a group, so that every evaluation
shows what a model does on images that are as sharp as the other class.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

THUMBNAIL_PX = 128
# Large images are first averaged over blocks, down to twice the thumbnail or more: several
# times faster than filtering all of their pixels, and the gradient differs by one per cent.
_REDUCING_GAP = 2.0


def make_thumbnail(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Squash an 8-bit grey image to the size at which sharpness is measured.

    Args:
        image: Mode "L", of any size and aspect ratio.

    Returns:
        uint8 [THUMBNAIL_PX, THUMBNAIL_PX], in [0, 255], bilinear with antialiasing.
    """
    return np.asarray(
        image.resize(
            (THUMBNAIL_PX, THUMBNAIL_PX),
            Image.Resampling.BILINEAR,
            reducing_gap=_REDUCING_GAP,
        )
    )


def mean_absolute_gradient(thumbnail: npt.NDArray[np.uint8]) -> float:
    """Return the mean absolute difference of neighbouring pixels, of both directions.

    Source: the sum of modulus differences of R. A. Jarvis, "Focus optimization criteria for
    computer image processing", Microscope 24 (1976), 163-180, as a mean over rows and columns.

    Args:
        thumbnail: uint8 [side, side], in [0, 255].

    Returns:
        Grey levels per pixel, in [0, 255]; 0 for a flat image.
    """
    grey = thumbnail.astype(np.int16)  # uint8 would wrap around
    vertical = np.abs(grey[1:] - grey[:-1]).mean()
    horizontal = np.abs(grey[:, 1:] - grey[:, :-1]).mean()
    return float(vertical + horizontal) / 2.0
