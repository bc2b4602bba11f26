"""Images of one patient stay together when images are resampled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class PatientSamples:
    """Draws bootstrap samples of patients.

    Args:
        number: Images.
        patients: Of each image; None treats every image as a different patient.
    """

    def __init__(self, number: int, patients: Sequence[str] | None = None) -> None:
        rows: dict[str, list[int]] = {}
        for row in range(number):
            rows.setdefault(str(row) if patients is None else patients[row], []).append(row)
        # In the order of their first images: names do not change what is drawn.
        self._rows = [np.array(each) for each in rows.values()]

    def draw(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """Return the rows of as many patients as there are, with repetitions."""
        chosen = rng.integers(len(self._rows), size=len(self._rows))
        return np.concatenate([self._rows[index] for index in chosen])
