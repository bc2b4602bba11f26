"""The ablation's results as one Markdown table: means over seeds, and paired differences."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student_t

from tools.ablation.variants import REFERENCE, VARIANTS

Result = Mapping[str, float]
Results = dict[str, dict[int, Result]]  # by variant and seed

_COLUMNS = {  # a result's key, and its heading
    "auc": "AUC",
    "stressed_auc": "stressed AUC",
    "worst_stressed_auc": "worst stress",
    "specificity": "specificity",
    "stressed_specificity": "stressed specificity",
    "stressed_recall": "stressed recall",
}
_COMPARED = "mean_specificity"  # what the Selector ranks candidates by
_CONFIDENCE = 0.95


def read_results(output: Path) -> Results:
    """Read what `tools.ablation.ablation` left, in the order of `VARIANTS`."""
    files = sorted((output / "results").glob("*.json"))
    return in_order(json.loads(path.read_text(encoding="utf-8")) for path in files)


def in_order(records: Iterable[Any]) -> Results:
    """Sort results by variant, in the order of `VARIANTS`, and by seed.

    Args:
        records: Results, as read from their files.

    Raises:
        KeyError: A variant is not known.
    """
    results: Results = {name: {} for name in VARIANTS}
    for record in records:
        results[record["variant"]][record["seed"]] = record
    return {name: dict(sorted(by_seed.items())) for name, by_seed in results.items() if by_seed}


def ablation_table(results: Results) -> str:
    """Return the table, one row a variant.

    The last column is the difference of the specificity, plain and stressed in the mean, from
    the reference of the same seed, with its 95% interval over the seeds (Student's t, paired).

    Args:
        results: By variant and seed.
    """
    headings = ["variant", "seeds", *_COLUMNS.values(), f"mean specificity against {REFERENCE}"]
    lines = [_line(headings), _line(["---"] * len(headings))]
    for name, by_seed in results.items():
        figures = [_mean([result[key] for result in by_seed.values()]) for key in _COLUMNS]
        lines.append(
            _line([name, str(len(by_seed)), *figures, _difference(by_seed, results, name)])
        )
    return "\n".join(lines) + "\n"


def paired_interval(differences: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of paired differences and its 95% interval (Student's t).

    Args:
        differences: At least two.

    Returns:
        Mean, lower end, upper end.

    Raises:
        ValueError: There are fewer than two.
    """
    if len(differences) < 2:
        raise ValueError(f"Expected at least two differences, got {len(differences)}.")
    mean = float(np.mean(differences))
    error = float(np.std(differences, ddof=1)) / math.sqrt(len(differences))
    reach = float(student_t.ppf((1.0 + _CONFIDENCE) / 2.0, len(differences) - 1)) * error
    return mean, mean - reach, mean + reach


def _difference(by_seed: Mapping[int, Result], results: Results, name: str) -> str:
    reference = results.get(REFERENCE, {})
    shared = sorted(set(by_seed) & set(reference))
    if name == REFERENCE or len(shared) < 2:
        return "-"
    mean, low, high = paired_interval(
        [by_seed[seed][_COMPARED] - reference[seed][_COMPARED] for seed in shared]
    )
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def _mean(values: Sequence[float]) -> str:
    spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{spread}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
