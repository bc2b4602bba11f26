"""The slices of the test split: where the model is good, where not, and where nobody knows."""

from __future__ import annotations

from evaluation.gate import FAILED, PASSED, TOO_SMALL
from report.page.estimate_cells import estimate_cell
from report.page.parts import Cell, Part, Section, Table, Text, Tone, attempt_all
from report.slices.slice_table import GATE_WORDS, TOO_SMALL_NOTE, SliceRow, slice_rows
from report.sources import Sources

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
                ("What the gate says of the slices", lambda: _summary(sources)),
                ("The slices", lambda: _table(slice_rows(sources.tfma, sources.gate))),
                ("What too small means", lambda: Text(TOO_SMALL_NOTE)),
            )
        ),
    )


def _summary(sources: Sources) -> Part:
    # Without the whole split, of which the verdict tells.
    _, *rows = slice_rows(sources.tfma, sources.gate)
    failed = [row.name for row in rows if row.gate == GATE_WORDS[FAILED]]
    too_small = [row.name for row in rows if row.gate == GATE_WORDS[TOO_SMALL]]
    judged = sum(row.gate in (GATE_WORDS[PASSED], GATE_WORDS[FAILED]) for row in rows)
    told = f"{len(rows)} slices, of which the gate judged {judged}: "
    told += f"failed are {', '.join(failed)}." if failed else "none failed."
    if too_small:
        told += f" Too small to judge: {', '.join(too_small)}."
    return Text(told, "bad" if failed else "plain")


def _table(rows: tuple[SliceRow, ...]) -> Table:
    return Table(
        "Measured by TFMA on the test split at the operating point, with 95% intervals: Wilson's "
        "for sensitivity and specificity, Newcombe's for the AUC. A dash: the slice holds no image "
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
