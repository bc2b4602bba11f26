"""Outcomes for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from models import features
from serving.client_outcomes import Failure, Outcome, Prediction

_NUM_NAMED = 3
_WIDE = 10_000  # columns of what is no terminal: a line in a file is not folded


def write_json_line(outcome: Outcome, stream: TextIO) -> None:
    """Write one object and flush, so that a program reads it while others are judged.

    The keys are file, probability, label and threshold; or file and error.
    """
    if isinstance(outcome, Prediction):
        record: dict[str, str | float] = {
            "file": outcome.name,
            "probability": outcome.probability,
            "label": outcome.label,
            "threshold": outcome.threshold,
        }
    else:
        record = {"file": outcome.name, "error": outcome.reason}
    stream.write(json.dumps(record, allow_nan=False) + "\n")
    stream.flush()


def print_table(outcomes: Sequence[Outcome], stream: TextIO) -> None:
    """Print one row per image."""
    table = Table(box=None, pad_edge=False)
    table.add_column("File", overflow="fold")
    table.add_column("Probability", justify="right", no_wrap=True)
    table.add_column("Decision", no_wrap=True)
    table.add_column("Threshold", justify="right", no_wrap=True)
    for outcome in outcomes:
        name = Text(printable(outcome.name))
        if isinstance(outcome, Prediction):
            is_pneumonia = outcome.label == features.PNEUMONIA
            table.add_row(
                name,
                f"{outcome.probability:.4f}",
                Text(outcome.label, "bold" if is_pneumonia else ""),
                f"{outcome.threshold:.4f}",
            )
        else:
            table.add_row(name, "-", Text("no answer", "red"), "-")
    console = Console(file=stream, highlight=False)
    if not console.is_terminal:
        console = Console(file=stream, highlight=False, width=_WIDE)
    console.print(table)


def print_failures(outcomes: Sequence[Outcome], console: Console) -> None:
    """Tell why images have no answer, each reason once, and how many were answered."""
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
