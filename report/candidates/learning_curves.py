"""A network's figures by epoch, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.ticker import MaxNLocator

from report.page.drawing import COLOURS, create_figure, style, svg_uri
from report.page.parts import Picture

# Of Keras' history; each has a twin on validation.
METRICS = ("loss", "accuracy", "recall")


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
