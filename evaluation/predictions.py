"""A model's answers on the validation split, and whom they are about."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.calibration import Calibration


@dataclasses.dataclass(frozen=True)
class Predictions:
    """A model's probabilities of pneumonia on the validation split.

    Attributes:
        plain: float32 [n], in [0, 1].
        stressed: float32 [n] by the name of each stress; empty where none was requested.
        log_distances: float32 [n], how unusual each image is (`Predictor.answer`); None where
            nobody asked.
    """

    plain: np.ndarray
    stressed: dict[str, np.ndarray]
    log_distances: np.ndarray | None = None

    def calibrated(self, calibration: Calibration) -> Predictions:
        """Return the same predictions through a calibration."""
        return Predictions(
            calibration.apply(self.plain).astype(np.float32),
            {
                name: calibration.apply(answers).astype(np.float32)
                for name, answers in self.stressed.items()
            },
            self.log_distances,
        )

    def write(self, path: Path) -> None:
        """Write as a NumPy archive: `plain`, `log_distances`, one array per stress by its name."""
        arrays: dict[str, Any] = {"plain": self.plain, **self.stressed}
        if self.log_distances is not None:
            arrays["log_distances"] = self.log_distances
        _write_arrays(path, arrays)

    @classmethod
    def read(cls, path: Path) -> Predictions:
        """Read what `write` wrote."""
        with np.load(path) as archive:
            arrays = dict(archive)
        plain, log_distances = arrays.pop("plain"), arrays.pop("log_distances", None)
        return cls(plain, arrays, log_distances)


@dataclasses.dataclass(frozen=True)
class ValidationCases:
    """The images that predictions are of, in the predictions' order.

    Attributes:
        labels: int64 [n], 0 (normal) or 1 (pneumonia).
        patient_ids: str [n]; a patient can have several images.
        image_ids: str [n]; where each image came from, relative to the source.
    """

    labels: np.ndarray
    patient_ids: np.ndarray
    image_ids: np.ndarray

    def equals(self, other: ValidationCases) -> bool:
        """Return whether these are the same cases in the same order."""
        return all(
            np.array_equal(getattr(self, field.name), getattr(other, field.name))
            for field in dataclasses.fields(self)
        )

    def write(self, path: Path) -> None:
        """Write as a NumPy archive, each attribute by its name."""
        _write_arrays(path, dataclasses.asdict(self))

    @classmethod
    def read(cls, path: Path) -> ValidationCases:
        """Read what `write` wrote."""
        with np.load(path, allow_pickle=False) as archive:
            return cls(**dict(archive))


def _write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
