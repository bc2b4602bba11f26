"""The picture of a confusion matrix."""

from __future__ import annotations

from contract import features
from evaluation.intervals import wilson_interval
from evaluation.slice_metrics import SliceMetrics
from report.page.drawing import create_figure, style, svg_uri
from report.page.parts import Picture


def draw_confusion_matrix(metrics: SliceMetrics, of: str = "") -> Picture:
    """Draw truth against call, each cell with its count, its share of the truth and the interval.

    Args:
        metrics: Counts of any images.
        of: Whose answers these are, where a page shows several.
    """
    counts = ((metrics.tn, metrics.fp), (metrics.fn, metrics.tp))
    with style():
        figure, axes = create_figure()
        shares = [[count / max(1, sum(line)) for count in line] for line in counts]
        axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
        for down, line in enumerate(counts):
            for across, count in enumerate(line):
                share = shares[down][across]
                axes.text(
                    across,
                    down,
                    f"{count:,}\n{share:.1%}\n{_interval(count, sum(line))}",
                    ha="center",
                    va="center",
                    color="white" if share > 0.5 else "black",
                    fontsize=9,
                )
        axes.set_xticks((0, 1), features.LABELS)
        axes.set_yticks((0, 1), features.LABELS, rotation=90, va="center")
        axes.set(title="Confusion matrix", xlabel="called", ylabel="truth")
        axes.tick_params(length=0)
        source = svg_uri(figure)
    negatives = metrics.n - metrics.positives
    whose = f" of {of} on test" if of else ""
    return Picture(
        source,
        f"Confusion matrix{whose}: of {metrics.positives} images with pneumonia {metrics.tp} were "
        f"called pneumonia and {metrics.fn} normal; of {negatives} normal images {metrics.tn} "
        f"were called normal and {metrics.fp} pneumonia.",
        f"Share of each row with its 95% interval; normal n = {negatives:,}, pneumonia "
        f"n = {metrics.positives:,}.",
    )


def _interval(successes: int, trials: int) -> str:
    interval = wilson_interval(successes, trials)
    return "" if interval is None else f"{interval[0]:.1%} to {interval[1]:.1%}"
