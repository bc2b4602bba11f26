"""Scores as a model of known ranking gives them, at sites that differ in known ways."""

from __future__ import annotations

import dataclasses

import numpy as np

from evaluation.calibration import fit_calibration
from evaluation.operating_point import choose_operating_point
from models.reference_scores import ReferenceScores

SEPARATION = 8.0  # of the classes' means in log-odds


@dataclasses.dataclass(frozen=True)
class Model:
    """A calibrated model with its validation scores and its threshold."""

    reference: ReferenceScores
    threshold: float
    slope: float
    intercept: float

    def probabilities(self, raw_log_odds: np.ndarray) -> np.ndarray:
        log_odds = self.slope * raw_log_odds + self.intercept
        return (1.0 / (1.0 + np.exp(-log_odds))).astype(np.float32)


def draw_log_odds(
    rng: np.random.Generator,
    labels: np.ndarray,
    separation: float = SEPARATION,
    normals_moved: float = 0.0,
) -> np.ndarray:
    """Heavy tails on both sides; cases vary more than normals."""
    noise = 1.6 * rng.standard_t(6, labels.size)
    return np.where(labels, separation / 2 + 1.2 * noise, normals_moved - separation / 2 + noise)


def train(
    rng: np.random.Generator, number: int = 800, prevalence: float = 0.73, **changes: float
) -> Model:
    labels = rng.random(number) < prevalence
    raw = draw_log_odds(rng, labels, **changes)
    calibration = fit_calibration(labels, 1.0 / (1.0 + np.exp(-raw)))
    scores = calibration.apply(1.0 / (1.0 + np.exp(-raw))).astype(np.float32)
    return Model(
        reference=ReferenceScores.from_predictions(labels, scores),
        threshold=choose_operating_point(labels, scores, 0.955).threshold,
        slope=calibration.slope,
        intercept=calibration.intercept,
    )


def draw_labels(rng: np.random.Generator, number: int, prevalence: float) -> np.ndarray:
    return rng.random(number) < prevalence


def recall_and_specificity(
    labels: np.ndarray, scores: np.ndarray, threshold: float
) -> tuple[float, float]:
    called = scores >= np.float32(threshold)
    return float(called[labels].mean()), float(1.0 - called[~labels].mean())
