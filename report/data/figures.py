"""The figures of the data: how the classes are balanced, and how large the images are."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.ticker import MaxNLocator

from contract import features
from report.data.facts import FactsBySplit, RecordFacts, count_by
from report.page.drawing import COLOURS, DASHES, create_figure, style, svg_uri
from report.page.parts import Picture

_MAX_BINS = 30
_NARROW_PX = 10  # sizes that differ by less are drawn with some room around them
_COLOURS = dict(
    zip(features.SUBTYPES, ("#7F7F7F", COLOURS[1], COLOURS[0], COLOURS[4]), strict=True)
)


def draw_class_balance(splits: FactsBySplit) -> Picture:
    """Draw one bar per split, cut into the shares of its subtypes.

    Args:
        splits: Records by split; a split without records has no bar.
    """
    counts = {
        name: count_by(records, lambda record: record.subtype, features.SUBTYPES)
        for name, records in splits.items()
    }
    shown = [each for each in features.SUBTYPES if any(line[each] for line in counts.values())]
    with style():
        figure, axes = create_figure()
        names = list(counts)
        starts = np.zeros(len(names))
        for subtype in shown:
            numbers = [counts[name][subtype] for name in names]
            shares = np.array([counts[name][subtype] / max(1, len(splits[name])) for name in names])
            bars = axes.barh(
                names, shares, left=starts, color=_COLOURS[subtype], label=subtype, height=0.7
            )
            # A narrow piece has no room for its number; the table has it.
            labels = [
                f"{n:,}" if part > 0.06 else "" for n, part in zip(numbers, shares, strict=True)
            ]
            axes.bar_label(bars, labels, label_type="center", color="white", fontsize=9)
            starts += shares
        axes.invert_yaxis()
        axes.set(title="Images by subtype", xlim=(0.0, 1.0), xlabel="share of the split")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        figure.legend(
            loc="outside lower center",
            ncols=len(shown),
            frameon=False,
            fontsize=8,
            handlelength=1.0,
            columnspacing=1.0,
        )
        source = svg_uri(figure)
    told = "; ".join(_describe_counts(name, line) for name, line in counts.items())
    return Picture(source, f"Images by subtype. {told}.")


def draw_sizes(splits: FactsBySplit, side: Literal["height", "width"]) -> Picture:
    """Draw how a native side is distributed, one line per split.

    Args:
        splits: Records by split, at least one record in all.
        side: Which.
    """
    side_of: Callable[[RecordFacts], int] = lambda record: getattr(record, side)  # noqa: E731
    sides_px = {name: [side_of(record) for record in records] for name, records in splits.items()}
    filled = {name: values for name, values in sides_px.items() if values}
    everything = [value for values in filled.values() for value in values]
    # Around whole pixels, so that no bin holds more sizes than its neighbour by rounding alone.
    margin_px = _NARROW_PX if max(everything) - min(everything) < _NARROW_PX else 0
    low, high = min(everything) - margin_px - 0.5, max(everything) + margin_px + 0.5
    bin_px = math.ceil((high - low) / _MAX_BINS)
    edges = np.arange(low, high + bin_px, bin_px)
    with style():
        figure, axes = create_figure()
        for number, (name, values) in enumerate(filled.items()):
            axes.hist(
                values,
                bins=edges.tolist(),
                weights=np.full(len(values), 1.0 / len(values)),
                histtype="step",
                color=COLOURS[number % len(COLOURS)],
                linestyle=DASHES[number % len(DASHES)],
                linewidth=1.5,
                label=name,
            )
        axes.set(title=f"Native {side}", xlabel="px", ylabel="share of the split")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.yaxis.set_major_formatter(lambda value, _: f"{100.0 * value:.3g}%")
        figure.legend(loc="outside lower center", ncols=len(filled), frameon=False, fontsize=8)
        source = svg_uri(figure)
    told = "; ".join(_describe_sides(name, values) for name, values in filled.items())
    return Picture(source, f"Native {side} of the images. {told}.")


def _describe_counts(split: str, counts: Mapping[str, int]) -> str:
    return f"{split}: " + ", ".join(f"{number:,} {name}" for name, number in counts.items())


def _describe_sides(split: str, values: Sequence[int]) -> str:
    return (
        f"{split}: from {min(values):,} to {max(values):,} px, median "
        f"{statistics.median(values):,g} px"
    )
