"""The scores that an exported model gave on validation, so that another site can be compared.

They are beside the graph, in `assets.extra`: calibrated probabilities by class, sorted. Nothing of
a patient or of an image is in them. `pipeline.site_calibration` reads them, without TensorFlow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract.errors import InputError
from models.provenance import ASSETS_EXTRA_DIR

REFERENCE_FILE = "reference_scores.json"

_Scores = Annotated[
    tuple[Annotated[float, Field(ge=0.0, le=1.0)], ...],
    Field(min_length=1),
]


class ReferenceScores(BaseModel):
    """Calibrated probabilities of pneumonia on the validation split.

    Attributes:
        normal: Of the normal images, each in [0, 1], ascending.
        pneumonia: Of the images with pneumonia, each in [0, 1], ascending.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    normal: _Scores
    pneumonia: _Scores

    @classmethod
    def from_predictions(
        cls, labels: npt.ArrayLike, probabilities: npt.ArrayLike
    ) -> ReferenceScores:
        """Sort predictions by class.

        Args:
            labels: [n], 0 or 1, both present.
            probabilities: float32 [n], calibrated, in [0, 1].
        """
        truth = np.asarray(labels).astype(bool)
        scores = np.asarray(probabilities, dtype=np.float32)
        return cls(
            normal=tuple(map(_shortest, np.sort(scores[~truth]))),
            pneumonia=tuple(map(_shortest, np.sort(scores[truth]))),
        )

    @property
    def prevalence(self) -> float:
        """Share of images with pneumonia, in (0, 1)."""
        return len(self.pneumonia) / (len(self.normal) + len(self.pneumonia))

    def write(self, saved_model_dir: Path) -> None:
        """Write the scores beside a SavedModel's graph."""
        path = saved_model_dir / ASSETS_EXTRA_DIR / REFERENCE_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json() + "\n", encoding="utf-8")

    @classmethod
    def read(cls, saved_model_dir: Path) -> ReferenceScores:
        """Read what `write` wrote.

        Raises:
            InputError: The model has no such file, or a damaged one.
        """
        path = saved_model_dir / ASSETS_EXTRA_DIR / REFERENCE_FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise InputError(
                f"expected the model's validation scores in {path}, got {error.strerror}; models "
                "exported before there were such files have none: train the model again"
            ) from error
        except ValidationError as error:
            raise InputError(
                f"expected the model's validation scores, got {path}: {error}; push the model again"
            ) from error


def _shortest(score: np.float32) -> float:
    """Return the number with the fewest digits that is this float32: the file is half as long."""
    return float(str(score))
