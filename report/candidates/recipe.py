"""How a candidate was trained, in words and as learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.ticker import MaxNLocator

from contract.architectures import is_pretrained
from contract.settings import CandidateSettings, TrainingSettings
from evaluation.training_report import TrainingReport
from report.page.drawing import COLOURS, create_figure, style, svg_uri
from report.page.parts import Picture

METRICS = ("loss", "accuracy", "recall")  # of the learning curves


def kept_epoch(report: TrainingReport) -> int:
    """Return the epoch, from 1, whose weights a candidate uses; 0 for an ensemble."""
    if report.candidate is None or report.candidate.training.restore_best_weights:
        return report.best_epoch
    return report.num_epochs


def recipe_of(report: TrainingReport) -> str | None:
    """Return how a report's candidate was trained, as `describe_recipe`; None for an ensemble."""
    if report.candidate is None:
        return None
    return describe_recipe(
        report.candidate,
        num_parameters=report.num_parameters,
        num_epochs=report.num_epochs,
        kept_epoch=kept_epoch(report),
        training_s=report.training_s,
    )


def describe_recipe(
    candidate: CandidateSettings,
    *,
    num_parameters: int,
    num_epochs: int,
    kept_epoch: int,
    training_s: float,
) -> str:
    """Say in one sentence how a candidate was trained.

    Args:
        candidate: Its settings.
        num_parameters: All weights of its network.
        num_epochs: Epochs run.
        kept_epoch: From 1; the epoch whose weights are used.
        training_s: Wall-clock time of the fit, s.

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
        f"{num_epochs} of at most {_most_epochs(training)} epochs (patience "
        f"{training.patience_epochs}), the weights of epoch {kept_epoch} kept",
        f"trained in {training_s:,.0f} s",
    ]
    if is_pretrained(candidate.architecture):
        # The name of the file is enough: a page that is passed on shows no folders.
        parts[1:1] = [f"backbone's weights: {Path(candidate.weights).name}", _tuning(training)]
    return "; ".join(parts)


def _most_epochs(training: TrainingSettings) -> int:
    tuning = training.fine_tuning
    return training.head_epochs + training.epochs + (tuning.epochs if tuning.num_layers else 0)


def _tuning(training: TrainingSettings) -> str:
    """Say how much of a backbone was trained."""
    decay = f"rates falling by {training.layer_decay:g} from stage to stage"
    slowed = f", {decay}" if training.layer_decay < 1.0 else ""
    if training.backbone == "whole":
        epochs = f"{training.head_epochs} epoch{'s' if training.head_epochs > 1 else ''}"
        first = f" after {epochs} of the head alone" if training.head_epochs else ""
        return f"backbone trained as a whole{first}{slowed}"
    if training.fine_tuning.num_layers:
        return f"its last {training.fine_tuning.num_layers} layers trained after the head{slowed}"
    return "backbone frozen"


def draw_learning_curve(
    name: str, history: Mapping[str, Sequence[float]], metric: str, kept_epoch: int
) -> Picture:
    """Draw a metric of train and validation by epoch.

    Args:
        name: The candidate.
        history: Figures per epoch by Keras' names; at least one epoch.
        metric: A key of it that has a `val_` twin, such as `loss`.
        kept_epoch: From 1; the epoch whose weights are used.

    Raises:
        KeyError: The history does not have the metric.
    """
    train, validation = history[metric], history[f"val_{metric}"]
    with style():
        figure, axes = create_figure()
        epochs = range(1, len(train) + 1)
        marker = "o" if len(train) == 1 else None
        axes.plot(epochs, train, "--", color=COLOURS[1], label="train", marker=marker)
        axes.plot(epochs, validation, "-", color=COLOURS[0], label="validation", marker=marker)
        axes.axvline(kept_epoch, color="#767676", linestyle=":", label="kept weights")
        axes.set(title=metric.capitalize(), xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if metric != "loss":
            axes.set_ylim(-0.03, 1.03)
        axes.legend(frameon=False, fontsize=8)
        source = svg_uri(figure)
    return Picture(
        source,
        f"{metric.capitalize()} of {name}, epochs 1 to {len(train)}: on train from "
        f"{train[0]:.3f} to {train[-1]:.3f}, on validation from {validation[0]:.3f} to "
        f"{validation[-1]:.3f}, there lowest {min(validation):.3f} and highest "
        f"{max(validation):.3f}; the weights of epoch {kept_epoch} were kept.",
    )
