"""Progress of long work, reported through `logging` so that every runner can show it.

A record on the logger `LOGGER_NAME` carries a `Progress` in its `progress`
attribute. `local_runner.py` draws bars from it; elsewhere it is a log line.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping

LOGGER_NAME = "pneumonia.progress"
_LOGGER = logging.getLogger(LOGGER_NAME)


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far one piece of work has come.

    Attributes:
        stage: What is being done, as a user reads it, e.g. "Training cnn_deep".
        done: Units finished so far, 0 <= done <= total.
        total: Units in all, at least 1.
        unit: Name of one unit, whose plural ends in -s, e.g. "epoch" or "image".
        values: Figures to show beside the bar, e.g. {"loss": 0.31}.
    """

    stage: str
    done: int
    total: int
    unit: str
    values: Mapping[str, float]


def report_progress(
    stage: str, done: int, total: int, unit: str, values: Mapping[str, float] | None = None
) -> None:
    """Log how far `stage` has come; fields as in `Progress`."""
    progress = Progress(stage, done, total, unit, dict(values or {}))
    figures = "".join(f", {name} {value:.4g}" for name, value in progress.values.items())
    _LOGGER.info(
        "%s: %d of %d %s%s", stage, done, total, unit, figures, extra={"progress": progress}
    )
