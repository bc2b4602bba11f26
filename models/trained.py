"""What a Trainer left of a candidate, loaded again with what is round it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import keras

from contract.settings import CandidateSettings
from evaluation.training_report import FAMILIAR_FILE, NETWORK_FILE, REPORT_FILE, TrainingReport
from models.architectures import fused_normalisation  # noqa: F401 - Keras finds it by name
from models.familiarity import FamiliarImages
from models.predictor import EnsemblePredictor, Predictor


@dataclasses.dataclass(frozen=True)
class TrainedCandidate:
    """A candidate that is a single network, not an ensemble.

    Attributes:
        folder: Its ModelRun artifact.
        report: What its training came to.
        candidate: What comes before the network.
        network: float32 [n, s, s, 3] in [0, 1] -> probability [n, 1], not calibrated.
    """

    folder: Path
    report: TrainingReport
    candidate: CandidateSettings
    network: keras.Model

    def predictor(self) -> Predictor:
        """Return the calibrated predictor, which also measures how familiar images are."""
        familiar = FamiliarImages.read(self.folder / FAMILIAR_FILE)
        return Predictor(self.network, self.candidate, self.report.calibration, familiar)


def save_network(network: keras.Model, path: Path) -> None:
    """Write a trained network as it answers, without what it was trained with.

    Afterwards it cannot be trained further before it is compiled again.

    Args:
        network: Compiled or not, as are the models in it: a head that was trained alone is one.
        path: Ends with `.keras`.
    """
    _forget_training(network)
    network.save(path)


def _forget_training(network: keras.Model) -> None:
    # `load_model(compile=False)` forgets the outermost optimizer alone; Keras looks for those of
    # the models inside, and does not know ours.
    if network.compiled:
        network.compiled = False
        network.optimizer = None
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            _forget_training(layer)


def load_candidate(model_run: Path) -> TrainedCandidate:
    """Load a trained candidate.

    Args:
        model_run: What its Trainer left.

    Raises:
        ValueError: It is an ensemble's, which has no network.
    """
    report = TrainingReport.read(model_run / REPORT_FILE)
    if report.candidate is None:
        raise ValueError(
            f"Expected a trained candidate in {model_run}, got the ensemble {report.name!r}: load "
            "its members."
        )
    network = keras.models.load_model(model_run / NETWORK_FILE, compile=False)
    return TrainedCandidate(model_run, report, report.candidate, network)


def load_predictor(
    model_run: Path, member_runs: Mapping[str, Path]
) -> Predictor | EnsemblePredictor:
    """Load the calibrated predictor of a candidate or of an ensemble.

    Args:
        model_run: What its Trainer, or the Ensemble node, left.
        member_runs: What each Trainer left, by the candidate's name; read for an ensemble only.
    """
    report = TrainingReport.read(model_run / REPORT_FILE)
    if not report.members:
        return load_candidate(model_run).predictor()
    members = [load_candidate(member_runs[name]).predictor() for name in report.members]
    return EnsemblePredictor(members, report.calibration)
