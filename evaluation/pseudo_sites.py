"""Parts of one source that stand in for hospitals: images that were made or named alike.

A source's images come from several machines, days and hands, which nobody wrote down. The schemes
of their file names and how bright they are keep a trace of it. A model that fails on one such
part will fail on a hospital whose images are like it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt

NUMBERED, OTHER_NAMES = "numbers only", "other names"
EXPOSURE_GROUPS = ("dark", "medium", "bright")

# person1000_bacteria_2931: the patient's number is inside the name.
_PATIENT_FIRST = re.compile(r"person\d+_(bacteria|virus)(?:_\d+)+")
# NORMAL2-IM-0381-0001: the 2 is the series', all other numbers count patients and images.
_SECOND_SERIES = re.compile(r"NORMAL2-IM(?:-\d+)+")
_TRAILING_NUMBERS = re.compile(r"(?:^|[-_ ]|(?<=[A-Za-z]))\d+(?:[-_ ]\d+)*$")


def pseudo_site_of(image_id: str) -> str:
    """Return the naming scheme of an image's file: its name without the numbers that count images.

    Args:
        image_id: Where the image came from, with or without folders and suffix.

    Returns:
        Of the public set `IM`, `NORMAL2-IM`, `person_bacteria` or `person_virus`; elsewhere the
        words before the number, `NUMBERED` where there are none, and `OTHER_NAMES` where what
        remains still holds a digit or nothing was counted, so that it may be each image's own.
    """
    stem = PurePosixPath(image_id).name.partition(".")[0]
    if match := _PATIENT_FIRST.fullmatch(stem):
        return f"person_{match[1]}"
    if _SECOND_SERIES.fullmatch(stem):
        return "NORMAL2-IM"
    words = _TRAILING_NUMBERS.sub("", stem)
    if words == stem or re.search(r"\d", words):
        return OTHER_NAMES
    return words or NUMBERED


def exposure_cuts(mean_greys: npt.ArrayLike) -> tuple[float, float]:
    """Return the tertiles of images' mean grey levels, in [0, 255].

    Args:
        mean_greys: [n], n at least 1, as `image_statistics` measures `mean_grey`.

    Raises:
        ValueError: There are none.
    """
    values = np.asarray(mean_greys, dtype=np.float64)
    if values.size == 0:
        raise ValueError("expected the mean grey of at least one image, got none")
    low, high = np.quantile(values, [1.0 / 3.0, 2.0 / 3.0])
    return float(low), float(high)


def exposure_groups(mean_greys: npt.ArrayLike, cuts: tuple[float, float]) -> Sequence[str]:
    """Return the name of each image's exposure group, one of `EXPOSURE_GROUPS`.

    Args:
        mean_greys: [n], in [0, 255].
        cuts: As `exposure_cuts` returns them; a cut itself is in the brighter group.
    """
    places = np.searchsorted(cuts, np.asarray(mean_greys, dtype=np.float64), side="right")
    return [EXPOSURE_GROUPS[place] for place in places]
