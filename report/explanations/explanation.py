"""One candidate's explanation of one image."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
from scipy.special import expit

from contract.settings import CandidateSettings
from evaluation.calibration import Calibration
from evaluation.selection import Selection
from evaluation.training_report import TrainingReport
from models.trained import load_candidate
from report.explanations.faithfulness import Faithfulness, FaithfulnessCheck, blurred
from report.explanations.grad_cam import grad_cam
from report.explanations.log_odds import LogOdds, NetworkLogOdds, threshold_log_odds
from report.explanations.superpixel_lime import (
    LimeExplanation,
    explain_by_lime,
    mean_by_region,
    segment,
)


@dataclasses.dataclass(frozen=True)
class ExplainedCandidate:
    """A trained candidate as explanations need it.

    Attributes:
        name: Of the candidate.
        network: Its network alone.
        settings: What comes before it.
        log_odds: The network with what comes before and after it.
        threshold: In [0, 1]; at or above it an image is called pneumonia.
    """

    name: str
    network: keras.Model
    settings: CandidateSettings
    log_odds: LogOdds
    threshold: float

    @classmethod
    def of(
        cls,
        name: str,
        network: keras.Model,
        settings: CandidateSettings,
        calibration: Calibration,
        threshold: float,
    ) -> ExplainedCandidate:
        """Put a candidate together; raises a ValueError for a network without a logit."""
        return cls(
            name, network, settings, NetworkLogOdds(network, settings, calibration), threshold
        )

    @classmethod
    def load(cls, model_run: Path) -> ExplainedCandidate:
        """Load what a Trainer left in `model_run`.

        Raises:
            ValueError: It is an ensemble's, which has no network.
        """
        trained = load_candidate(model_run)
        report = trained.report
        return cls.of(
            report.name, trained.network, trained.candidate, report.calibration, report.threshold
        )


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What is said of one image.

    Attributes:
        log_odds: Of pneumonia, calibrated, of the image.
        blurred_log_odds: The same of its blurred copy, the end of every deletion curve.
        threshold_log_odds: At or above it the candidate calls an image pneumonia.
        regions: int64 [s, s], superpixels.
        lime: The linear stand-in.
        cam: float32 [s, s] in [0, 1], Grad-CAM; None where the network has no convolution.
        checks: Faithfulness by the explanation's name, `LIME` and `Grad-CAM`.
    """

    log_odds: float
    blurred_log_odds: float
    threshold_log_odds: float
    regions: np.ndarray
    lime: LimeExplanation
    cam: np.ndarray | None
    checks: Mapping[str, Faithfulness]

    @property
    def is_pneumonia(self) -> bool:
        """Whether the candidate calls the image pneumonia: the answer that is explained."""
        return self.log_odds >= self.threshold_log_odds

    @property
    def is_blurred_pneumonia(self) -> bool:
        """Whether it calls the blurred copy so."""
        return self.blurred_log_odds >= self.threshold_log_odds

    @property
    def probability(self) -> float:
        """Of pneumonia, calibrated, in [0, 1]."""
        return float(expit(self.log_odds))


def explain(
    candidate: ExplainedCandidate, image: np.ndarray, *, num_samples: int, seed: int
) -> Explanation:
    """Explain a candidate's answer for an image, and check the explanations.

    Everything is measured in log-odds; see `report.explanations.log_odds`.

    Args:
        candidate: Who answers.
        image: uint8 [s, s, 1], as Transform makes it.
        num_samples: Answers that LIME asks for.
        seed: The same seed gives the same explanation.
    """
    threshold = threshold_log_odds(candidate.threshold)
    log_odds, blurred_log_odds = candidate.log_odds(np.stack([image, blurred(image)]))
    is_pneumonia = bool(log_odds >= threshold)

    def answer(images: np.ndarray) -> np.ndarray:
        values = candidate.log_odds(images)
        return values if is_pneumonia else -values

    regions = segment(image)
    lime = explain_by_lime(
        candidate.log_odds,
        image,
        regions,
        num_samples=num_samples,
        seed=seed,
        is_pneumonia=is_pneumonia,
    )
    cam = grad_cam(candidate.network, candidate.settings, image, is_pneumonia=is_pneumonia)
    check = FaithfulnessCheck.prepare(answer, image, regions, seed)
    checks = {"LIME": check.judge(lime.weights if is_pneumonia else -lime.weights)}
    if cam is not None:
        checks["Grad-CAM"] = check.judge(mean_by_region(cam, regions))
    return Explanation(
        float(log_odds), float(blurred_log_odds), threshold, regions, lime, cam, checks
    )


def best_single_candidates(
    selection: Selection, reports: Mapping[str, TrainingReport], number: int = 2
) -> list[str]:
    """Name the best candidates that are single networks, not ensembles.

    Args:
        selection: The choice, the best first.
        reports: Every candidate's, by name.
        number: How many at most. Where an ensemble was selected, they are its members.
    """
    members = reports[selection.selected].members
    ranked = [
        entry.name for entry in selection.candidates if reports[entry.name].candidate is not None
    ]
    return [name for name in ranked if not members or name in members][:number]
