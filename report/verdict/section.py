"""The verdict: whether the model may be pushed, why, and what changed."""

from __future__ import annotations

from evaluation.gate import FAILED, PASSED, TOO_SMALL, Check, GateReport
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
from report.sources import Sources
from report.verdict.model_change import TITLE as CHANGE_TITLE
from report.verdict.model_change import change_part

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
    "coverage": "Share of images that is decided",
    "tfma": "Validation by TFMA",
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


def _verdict(gate: GateReport) -> Part:
    failed, too_small = gate.with_verdict("failed"), gate.with_verdict("too_small")
    judged = len(gate.checks) - len(too_small)
    unjudged = (
        f" {len(too_small)} further {_checks(len(too_small))} had too few images to be judged, "
        "which neither passes nor fails."
        if too_small
        else ""
    )
    if gate.blessed:
        told = f"Blessed: the model passed {judged} of {judged} {_checks(judged)} on the test split"
        return Text(f"{told} and may be pushed.{unjudged}", "good")
    told = (
        f"Refused: the model failed {len(failed)} of {judged} {_checks(judged)} on the test split"
    )
    return Text(f"{told} and is not pushed.{unjudged}", "bad")


def _failed_checks(gate: GateReport) -> Part:
    failed = gate.with_verdict("failed")
    if not failed:
        return Text("No check failed.")
    return Listing(tuple(describe_check(check) for check in failed))


def describe_check(check: Check) -> str:
    """Return a check in one sentence, with its value and its bound."""
    told = _RULES.get(check.name, check.name.replace("_", " "))
    if check.slice != OVERALL:
        told += f" on {check.slice}"
    if check.bound is not None:
        told += f": {_value(check)}, expected at least {_bound(check)}, n = {check.n:,}"
    if check.baseline is not None:
        told += f", before {check.baseline:.3f}"
    return f"{told}. {_sentence(check.note)}".strip()


def _coverage(gate: GateReport) -> Part:
    coverage = gate.coverage
    if coverage is None:
        return Text("What the model refers to a radiologist was not measured on the test split.")
    decided = coverage.decided
    return Text(
        f"The model decides {decided.n:,} of {coverage.n:,} test images, a share of "
        f"{describe_estimate(coverage.share)}, and refers the others to a radiologist. Of those "
        f"that it decides: sensitivity {describe_estimate(decided.recall)}, specificity "
        f"{describe_estimate(decided.specificity)}. The figures of the checks are of all images."
    )


def _selected(sources: Sources) -> Part:
    selection = sources.selection
    return Text(
        f"Selected candidate: {selection.selected}, on validation, among "
        f"{len(selection.candidates)}. Why: {selection.reason}."
    )


def _all_checks(gate: GateReport) -> Part:
    table = Table(
        "On the test split at the operating point. n: images that the figure rests on, pneumonia "
        "for sensitivity, normal for specificity, all for the others.",
        ("Check", "Value", "Bound", "n", "Verdict"),
        tuple(_check_row(check) for check in gate.checks),
        text_columns=(4,),
    )
    return Group(f"All {len(gate.checks)} checks of the gate", (table,))


def _check_row(check: Check) -> tuple[Cell | str, ...]:
    word, tone = _VERDICTS[check.verdict]
    rule = _RULES.get(check.name, check.name.replace("_", " "))
    before = "" if check.baseline is None else f"before {check.baseline:.3f}"
    return (
        Cell(rule, "whole test split" if check.slice == OVERALL else check.slice),
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


def _checks(count: int) -> str:
    return "check" if count == 1 else "checks"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""
