"""The verdict: whether the model may be pushed, why, and what changed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.gate import FAILED, PASSED, TOO_SMALL, Check, GateReport, describe_gate
from evaluation.paired_comparison import PairedComparison, compare_decisions
from evaluation.slice_metrics import OVERALL
from report.page.estimate_cells import UNDEFINED, describe_estimate, format_figure
from report.page.parts import (
    Cell,
    Group,
    Listing,
    Part,
    Section,
    Table,
    Text,
    Tone,
    attempt_all,
)
from report.served_predictions import Predictions
from report.sources import Sources

ANCHOR, TITLE = "verdict", "Verdict"

_RULES = {
    "recall": "Sensitivity (recall)",
    "specificity": "Specificity",
    "auc": "Area under the ROC curve (AUC)",
    "recall_change": "Change of sensitivity",
    "auc_change": "Change of AUC",
    "recall_lower_bound": "Lower 95% bound of sensitivity",
    "specificity_lower_bound": "Lower 95% bound of specificity",
    "slice_recall": "Sensitivity",
    "coverage": "Share of images decided by the model",
    "tfma": "Validation by TensorFlow Model Analysis (TFMA)",
}
_VERDICTS: dict[str, tuple[str, Tone]] = {
    PASSED: ("passed", "good"),
    FAILED: ("FAILED", "bad"),
    TOO_SMALL: ("too small", "warning"),
}


def build(sources: Sources) -> Section:
    """Build the section."""
    return Section(
        ANCHOR,
        TITLE,
        attempt_all(
            (
                ("The verdict", lambda: _verdict(sources.gate)),
                ("The failed checks", lambda: _failed_checks(sources.gate)),
                ("What is decided", lambda: _coverage(sources.gate)),
                ("The selected candidate", lambda: _selected(sources)),
                (CHANGE_TITLE, lambda: change_part(sources)),
                ("The gate's checks", lambda: _all_checks(sources.gate)),
            )
        ),
    )


def gate_section(gate: GateReport) -> Section:
    """Return the gate's verdict alone: the word, the failed checks, all checks."""
    return Section(ANCHOR, TITLE, (_verdict(gate), _failed_checks(gate), _all_checks(gate)))


def _verdict(gate: GateReport) -> Part:
    if gate.blessed:
        return Text(f"Blessed: {describe_gate(gate)}. The model may be pushed.", "good")
    return Text(f"Refused: {describe_gate(gate)}. The model is not pushed.", "bad")


def _failed_checks(gate: GateReport) -> Part:
    failed = gate.with_verdict("failed")
    if not failed:
        return Text("No check failed.")
    return Listing(tuple(describe_check(check) for check in failed))


def describe_check(check: Check) -> str:
    """Return a check in one sentence, with its value and its bound."""
    text = _rule(check)
    if check.slice != OVERALL:
        text += f" on {_slice(check)}"
    if check.bound is not None:
        text += f": {_value(check)}, required at least {_bound(check)}, n = {check.n:,}"
    if check.baseline is not None:
        text += f", before {check.baseline:.3f}"
    return f"{text}. {_sentence(check.note)}".strip()


def _rule(check: Check) -> str:
    return _RULES.get(check.name, check.name.replace("_", " "))


def _slice(check: Check) -> str:
    return check.slice.replace("=", ": ", 1).replace("_", " ")


def _coverage(gate: GateReport) -> Part:
    coverage = gate.coverage
    if coverage is None:
        return Text("What the model refers to a radiologist was not measured on the test split.")
    decided = coverage.decided
    return Text(
        f"The model decides {decided.n:,} of {coverage.n:,} test images, a share of "
        f"{describe_estimate(coverage.share)}, and refers the others to a radiologist. On what it "
        f"decides: sensitivity {describe_estimate(decided.recall)}, specificity "
        f"{describe_estimate(decided.specificity)}. The checks below use all images."
    )


def _selected(sources: Sources) -> Part:
    selection = sources.selection
    return Text(
        f"Selected candidate: {selection.selected}, one of {len(selection.candidates)} compared on "
        f"validation. Why: {selection.reason}."
    )


def _all_checks(gate: GateReport) -> Part:
    table = Table(
        "On the test split at the operating point. n: images behind the figure (pneumonia for "
        "sensitivity, normal for specificity, all for the others).",
        ("Check", "Value", "Bound", "n", "Verdict"),
        tuple(_check_row(check) for check in gate.checks),
        text_columns=(4,),
    )
    return Group(f"All {len(gate.checks)} checks of the gate", (table,))


def _check_row(check: Check) -> tuple[Cell | str, ...]:
    word, tone = _VERDICTS[check.verdict]
    before = "" if check.baseline is None else f"before {check.baseline:.3f}"
    return (
        Cell(_rule(check), "whole test split" if check.slice == OVERALL else _slice(check)),
        Cell(_value(check), before),
        UNDEFINED if check.bound is None else f"≥\u00a0{_bound(check)}",
        f"{check.n:,}",
        Cell(word, check.note, tone),
    )


def _value(check: Check) -> str:
    return _signed(check.value) if check.name.endswith("_change") else format_figure(check.value)


def _bound(check: Check) -> str:
    return _signed(check.bound) if check.name.endswith("_change") else format_figure(check.bound)


def _signed(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:+.3f}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""


CHANGE_TITLE = "Change against the last blessed model"
_SIGNIFICANCE = 0.05
_NO_BASELINE = (
    "There was no blessed model before this run, so there is nothing to compare with, and the "
    "gate's bounds on changes did not apply."
)
_METHOD = (
    "Exact two-sided test; intervals by Newcombe's method for paired proportions, so the two may "
    "disagree in borderline cases. The three p values are not adjusted for multiple testing, the "
    "images are treated as independent, and a large p does not show that the models are equally "
    "good. The gate does not use this test: it has separate bounds on the changes."
)


def change_part(sources: Sources) -> Part:
    """Return the comparison with the last blessed model, or that there is none."""
    old = sources.baseline_predictions
    if old is None:
        return Group(CHANGE_TITLE, (Text(_NO_BASELINE),))
    comparisons = compare_models(sources.predictions, old)
    version = sources.baseline_version
    table = Table(
        f"This model minus version {version}, on the same {comparisons['Accuracy'].n:,} images of "
        "the test split, each model at its own operating point, with 95% intervals. p is from "
        "McNemar's test, which counts only the images on which the two disagree.",
        ("Figure", "n", "Difference", "Only this one right", f"Only version {version} right", "p"),
        tuple(_row(name, comparison) for name, comparison in comparisons.items()),
    )
    return Group(CHANGE_TITLE, (table, Text(_reading(comparisons)), Text(_METHOD)))


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
    changes = []
    for name, comparison in comparisons.items():
        p_value, difference = comparison.p_value, comparison.difference
        if p_value is not None and difference is not None and p_value < _SIGNIFICANCE:
            changes.append(f"{name.lower()} is {'higher' if difference > 0 else 'lower'}")
    if not changes:
        return "No difference is statistically significant at the 5% level."
    return f"Significant at the 5% level: {', '.join(changes)} than before."
