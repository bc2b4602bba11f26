"""What a Trainer writes about its candidate, for the run's summary and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from contract.settings import CandidateSettings
from evaluation.calibration import Calibration
from evaluation.referral import Referral
from evaluation.site_holdout import PseudoSite
from evaluation.slice_metrics import SliceMetrics

# In the Trainer's `model_run` artifact.
REPORT_FILE = "training_report.json"
TENSORBOARD_DIR = "tensorboard"
NETWORK_FILE = "network.keras"  # what an ensemble is put together from
FAMILIAR_FILE = "familiar_images.npz"  # see `models.familiarity.FamiliarImages`
PREDICTIONS_FILE = "validation_predictions.npz"  # see `evaluation.predictions.Predictions`
CASES_FILE = "validation_cases.npz"  # see `evaluation.predictions.ValidationCases`


class TrainingReport(BaseModel):
    """One trained candidate.

    Attributes:
        name: The candidate's name in the configuration.
        architecture: Which network it is.
        num_parameters: All weights of the network.
        num_trainable: Those that training changes.
        candidate: Its settings, with what the search chose put in.
        hyperparameters: What the search chose; empty where nothing was tuned.
        members: Names of the candidates that an ensemble is made of; else empty.
        seed: Of weights, order and augmentation.
        num_epochs: Epochs run, early stopping included.
        best_epoch: From 1; the epoch of the lowest validation loss. Its weights were kept, unless
            `candidate.training.restore_best_weights` is off: then the last epoch's were.
        history: Figures per epoch by Keras' names, such as `val_loss`.
        num_gpus: Visible to TensorFlow.
        num_replicas: Devices that shared each step.
        training_s: Wall-clock time of the fit, s.
        cache: Where the images were kept; what `training.cache: auto` came to.
        threshold: The operating point, in [0, 1].
        target_sensitivity: What the operating point was asked for.
        reaches_target: Whether the recall's lower 95% bound on validation is at least that.
        calibration: What the exported model applies to the network's probability.
        calibration_error_before: Expected calibration error on validation without it.
        calibration_error_after: With it, each case calibrated by a fit that has not seen it.
        validation: Figures at the operating point by slice name, `overall` first.
        stressed: The same of all validation images under each stress, by its name; empty where
            `operating_point.stress` is off.
        pseudo_sites: The parts of validation that stand in for hospitals.
        exposure_cuts: Tertiles of the mean grey level of training images, which bound the exposure
            groups among them, in [0, 255].
        referral: What is left to a person, and how good the rest is, on validation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    architecture: str
    num_parameters: int
    num_trainable: int
    candidate: CandidateSettings | None
    hyperparameters: dict[str, int | float | str]
    members: tuple[str, ...] = ()
    seed: int
    num_epochs: int
    best_epoch: int
    history: dict[str, list[float]]
    num_gpus: int
    num_replicas: int
    training_s: float
    cache: Literal["memory", "disk", "none"] = "memory"
    threshold: float
    target_sensitivity: float
    reaches_target: bool
    calibration: Calibration
    calibration_error_before: float
    calibration_error_after: float
    validation: dict[str, SliceMetrics]
    stressed: dict[str, SliceMetrics]
    pseudo_sites: tuple[PseudoSite, ...]
    exposure_cuts: tuple[float, float]
    referral: Referral

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> TrainingReport:
        """Read a report that `write` wrote."""
        return cls.model_validate_json(path.read_text())
