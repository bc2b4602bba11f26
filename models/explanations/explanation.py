"""One candidate's explanation of one image."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from models.explanations.faithfulness import Faithfulness, FaithfulnessCheck
from models.explanations.grad_cam import grad_cam
from models.explanations.superpixel_lime import LimeExplanation, explain_by_lime
from models.explanations.superpixels import mean_by_region, segment
from models.predictor import Predictor, predict_probabilities
from models.selection import Selection
from models.training_report import NETWORK_FILE, REPORT_FILE, TrainingReport
from pipeline.config import CandidateSettings


@dataclasses.dataclass(frozen=True)
class ExplainedCandidate:
    """A trained candidate as explanations need it.

    Attributes:
        name: Of the candidate.
        network: Its network alone.
        settings: What comes before it.
        predictor: The network with what comes before and after it.
        threshold: In [0, 1]; at or above it an image is called pneumonia.
    """

    name: str
    network: keras.Model
    settings: CandidateSettings
    predictor: Predictor
    threshold: float

    @classmethod
    def load(cls, model_run: Path) -> ExplainedCandidate:
        """Load what a Trainer left in `model_run`.

        Raises:
            ValueError: It is an ensemble's, which has no network of its own.
        """
        report = TrainingReport.read(model_run / REPORT_FILE)
        if report.candidate is None:
            raise ValueError(
                f"Expected a trained candidate, got the ensemble {report.name!r}: explain its "
                "members."
            )
        network = keras.models.load_model(model_run / NETWORK_FILE, compile=False)
        predictor = Predictor(network, report.candidate, report.calibration)
        return cls(report.name, network, report.candidate, predictor, report.threshold)


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What is said of one image.

    Attributes:
        probability: Of pneumonia, calibrated.
        is_pneumonia: Whether the candidate calls it that: what is explained.
        regions: int64 [s, s], superpixels.
        lime: The linear stand-in.
        cam: float32 [s, s] in [0, 1], Grad-CAM; None where the network has no convolution.
        checks: Faithfulness by the explanation's name, `LIME` and `Grad-CAM`.
    """

    probability: float
    is_pneumonia: bool
    regions: np.ndarray
    lime: LimeExplanation
    cam: np.ndarray | None
    checks: Mapping[str, Faithfulness]


def explain(
    candidate: ExplainedCandidate, image: np.ndarray, *, num_samples: int, seed: int
) -> Explanation:
    """Explain a candidate's answer for an image, and check the explanations.

    Args:
        candidate: Who answers.
        image: uint8 [s, s, 1], as Transform makes it.
        num_samples: Answers that LIME asks for.
        seed: The same seed gives the same explanation.
    """

    def predict(images: np.ndarray) -> np.ndarray:
        return predict_probabilities(candidate.predictor, images)

    probability = float(predict(image[np.newaxis])[0])
    is_pneumonia = probability >= candidate.threshold

    def answer(images: np.ndarray) -> np.ndarray:
        probabilities = predict(images)
        return probabilities if is_pneumonia else 1.0 - probabilities

    regions = segment(image)
    lime = explain_by_lime(
        predict, image, regions, num_samples=num_samples, seed=seed, is_pneumonia=is_pneumonia
    )
    cam = grad_cam(candidate.network, candidate.settings, image, is_pneumonia=is_pneumonia)
    check = FaithfulnessCheck.prepare(answer, image, regions, seed)
    checks = {"LIME": check.judge(lime.weights if is_pneumonia else -lime.weights)}
    if cam is not None:
        checks["Grad-CAM"] = check.judge(mean_by_region(cam, regions))
    return Explanation(probability, is_pneumonia, regions, lime, cam, checks)


def best_single_candidates(
    selection: Selection, reports: Mapping[str, TrainingReport], number: int = 2
) -> list[str]:
    """Name the best candidates that have a network of their own.

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
