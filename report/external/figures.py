"""From a model's answers to the figures of an external set."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from contract import features
from evaluation.calibration import expected_calibration_error
from evaluation.external import NUM_BINS, PERCENTILES, ClassScores, ExternalSet
from evaluation.slice_metrics import (
    OVERALL,
    Estimate,
    proportion,
    slice_metrics_from_predictions,
)
from ingestion.dataset_card import DatasetCard
from report.served_predictions import Predictions


def make_external_set(
    answers: Predictions, card: DatasetCard, pixels: Sequence[str], seen: Collection[str]
) -> ExternalSet:
    """Measure a set of at least one image; one class is enough.

    Args:
        answers: What the final model says of its images.
        card: Of the set's conversion.
        pixels: Hashes of its images' pixels.
        seen: Hashes of the images that the model was trained or chosen on.
    """
    return ExternalSet(
        source=card.source,
        synthetic=card.synthetic,
        num_patients=card.num_patients,
        num_images_without_patient=card.num_images_without_patient,
        num_seen=sum(each in seen for each in pixels),
        rejected=card.rejected,
        warnings=card.warnings,
        threshold=answers.threshold,
        metrics=slice_metrics_from_predictions(
            answers.labels, answers.probabilities, answers.threshold
        )[OVERALL],
        calibration_error=expected_calibration_error(answers.labels, answers.probabilities),
        scores=measure_scores(answers),
        coverage=answers.coverage(),
        referred_by_label=_referred_by_label(answers),
    )


def measure_scores(answers: Predictions) -> dict[str, ClassScores | None]:
    """Return how the probabilities are distributed, by class; None for one without images."""
    return {
        name: _scores(answers.probabilities[answers.labels == label])
        for label, name in enumerate(features.LABELS)
    }


def _scores(probabilities: npt.NDArray[np.float64]) -> ClassScores | None:
    if not probabilities.size:
        return None
    counts, _ = np.histogram(probabilities, bins=NUM_BINS, range=(0.0, 1.0))
    found = np.percentile(probabilities, PERCENTILES)
    return ClassScores(
        n=len(probabilities),
        mean_probability=float(probabilities.mean()),
        percentiles={
            str(percentile): float(value)
            for percentile, value in zip(PERCENTILES, found, strict=True)
        },
        histogram=tuple(counts.tolist()),
    )


def _referred_by_label(answers: Predictions) -> dict[str, Estimate] | None:
    if answers.verdicts is None:
        return None
    is_referred = np.asarray(answers.verdicts) == features.REFER
    return {
        name: _share(is_referred[answers.labels == label])
        for label, name in enumerate(features.LABELS)
    }


def _share(members: npt.NDArray[np.bool_]) -> Estimate:
    return proportion(int(members.sum()), len(members))
