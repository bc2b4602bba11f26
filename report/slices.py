"""The slices: figures and the gate's verdict on each, for page, terminal and spreadsheet."""

from __future__ import annotations

import csv
import dataclasses
import io

from contract import features
from evaluation.gate import FAILED, PASSED, TOO_SMALL, Evaluation, GateReport
from evaluation.slice_metrics import OVERALL, Estimate, SliceMetrics
from report.page.estimate_cells import estimate_cell
from report.page.parts import Cell, Part, Section, Table, Text, Tone, attempt_all
from report.sources import Sources

FILE_NAME = "slices.csv"
NOT_JUDGED = "not judged"
GATE_WORDS = {PASSED: "pass", FAILED: "fail", TOO_SMALL: "too small"}
TOO_SMALL_NOTE = (
    "Too small: the slice has fewer pneumonia images than the gate requires to judge a "
    "sensitivity. It neither passes nor fails: too little is known about the model there. Not "
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
    """Return the position of a slice: known features and values first, others by name."""
    feature, _, value = name.partition("=")
    return (
        name != OVERALL,
        _FEATURE_ORDER.index(feature) if feature in _FEATURE_ORDER else len(_FEATURE_ORDER),
        feature,
        _VALUE_ORDER.index(value) if value in _VALUE_ORDER else len(_VALUE_ORDER),
        value,
    )


ANCHOR, TITLE = "slices", "Slices"

_TONES: dict[str, Tone] = {
    GATE_WORDS[PASSED]: "good",
    GATE_WORDS[FAILED]: "bad",
    GATE_WORDS[TOO_SMALL]: "warning",
}


def build(sources: Sources) -> Section:
    """Build the section."""
    return Section(
        ANCHOR,
        TITLE,
        attempt_all(
            (
                ("The gate's verdict on the slices", lambda: _summary(sources)),
                ("The slices", lambda: _table(slice_rows(sources.tfma, sources.gate))),
                ("What too small means", lambda: Text(TOO_SMALL_NOTE)),
            )
        ),
    )


def _summary(sources: Sources) -> Part:
    # Without the whole split, which the verdict covers.
    _, *rows = slice_rows(sources.tfma, sources.gate)
    failed = [row.name for row in rows if row.gate == GATE_WORDS[FAILED]]
    too_small = [row.name for row in rows if row.gate == GATE_WORDS[TOO_SMALL]]
    judged = sum(row.gate in (GATE_WORDS[PASSED], GATE_WORDS[FAILED]) for row in rows)
    text = f"{len(rows)} slices, {judged} of them judged by the gate: "
    text += f"failed: {', '.join(failed)}." if failed else "none failed."
    if too_small:
        text += f" Too small to judge: {', '.join(too_small)}."
    return Text(text, "bad" if failed else "plain")


def _table(rows: tuple[SliceRow, ...]) -> Table:
    return Table(
        "Measured by TFMA on the test split at the operating point, with 95% intervals: Wilson's "
        "for sensitivity and specificity, Newcombe's for the AUC. A dash: the slice has no image "
        "of a class that the figure needs.",
        ("Slice", "n", "Pneumonia", "Sensitivity", "Specificity", "AUC", "Gate"),
        tuple(
            (
                _name(row.name),
                f"{row.n:,}",
                f"{row.positives:,}",
                estimate_cell(row.recall),
                estimate_cell(row.specificity),
                estimate_cell(row.auc),
                Cell(row.gate, row.note, _TONES.get(row.gate, "plain")),
            )
            for row in rows
        ),
        text_columns=(6,),
    )


def _name(name: str) -> Cell:
    feature, separator, value = name.partition("=")
    if not separator:
        return Cell(name.capitalize(), "whole test split")
    return Cell(value.replace("_", " "), feature.replace("_", " "))
