"""Which images of the test split a model got right and wrong, the surest answers first."""

from __future__ import annotations

import dataclasses

import numpy as np

from contract import features
from report.page.estimate_cells import format_probability
from report.served_predictions import Predictions


@dataclasses.dataclass(frozen=True)
class Outcomes:
    """Numbers of images in `Predictions`, int64 [k] each, farthest from the threshold first.

    Images of the same probability are in the order of their ids.

    Attributes:
        hits: Pneumonia that was called so.
        misses: Pneumonia that was called normal.
        false_alarms: Normal images that were called pneumonia.
        correct_normals: Normal images that were called so.
    """

    hits: np.ndarray
    misses: np.ndarray
    false_alarms: np.ndarray
    correct_normals: np.ndarray


def find_outcomes(predictions: Predictions) -> Outcomes:
    """Sort a model's answers into right and wrong ones."""
    is_ill, is_called = predictions.labels == 1, predictions.decisions
    distances = np.abs(predictions.probabilities - predictions.threshold)
    order = np.lexsort((np.asarray(predictions.image_ids), -distances))

    def sort(chosen: np.ndarray) -> np.ndarray:
        return order[chosen[order]]

    return Outcomes(
        hits=sort(is_ill & is_called),
        misses=sort(is_ill & ~is_called),
        false_alarms=sort(~is_ill & is_called),
        correct_normals=sort(~is_ill & ~is_called),
    )


def in_words(predictions: Predictions, number: int) -> str:
    """Return an image's truth and the model's answer, in a few words."""
    subtype = str(predictions.facts[features.SUBTYPE][number])
    truth = "normal" if predictions.labels[number] == 0 else f"{subtype} pneumonia"
    told = f"{truth}, probability {format_probability(predictions.probabilities[number])}"
    if predictions.verdicts is None or predictions.verdicts[number] != features.REFER:
        return told
    is_unfamiliar = predictions.unfamiliar is not None and predictions.unfamiliar[number]
    reason = "unfamiliar image" if is_unfamiliar else "uncertain score"
    return f"{told}, referred to a radiologist: {reason}"
