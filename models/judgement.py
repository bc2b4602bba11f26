"""What validation says of a model: its calibration, its operating point, its figures.

Plain images and degraded ones both count; nothing of the test split is here.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from contract import features
from contract.settings import OperatingPointSettings
from evaluation.calibration import (
    Calibration,
    expected_calibration_error,
    fit_calibration,
    out_of_fold_probabilities,
)
from evaluation.operating_point import OperatingPoint, choose_operating_point
from evaluation.predictions import Predictions, ValidationCases
from evaluation.pseudo_sites import exposure_cuts, exposure_groups, pseudo_site_of
from evaluation.referral import Referral, judge_referral
from evaluation.site_holdout import PseudoSite, Sites, judge_sites
from evaluation.slice_metrics import OVERALL, SliceMetrics, slice_metrics_from_predictions
from models.input_data import Split, mean_greys
from models.predictor import (
    EnsemblePredictor,
    Predictor,
    predict_answers,
    predict_probabilities,
)
from models.stress import STRESSES, stressed_images

# Schemes of pseudo-sites.
FILE_NAME, SHARPNESS, EXPOSURE, SIZE = "file name", "sharpness", "exposure", "size"


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What follows from predictions on validation; see `evaluation.training_report`."""

    calibration: Calibration
    calibration_error_before: float
    calibration_error_after: float
    operating_point: OperatingPoint
    validation: dict[str, SliceMetrics]
    stressed: dict[str, SliceMetrics]
    pseudo_sites: tuple[PseudoSite, ...]
    exposure_cuts: tuple[float, float]
    referral: Referral

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
            "pseudo_sites": self.pseudo_sites,
            "exposure_cuts": self.exposure_cuts,
            "referral": self.referral,
        }


def cases_of(validation: Split) -> ValidationCases:
    """Return whom predictions on the split are about, in its order."""
    facts = validation.facts
    return ValidationCases(
        labels=facts.labels,
        patient_ids=np.asarray(facts.patient_ids, dtype=str),
        image_ids=np.asarray(facts.image_ids, dtype=str),
    )


def predict_validation(
    predictor: Predictor | EnsemblePredictor, validation: Split, stress: bool = True
) -> Predictions:
    """Predict the validation images, in one pass; degraded copies of a chunk of them at a time.

    Args:
        predictor: The model; how unusual the images are is predicted where it knows that.
        validation: The split.
        stress: Predict them under every stress, too.
    """
    plain: list[np.ndarray] = []
    distances: list[np.ndarray] = []
    stressed: dict[str, list[np.ndarray]] = {name: [] for name in (STRESSES if stress else ())}
    for chunk in validation.chunks():
        if predictor.knows_familiar:
            probabilities, log_distances = predict_answers(predictor, chunk.images)
            distances.append(log_distances)
        else:
            probabilities = predict_probabilities(predictor, chunk.images)
        plain.append(probabilities)
        for name, answers in stressed.items():
            answers.append(predict_probabilities(predictor, stressed_images(chunk.images, name)))
    return Predictions(
        np.concatenate(plain),
        {name: np.concatenate(answers) for name, answers in stressed.items()},
        np.concatenate(distances) if distances else None,
    )


def area_on_plain_and_stressed(
    predictor: Predictor, validation: Split, stress: bool = True
) -> float:
    """Return the mean of the AUC on plain images and of the mean AUC over the stresses.

    Args:
        predictor: The model; calibration does not change the figure.
        validation: Both classes present.
        stress: Without it the AUC on plain images is all.
    """
    predictions = predict_validation(predictor, validation, stress)
    labels = validation.facts.labels
    plain = float(roc_auc_score(labels, predictions.plain))
    stressed = [roc_auc_score(labels, answers) for answers in predictions.stressed.values()]
    return (plain + float(np.mean(stressed))) / 2.0 if stressed else plain


def measure_exposure_cuts(images: np.ndarray) -> tuple[float, float]:
    """Return the tertiles of the mean grey level, in [0, 255], of uint8 [n, side, side, 1]."""
    return exposure_cuts(mean_greys(images))


def sites_of(split: Split, cuts: tuple[float, float]) -> Sites:
    """Return each image's pseudo-site, [n], by scheme.

    Args:
        split: The images.
        cuts: Of the exposure groups, from `measure_exposure_cuts` of the training split.
    """
    facts = split.facts
    return {
        FILE_NAME: [pseudo_site_of(image_id) for image_id in facts.image_ids],
        SHARPNESS: facts.sharpness_groups,
        EXPOSURE: exposure_groups(facts.mean_greys, cuts),
        SIZE: facts.size_groups,
    }


def judge_predictions(
    predictions: Predictions,
    validation: Split,
    settings: OperatingPointSettings,
    seed: int,
    cuts: tuple[float, float],
) -> Judgement:
    """Calibrate predictions, put the operating point, and measure there.

    Args:
        predictions: Uncalibrated.
        validation: The cases that they are of.
        settings: Target of the operating point.
        seed: Of the folds that judge the calibration.
        cuts: Of the exposure groups, from `measure_exposure_cuts` of the training split.
    """
    facts = validation.facts
    labels = facts.labels
    calibration = fit_calibration(labels, predictions.plain)
    held_out = out_of_fold_probabilities(labels, predictions.plain, seed)
    calibrated = predictions.calibrated(calibration)
    sites = sites_of(validation, cuts)
    point = _choose(labels, calibrated, sites, settings)
    slices = {
        features.SUBTYPE: facts.subtypes,
        features.SIZE_GROUP: facts.size_groups,
        features.SHARPNESS_GROUP: facts.sharpness_groups,
    }

    def choose_without(members: npt.NDArray[np.bool_]) -> float | None:
        if len(set(labels[members].tolist())) < len(features.LABELS):
            return None
        return _choose(labels, calibrated, sites, settings, members).threshold

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
        pseudo_sites=judge_sites(labels, calibrated.plain, point.threshold, sites, choose_without),
        exposure_cuts=cuts,
        referral=judge_referral(
            labels, calibrated.plain, calibrated.log_distances, point.threshold, settings.referral
        ),
    )


def _choose(
    labels: np.ndarray,
    calibrated: Predictions,
    sites: Sites,
    settings: OperatingPointSettings,
    members: npt.NDArray[np.bool_] | None = None,
) -> OperatingPoint:
    """Choose the operating point, on all cases or on `members`, bool [n], alone."""
    chosen = np.arange(len(labels)) if members is None else np.flatnonzero(members)
    stressed = {name: answers[chosen] for name, answers in calibrated.stressed.items()}
    return choose_operating_point(
        labels[chosen],
        calibrated.plain[chosen],
        settings.target_sensitivity,
        stressed if settings.shift == "stresses" else None,
        {scheme: np.asarray(groups)[chosen].tolist() for scheme, groups in sites.items()},
        settings.min_site_sensitivity if settings.shift == "pseudo_sites" else 0.0,
    )
