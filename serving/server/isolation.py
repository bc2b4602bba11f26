"""Rows that a model cannot read, told apart from those beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from serving.server.rest.errors import ServingError
from serving.server.rest.tensors import Arrays

_INVALID_ARGUMENT = 400


@dataclasses.dataclass(frozen=True)
class Piece:
    """Consecutive rows that share an outcome.

    Attributes:
        start: The first row.
        stop: The row after the last one.
        outcome: Their outputs, or the error of the only row.
    """

    start: int
    stop: int
    outcome: Arrays | ServingError


class UnevenRowsError(Exception):
    """Outputs that do not have one row per input row: what belongs to which request is unknown."""


def run_isolated(run: Callable[[Arrays], Arrays], inputs: Arrays, num_rows: int) -> list[Piece]:
    """Run a batch; where it fails for its content, halve it until the bad rows stand alone.

    Args:
        run: The model. Its errors of status 400 are about the content of rows.
        inputs: Arrays of `num_rows` rows each.
        num_rows: At least 1.

    Returns:
        Pieces that cover all rows, in order.

    Raises:
        ServingError: The model failed for another reason.
        UnevenRowsError: Its outputs do not have one row for each input row.
    """
    return _run(run, inputs, 0, num_rows)


def take_rows(pieces: list[Piece], start: int, stop: int) -> Arrays:
    """Return the outputs of some rows.

    Raises:
        ServingError: A row has none; the message names it, counted from `start`.
    """
    parts: list[Arrays] = []
    for piece in pieces:
        low, high = max(piece.start, start), min(piece.stop, stop)
        if low >= high:
            continue
        if isinstance(piece.outcome, ServingError):
            error = piece.outcome
            raise ServingError(
                error.status,
                f"Failed to process element: {low - start} of the request. Error: {error.message}",
            )
        parts.append(
            {
                name: array[low - piece.start : high - piece.start]
                for name, array in piece.outcome.items()
            }
        )
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _run(run: Callable[[Arrays], Arrays], inputs: Arrays, start: int, stop: int) -> list[Piece]:
    rows = {name: array[start:stop] for name, array in inputs.items()}
    try:
        outputs = run(rows)
    except ServingError as error:
        if error.status != _INVALID_ARGUMENT:
            raise
        if stop - start == 1:
            return [Piece(start, stop, error)]
        middle = (start + stop) // 2
        return [*_run(run, inputs, start, middle), *_run(run, inputs, middle, stop)]
    for name, array in outputs.items():
        if array.ndim == 0 or len(array) != stop - start:
            raise UnevenRowsError(
                f"expected {stop - start} rows of output {name}, got shape {array.shape}; "
                "run each request alone"
            )
    return [Piece(start, stop, outputs)]
