"""The ablation's results as Markdown tables: means over seeds, and paired differences."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student_t

from tools.ablation.variants import REFERENCES, VARIANTS

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
# Means of plain and stressed validation; the Selector ranks candidates by the second.
_COMPARED = {"mean_auc": ("mean AUC", 4), "mean_specificity": ("mean specificity", 3)}
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


def ablation_tables(results: Results) -> str:
    """Return a table for each reference that has results, one row a variant.

    The last columns are differences from the reference of the same seed, with their 95% intervals
    over the seeds (Student's t, paired).

    Args:
        results: By variant and seed.
    """
    tables = []
    for reference in REFERENCES:
        rows = {name: of for name, of in results.items() if VARIANTS[name].reference == reference}
        if rows:
            tables.append(_table(rows, reference))
    return "\n".join(tables)


def _table(results: Results, reference: str) -> str:
    compared = [f"difference of {name}" for name, _ in _COMPARED.values()]
    headings = ["variant", "seeds", *_COLUMNS.values(), *compared]
    lines = [_line(headings), _line(["---"] * len(headings))]
    for name, by_seed in results.items():
        figures = [_mean([result[key] for result in by_seed.values()]) for key in _COLUMNS]
        differences = [
            _difference(by_seed, results.get(reference, {}), key, digits)
            if name != reference
            else "-"
            for key, (_, digits) in _COMPARED.items()
        ]
        lines.append(_line([name, str(len(by_seed)), *figures, *differences]))
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


def _difference(
    by_seed: Mapping[int, Result], reference: Mapping[int, Result], key: str, digits: int
) -> str:
    shared = sorted(set(by_seed) & set(reference))
    if len(shared) < 2:
        return "-"
    mean, low, high = paired_interval(
        [by_seed[seed][key] - reference[seed][key] for seed in shared]
    )
    return f"{mean:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


def _mean(values: Sequence[float]) -> str:
    spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{spread}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
