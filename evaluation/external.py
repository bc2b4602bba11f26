"""What is known of the final model on sets from outside the training data."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import NonNegativeFloat, NonNegativeInt

from contract.facts import Rejection
from evaluation.coverage import Coverage
from evaluation.slice_metrics import Estimate, Record, SliceMetrics

REPORT_FILE = "external.json"  # an ExternalReport
NUM_BINS = 20  # of equal width, of the histogram of probabilities
PERCENTILES = (0, 5, 25, 50, 75, 95, 100)


class ClassScores(Record):
    """The probabilities that the images of one class got.

    Attributes:
        n: Images, at least 1.
        mean_probability: Of pneumonia.
        percentiles: Probability by percentile, those of `PERCENTILES`: "50" is the median.
        histogram: Images by probability, in `NUM_BINS` bins of equal width over [0, 1].
    """

    n: NonNegativeInt
    mean_probability: float
    percentiles: dict[str, float]
    histogram: tuple[NonNegativeInt, ...]


class ExternalSet(Record):
    """One set.

    Attributes:
        source: Where the images came from.
        synthetic: Whether they were drawn.
        num_patients: An image without a known patient counts as one.
        num_images_without_patient: Images whose patient the source does not name.
        num_seen: Images whose pixels are those of an image of train or validation.
        rejected: Images that could not be read and are left out.
        warnings: Of their conversion, in sentences.
        threshold: That the model ships; at or above it an image is called pneumonia.
        metrics: All images, at the threshold.
        calibration_error: Expected calibration error, in 15 bins.
        scores: By class; None for a class without images.
        coverage: What the model decides by its own output; None where it has no such output.
        referred_by_label: Share of images that are referred, by class, Wilson intervals; undefined
            for a class without images. None where the model has no such output.
    """

    source: str
    synthetic: bool
    num_patients: NonNegativeInt
    num_images_without_patient: NonNegativeInt
    num_seen: NonNegativeInt
    rejected: tuple[Rejection, ...]
    warnings: tuple[str, ...]
    threshold: NonNegativeFloat
    metrics: SliceMetrics
    calibration_error: NonNegativeFloat
    scores: dict[str, ClassScores | None]
    coverage: Coverage | None
    referred_by_label: dict[str, Estimate] | None


class ExternalReport(Record):
    """All sets, by name."""

    sets: dict[str, ExternalSet]

    def write(self, folder: Path) -> None:
        """Write `REPORT_FILE` into a folder, which is made where missing."""
        folder.mkdir(parents=True, exist_ok=True)
        text = self.model_dump_json(indent=2) + "\n"
        (folder / REPORT_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            OSError: There is nothing.
            ValueError: It is not of this version.
        """
        return cls.model_validate_json((folder / REPORT_FILE).read_text(encoding="utf-8"))
