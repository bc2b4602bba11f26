"""What validation says of a model: its calibration, its operating point, its figures.

Plain images and degraded ones both count; nothing of the test split is here.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from models import features
from models.calibration import (
    Calibration,
    expected_calibration_error,
    fit_calibration,
    out_of_fold_probabilities,
)
from models.input_data import SplitData
from models.operating_point import OperatingPoint, choose_operating_point
from models.predictions import Predictions, ValidationCases
from models.predictor import EnsemblePredictor, Predictor, predict_probabilities
from models.slice_metrics import OVERALL, SliceMetrics, slice_metrics_from_predictions
from models.stress import STRESSES, stressed_images
from pipeline.config import OperatingPointSettings


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What follows from predictions on validation; see `models.training_report`."""

    calibration: Calibration
    calibration_error_before: float
    calibration_error_after: float
    operating_point: OperatingPoint
    validation: dict[str, SliceMetrics]
    stressed: dict[str, SliceMetrics]

    def for_report(self) -> dict[str, Any]:
        """Return what a `TrainingReport` says of it, by the report's names."""
        return {
            "threshold": self.operating_point.threshold,
            "target_sensitivity": self.operating_point.target_sensitivity,
            "reaches_target": self.operating_point.reaches_target,
            "calibration": self.calibration,
            "calibration_error_before": self.calibration_error_before,
            "calibration_error_after": self.calibration_error_after,
            "validation": self.validation,
            "stressed": self.stressed,
        }


def cases_of(validation: SplitData) -> ValidationCases:
    """Return whom predictions on the split are about, in its order."""
    return ValidationCases(
        labels=validation.labels,
        patient_ids=np.asarray(validation.patient_ids, dtype=str),
        image_ids=np.asarray(validation.image_ids, dtype=str),
    )


def predict_validation(
    predictor: Predictor | EnsemblePredictor, validation: SplitData, stress: bool = True
) -> Predictions:
    """Predict the validation images.

    Args:
        predictor: The model.
        validation: The split.
        stress: Predict them under every stress, too.
    """
    return Predictions(
        predict_probabilities(predictor, validation.images),
        {
            name: predict_probabilities(predictor, stressed_images(validation.images, name))
            for name in (STRESSES if stress else ())
        },
    )


def area_on_plain_and_stressed(
    predictor: Predictor, validation: SplitData, stress: bool = True
) -> float:
    """Return the mean of the AUC on plain images and of the mean AUC over the stresses.

    Args:
        predictor: The model; calibration does not change the figure.
        validation: Both classes present.
        stress: Without it the AUC on plain images is all.
    """
    predictions = predict_validation(predictor, validation, stress)
    plain = float(roc_auc_score(validation.labels, predictions.plain))
    stressed = [
        roc_auc_score(validation.labels, answers) for answers in predictions.stressed.values()
    ]
    return (plain + float(np.mean(stressed))) / 2.0 if stressed else plain


def judge_predictions(
    predictions: Predictions, validation: SplitData, settings: OperatingPointSettings, seed: int
) -> Judgement:
    """Calibrate predictions, put the operating point, and measure there.

    Args:
        predictions: Uncalibrated.
        validation: The cases that they are of.
        settings: Target of the operating point.
        seed: Of the folds that judge the calibration.
    """
    labels = validation.labels
    calibration = fit_calibration(labels, predictions.plain)
    held_out = out_of_fold_probabilities(labels, predictions.plain, seed)
    calibrated = predictions.calibrated(calibration)
    point = choose_operating_point(
        labels,
        calibrated.plain,
        settings.target_sensitivity,
        calibrated.stressed if settings.stress else None,
    )
    slices = {
        features.SUBTYPE: validation.subtypes,
        features.SIZE_GROUP: validation.size_groups,
        features.SHARPNESS_GROUP: validation.sharpness_groups,
    }
    return Judgement(
        calibration=calibration,
        calibration_error_before=expected_calibration_error(labels, predictions.plain),
        calibration_error_after=expected_calibration_error(labels, held_out),
        operating_point=point,
        validation=slice_metrics_from_predictions(
            labels, calibrated.plain, point.threshold, slices
        ),
        stressed={
            name: slice_metrics_from_predictions(labels, answers, point.threshold)[OVERALL]
            for name, answers in calibrated.stressed.items()
        },
    )
