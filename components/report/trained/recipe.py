"""How a candidate was trained, in words."""

from __future__ import annotations

from pathlib import Path

from models.training_report import TrainingReport
from pipeline.config import CandidateSettings


def kept_epoch(report: TrainingReport) -> int:
    """Return the epoch, from 1, whose weights a candidate uses; 0 for an ensemble."""
    if report.candidate is None or report.candidate.training.restore_best_weights:
        return report.best_epoch
    return report.num_epochs


def describe_recipe(
    candidate: CandidateSettings,
    *,
    num_parameters: int,
    num_epochs: int,
    kept_epoch: int,
    training_s: float,
    is_pretrained: bool,
) -> str:
    """Say in one sentence how a candidate was trained.

    Args:
        candidate: Its settings.
        num_parameters: All weights of its network.
        num_epochs: Epochs run.
        kept_epoch: From 1; the epoch whose weights are used.
        training_s: Wall-clock time of the fit, s.
        is_pretrained: Whether its architecture has a backbone with weights of its own.

    Returns:
        Without a full stop.
    """
    training = candidate.training
    optimizer: str = training.optimizer
    if optimizer == "sgd":
        optimizer += f" (momentum {training.momentum:g})"
    parts = [
        f"{candidate.architecture}, {num_parameters:,} parameters",
        f"normalisation of images: {candidate.normalisation}",
        f"{optimizer} at a rate of {training.learning_rate:g}",
        f"batches of {training.batch_size}",
        "augmented" if training.augmentation.enabled else "not augmented",
        f"{num_epochs} of at most {training.epochs} epochs (patience "
        f"{training.patience_epochs}), the weights of epoch {kept_epoch} kept",
        f"trained in {training_s:,.0f} s",
    ]
    if is_pretrained:
        # Of a file the name says enough: a page that is passed on tells no folders.
        parts.insert(1, f"backbone's weights: {Path(candidate.weights).name}")
    return "; ".join(parts)
