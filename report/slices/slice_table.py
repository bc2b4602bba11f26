"""The slices as data: what TFMA measured on each and what the gate says of it."""

from __future__ import annotations

import csv
import dataclasses
import io

from contract import features
from evaluation.gate import FAILED, PASSED, TOO_SMALL, Evaluation, GateReport
from evaluation.slice_metrics import OVERALL, Estimate, SliceMetrics

FILE_NAME = "slices.csv"
NOT_JUDGED = "not judged"
GATE_WORDS = {PASSED: "pass", FAILED: "fail", TOO_SMALL: "too small"}
TOO_SMALL_NOTE = (
    "Too small: the slice holds fewer images of pneumonia than the gate asks for before it judges "
    "a sensitivity. It neither passes nor fails: too little is known of the model there. Not "
    "judged: the gate has no bound for the slice."
)

_FEATURE_ORDER = (
    features.SUBTYPE,
    features.SIZE_GROUP,
    features.SHARPNESS_GROUP,
    features.CASE,
)
_VALUE_ORDER = (
    *features.SUBTYPES,
    *features.SIZE_GROUPS,
    *features.SHARPNESS_GROUPS,
    *features.CASES,
)
_FIGURES = ("recall", "specificity", "auc")
COLUMNS = (
    "slice",
    "n",
    "positives",
    *(f"{figure}{end}" for figure in _FIGURES for end in ("", "_low", "_high")),
    "gate",
    "note",
)


@dataclasses.dataclass(frozen=True)
class SliceRow:
    """One slice.

    Attributes:
        name: Such as "overall" and "subtype=viral".
        n: Images.
        positives: Images of pneumonia among them.
        recall: At the operating point, Wilson interval.
        specificity: The same of normal images.
        auc: Area under the ROC curve, Newcombe interval.
        gate: "pass", "fail", "too small" or "not judged".
        note: The gate's reason, where the figures do not say it.
    """

    name: str
    n: int
    positives: int
    recall: Estimate
    specificity: Estimate
    auc: Estimate
    gate: str
    note: str = ""


def slice_rows(evaluation: Evaluation, gate: GateReport) -> tuple[SliceRow, ...]:
    """Return every slice that TFMA measured or that the gate asks about.

    A slice that the gate asks about and that holds no images has a row of zeros: that nothing is
    known there is a finding, too.

    Args:
        evaluation: Whose candidate is shown.
        gate: Its checks.

    Returns:
        The whole split first, then by feature and value in the feature contract's order.
    """
    names = {*evaluation.candidate, *(check.slice for check in gate.checks)}
    return tuple(
        _row(name, evaluation.candidate.get(name), gate) for name in sorted(names, key=_position)
    )


def to_csv(rows: tuple[SliceRow, ...]) -> str:
    """Return the rows as CSV with a header; undefined figures are empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        figures: list[float | None] = []
        for estimate in (row.recall, row.specificity, row.auc):
            figures += [estimate.value, estimate.low, estimate.high]
        cells = ["" if figure is None else f"{figure:.6f}" for figure in figures]
        writer.writerow([row.name, row.n, row.positives, *cells, row.gate, row.note])
    return stream.getvalue()


def _row(name: str, metrics: SliceMetrics | None, gate: GateReport) -> SliceRow:
    word, note = _gate_word(name, gate)
    if metrics is None:
        return SliceRow(name, 0, 0, Estimate(), Estimate(), Estimate(), word, note)
    return SliceRow(
        name,
        metrics.n,
        metrics.positives,
        metrics.recall,
        metrics.specificity,
        metrics.auc,
        word,
        note,
    )


def _gate_word(name: str, gate: GateReport) -> tuple[str, str]:
    """Return the worst of the checks on a slice, and which ones failed or why it is too small."""
    checks = [check for check in gate.checks if check.slice == name]
    failed = [check.name.replace("_", " ") for check in checks if check.verdict == FAILED]
    if failed:
        return GATE_WORDS[FAILED], ", ".join(failed)
    too_small = [check.note for check in checks if check.verdict == TOO_SMALL]
    if too_small:
        return GATE_WORDS[TOO_SMALL], "; ".join(too_small)
    return (GATE_WORDS[PASSED], "") if checks else (NOT_JUDGED, "")


def _position(name: str) -> tuple[bool, int, str, int, str]:
    """Return where a slice stands: known features and values first, others by name."""
    feature, _, value = name.partition("=")
    return (
        name != OVERALL,
        _FEATURE_ORDER.index(feature) if feature in _FEATURE_ORDER else len(_FEATURE_ORDER),
        feature,
        _VALUE_ORDER.index(value) if value in _VALUE_ORDER else len(_VALUE_ORDER),
        value,
    )
