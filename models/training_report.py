"""What a Trainer writes about its candidate, for the run's summary and reports."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from models.slice_metrics import SliceMetrics

# In the Trainer's `model_run` artifact.
REPORT_FILE = "training_report.json"
TENSORBOARD_DIR = "tensorboard"


class TrainingReport(BaseModel):
    """One trained candidate.

    Attributes:
        name: The candidate's name in the configuration.
        architecture: Which network it is.
        num_parameters: All weights of the network.
        hyperparameters: What the search chose, or the configured values.
        seed: Of weights, order and augmentation.
        num_epochs: Epochs run, early stopping included.
        best_epoch: From 1; the epoch whose weights were kept.
        history: Figures per epoch by Keras' names, such as `val_loss`.
        num_gpus: Visible to TensorFlow.
        training_s: Wall-clock time of the fit, s.
        threshold: The operating point, in [0, 1].
        target_sensitivity: What the operating point was asked for.
        validation: Figures at the operating point by slice name, `overall` first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    architecture: str
    num_parameters: int
    hyperparameters: dict[str, int | float]
    seed: int
    num_epochs: int
    best_epoch: int
    history: dict[str, list[float]]
    num_gpus: int
    training_s: float
    threshold: float
    target_sensitivity: float
    validation: dict[str, SliceMetrics]

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> TrainingReport:
        """Read a report that `write` wrote."""
        return cls.model_validate_json(path.read_text())
