"""How the probabilities of a set are distributed, by class, as a picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from evaluation.external import NUM_BINS, ClassScores
from report.page.drawing import (
    COLOURS,
    DASHES,
    HEIGHT_INCHES,
    WIDTH_INCHES,
    create_figure,
    style,
    svg_uri,
)
from report.page.parts import Picture

_LEGEND_INCHES = 0.4  # two lines below the axes


def draw_scores(title: str, scores: Mapping[str, ClassScores | None], threshold: float) -> Picture:
    """Draw each class's share of images by probability, and the threshold.

    Args:
        title: Of the set.
        scores: By class; one without images is left out, and named in the caption.
        threshold: Operating point, in [0, 1].
    """
    edges = np.linspace(0.0, 1.0, NUM_BINS + 1)
    present = {label: each for label, each in scores.items() if each is not None}
    with style():
        figure, axes = create_figure(WIDTH_INCHES, HEIGHT_INCHES + _LEGEND_INCHES)
        for number, (label, each) in enumerate(present.items()):
            axes.stairs(
                np.asarray(each.histogram) / each.n,
                edges,
                color=COLOURS[number],
                linestyle=DASHES[number],
                linewidth=1.6,
                label=f"{label}, n = {each.n:,}, mean {each.mean_probability:.3f}",
            )
        axes.axvline(threshold, color="#606060", linestyle=":", label=f"threshold {threshold:.3f}")
        axes.set(title=title, xlabel="probability of pneumonia", ylabel="share of the class")
        axes.set(xlim=(-0.02, 1.02), ylim=(0.0, 1.02))  # the same for all sets, to compare
        figure.legend(loc="outside lower center", frameon=False, fontsize=8)
        source = svg_uri(figure)
    told = "; ".join(
        f"{label}, n = {each.n:,}: median {each.percentiles['50']:.3f}, from 5th to 95th "
        f"percentile {each.percentiles['5']:.3f} to {each.percentiles['95']:.3f}, mean "
        f"{each.mean_probability:.3f}"
        for label, each in present.items()
    )
    missing = [label for label in scores if label not in present]
    caption = f"There are no {' and no '.join(missing)} images." if missing else ""
    return Picture(
        source,
        f"Probability of pneumonia by class, {title}. {told}. The threshold is at "
        f"{threshold:.3f}. {caption}".strip(),
        caption,
    )
