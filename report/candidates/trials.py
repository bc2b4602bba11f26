"""What a candidate's search tried, as the Tuner left it."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

RESULTS_FILE = "tuner_results.json"  # TFX's Tuner names it so, in its output `tuner_results`
_OF_TRIAL = ("trial_id", "score")  # its keys that are not hyperparameters


@dataclasses.dataclass(frozen=True)
class Trial:
    """One set of hyperparameters.

    Attributes:
        score: Mean AUC on validation, plain and stressed; None where the trial failed.
        hyperparameters: By name; only those that the trial had.
    """

    score: float | None
    hyperparameters: dict[str, float | int | str | bool]


def read_trials(folder: Path) -> list[Trial]:
    """Read the trials of an artifact, the best first; failed ones come last.

    Args:
        folder: The Tuner's output `tuner_results`.

    Raises:
        OSError: It holds no results.
        ValueError: They are not a list of trials.
    """
    path = folder / RESULTS_FILE
    entries = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(entries, list):
        raise ValueError(f"expected a list of trials in {path.name}, got {type(entries).__name__}")
    trials = [_trial(entry) for entry in entries]
    return sorted(trials, key=lambda trial: math.inf if trial.score is None else -trial.score)


def _trial(entry: dict[str, float | int | str | bool | None]) -> Trial:
    score = entry["score"]
    return Trial(
        score=score if isinstance(score, float) and math.isfinite(score) else None,
        hyperparameters={
            name: value
            for name, value in entry.items()
            # With a slash it is what Hyperband keeps for itself.
            if name not in _OF_TRIAL and "/" not in name and value is not None
        },
    )
