"""What changed against the last blessed model, image by image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.paired_comparison import PairedComparison, compare_decisions
from report.page.estimate_cells import UNDEFINED, format_figure
from report.page.parts import Cell, Group, Part, Table, Text
from report.served_predictions import Predictions
from report.sources import Sources

TITLE = "Change against the last blessed model"
_SIGNIFICANCE = 0.05
_NO_BASELINE = (
    "There was no blessed model before this run, so there is nothing to compare with, and the "
    "gate's bounds on changes did not apply."
)
_METHOD = (
    "Exact two-sided test; intervals by Newcombe's method for paired shares, which is another "
    "method and may say otherwise at the margin. The p values are not adjusted for there being "
    "three, the images are taken as independent, and a large p does not show that the models are "
    "equally good. The gate does not read this test: it has bounds of its own on the changes."
)


def change_part(sources: Sources) -> Part:
    """Return the comparison with the last blessed model, or that there is none."""
    old = sources.baseline_predictions
    if old is None:
        return Group(TITLE, (Text(_NO_BASELINE),))
    comparisons = compare_models(sources.predictions, old)
    version = sources.baseline_version
    table = Table(
        f"This model minus version {version}, on the same {comparisons['Accuracy'].n:,} images of "
        "the test split, each model at its own operating point, with 95% intervals. McNemar's "
        "test, p, counts only the images on which the two disagree.",
        ("Figure", "n", "Difference", "Only this right", f"Only version {version} right", "p"),
        tuple(_row(name, comparison) for name, comparison in comparisons.items()),
    )
    return Group(TITLE, (table, Text(_reading(comparisons)), Text(_METHOD)))


def compare_models(new: Predictions, old: Predictions) -> dict[str, PairedComparison]:
    """Compare two models' decisions on the same images.

    Returns:
        By figure: sensitivity among pneumonia, specificity among normal images, and accuracy.

    Raises:
        ValueError: The models did not judge the same images in the same order.
    """
    if new.image_ids != old.image_ids:
        raise ValueError(
            "expected the answers of both models to the same images in the same order, got "
            f"{len(new.image_ids)} and {len(old.image_ids)} that differ"
        )
    is_pneumonia = new.labels == 1
    new_right, old_right = new.decisions == is_pneumonia, old.decisions == is_pneumonia
    chosen: dict[str, npt.NDArray[np.bool_]] = {
        "Sensitivity": is_pneumonia,
        "Specificity": ~is_pneumonia,
        "Accuracy": np.ones_like(is_pneumonia),
    }
    return {
        name: compare_decisions(new_right[members], old_right[members])
        for name, members in chosen.items()
    }


def _row(name: str, comparison: PairedComparison) -> tuple[Cell | str, ...]:
    difference, interval, p_value = (
        comparison.difference,
        comparison.interval,
        comparison.p_value,
    )
    return (
        name,
        f"{comparison.n:,}",
        UNDEFINED
        if difference is None or interval is None
        else Cell(f"{difference:+.3f}", f"{interval[0]:+.3f} to {interval[1]:+.3f}"),
        f"{comparison.only_new:,}",
        f"{comparison.only_old:,}",
        "< 0.001" if p_value is not None and p_value < 0.001 else format_figure(p_value),
    )


def _reading(comparisons: dict[str, PairedComparison]) -> str:
    told = []
    for name, comparison in comparisons.items():
        p_value, difference = comparison.p_value, comparison.difference
        if p_value is not None and difference is not None and p_value < _SIGNIFICANCE:
            told.append(f"{name.lower()} is {'higher' if difference > 0 else 'lower'}")
    if not told:
        return "No difference is more than chance explains at the 5% level."
    return f"More than chance explains at the 5% level: {', '.join(told)} than before."
