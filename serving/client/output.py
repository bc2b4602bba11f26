"""Outcomes for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from contract import features
from serving.client.outcomes import UNCERTAIN_SCORE, UNFAMILIAR_IMAGE, Failure, Outcome, Prediction

_NUM_NAMED = 3
_REASONS = {UNFAMILIAR_IMAGE: "unfamiliar image", UNCERTAIN_SCORE: "uncertain score"}
_WIDE = 10_000  # columns outside a terminal: a line in a file is not folded


def write_json_line(outcome: Outcome, stream: TextIO) -> None:
    """Write one object and flush, so that a program reads it while others are judged.

    The keys are file, probability, label, threshold, decision, refer_reason, familiarity and
    familiarity_threshold, the last three null where they do not apply; or file and error.
    """
    if isinstance(outcome, Prediction):
        record: dict[str, str | float | None] = {
            "file": outcome.name,
            "probability": outcome.probability,
            "label": outcome.label,
            "threshold": outcome.threshold,
            "decision": outcome.decision,
            "refer_reason": outcome.refer_reason,
            "familiarity": outcome.familiarity,
            "familiarity_threshold": outcome.familiarity_threshold,
        }
    else:
        record = {"file": outcome.name, "error": outcome.reason}
    stream.write(json.dumps(record, allow_nan=False) + "\n")
    stream.flush()


def print_table(outcomes: Sequence[Outcome], stream: TextIO) -> None:
    """Print one row per image; with familiarity where the model measures it."""
    has_familiarity = any(
        isinstance(each, Prediction) and each.familiarity is not None for each in outcomes
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("File", overflow="fold")
    table.add_column("Probability", justify="right", no_wrap=True)
    table.add_column("Decision", no_wrap=True)
    table.add_column("Threshold", justify="right", no_wrap=True)
    if has_familiarity:
        table.add_column("Familiarity", justify="right", no_wrap=True)
    for outcome in outcomes:
        name = Text(printable(outcome.name))
        if isinstance(outcome, Prediction):
            cells: list[str | Text] = [
                f"{outcome.probability:.4f}",
                _decision(outcome),
                f"{outcome.threshold:.4f}",
                "-" if outcome.familiarity is None else f"{outcome.familiarity:.4f}",
            ]
        else:
            cells = ["-", Text("no answer", "red"), "-", "-"]
        table.add_row(name, *cells[: len(table.columns) - 1])
    console = Console(file=stream, highlight=False)
    if not console.is_terminal:
        console = Console(file=stream, highlight=False, width=_WIDE)
    console.print(table)


def _decision(prediction: Prediction) -> Text:
    if prediction.refer_reason is not None:
        return Text(f"refer to a radiologist: {_REASONS[prediction.refer_reason]}", "yellow")
    is_pneumonia = prediction.decision == features.PNEUMONIA
    return Text(prediction.decision, "bold" if is_pneumonia else "")


def print_failures(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print why images have no answer, each reason once, and how many were answered."""
    by_reason: dict[str, list[str]] = {}
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            by_reason.setdefault(outcome.reason, []).append(printable(outcome.name))
    if not by_reason:
        return
    for reason, names in by_reason.items():
        named = ", ".join(names[:_NUM_NAMED])
        if len(names) > _NUM_NAMED:
            named = f"{len(names)} images ({named}, ...)"
        console.print(Text(f"{named}: {printable(reason)}"))
    num_failed = sum(len(names) for names in by_reason.values())
    console.print(Text(f"{len(outcomes) - num_failed} of {len(outcomes)} images answered"))


def printable(text: str) -> str:
    r"""Return `text` with what would steer a terminal, or cannot be encoded, as `\x1b`."""
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape", "backslashreplace").decode("ascii")
        for character in text
    )
