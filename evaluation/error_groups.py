"""Errors by pseudo-site, and which parts of a source have more of them than chance explains."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from scipy.stats import false_discovery_control, fisher_exact

from evaluation.slice_metrics import SliceMetrics, slice_metrics_from_counts

# Of one class. With fewer, an interval of 95% is wider than +- 0.1 even where one in ten is wrong.
SMALLEST_GROUP = 30
SIGNIFICANCE = 0.05
_MAX_GROUPS = 12  # of one scheme: a source may name each image differently
OTHERS = "others"

Error = Literal["false alarms", "misses"]


@dataclasses.dataclass(frozen=True)
class GroupErrors:
    """A part of the images.

    Attributes:
        scheme: What the images are grouped by.
        group: Which of its groups.
        metrics: Counts and shares at the operating point.
    """

    scheme: str
    group: str
    metrics: SliceMetrics

    @property
    def num_normals(self) -> int:
        """Normal images: what false alarms and specificity are of."""
        return self.metrics.n - self.metrics.positives


@dataclasses.dataclass(frozen=True)
class Concentration:
    """A group with more errors of a kind than the images outside it.

    Attributes:
        scheme: What the images are grouped by.
        group: Which of its groups.
        error: Of which kind.
        errors: In the group.
        n: Images of the class in it.
        errors_elsewhere: Outside it.
        n_elsewhere: Images of the class outside it.
        adjusted_p: Of Fisher's exact test, one-sided, adjusted for all groups and both kinds.
    """

    scheme: str
    group: str
    error: Error
    errors: int
    n: int
    errors_elsewhere: int
    n_elsewhere: int
    adjusted_p: float


def group_errors(
    labels: np.ndarray,
    decisions: np.ndarray,
    schemes: Mapping[str, Sequence[str]],
    orders: Mapping[str, Sequence[str]],
) -> tuple[GroupErrors, ...]:
    """Count errors by scheme and group.

    Args:
        labels: int [n], 0 (normal) or 1 (pneumonia).
        decisions: bool [n], called pneumonia.
        schemes: Each image's group, [n], by scheme.
        orders: All groups of a scheme that has an order, such as from soft to sharp, by scheme.

    Returns:
        By scheme as given, then in its order, else the largest group first; of each scheme the
        twelve largest, the rest as `OTHERS`.
    """
    rows = []
    for scheme, groups in schemes.items():
        kept = [name for name, _ in Counter(groups).most_common()]
        if len(kept) > _MAX_GROUPS:
            kept = [*kept[: _MAX_GROUPS - 1], OTHERS]
        known = [name for name in orders.get(scheme, ()) if name in kept]
        kept = [*known, *(name for name in kept if name not in known)]
        merged = np.asarray([name if name in kept else OTHERS for name in groups])
        # A source may have a group of that name itself.
        for name in dict.fromkeys(kept):
            members = merged == name
            rows.append(
                GroupErrors(scheme, name, _count_cases(labels[members], decisions[members]))
            )
    return tuple(rows)


def _count_cases(labels: np.ndarray, decisions: np.ndarray) -> SliceMetrics:
    is_ill = labels == 1
    return slice_metrics_from_counts(
        tp=int(np.sum(is_ill & decisions)),
        fp=int(np.sum(~is_ill & decisions)),
        tn=int(np.sum(~is_ill & ~decisions)),
        fn=int(np.sum(is_ill & ~decisions)),
        auc=None,
        mean_probability=None,
        brier=None,
        log_loss=None,
    )


def find_concentrations(rows: Sequence[GroupErrors]) -> tuple[Concentration, ...]:
    """Find groups with more errors than the images outside them, beyond chance.

    Fisher's exact test, one-sided, of each group of `SMALLEST_GROUP` images of the class against
    the others of its scheme. The p-values are adjusted together after Benjamini and Yekutieli
    2001, which holds for tests that depend on each other, as these do: the same images are
    grouped by each scheme. Images count as independent, so with several images of a patient the
    p-values are a little too small.

    Returns:
        Those below `SIGNIFICANCE`, the smallest p-value first.
    """
    tested = [
        found
        for row in rows
        for found in (
            _against_others(row, rows, "false alarms"),
            _against_others(row, rows, "misses"),
        )
        if found is not None
    ]
    if not tested:
        return ()
    adjusted = false_discovery_control([each.adjusted_p for each in tested], method="by")
    found = [
        dataclasses.replace(each, adjusted_p=float(p))
        for each, p in zip(tested, adjusted, strict=True)
        if p < SIGNIFICANCE
    ]
    return tuple(sorted(found, key=lambda each: each.adjusted_p))


def _against_others(
    row: GroupErrors, rows: Sequence[GroupErrors], error: Error
) -> Concentration | None:
    """Test a group; None where it or the rest is too small. The p-value is not adjusted yet."""
    errors, n = _count(row, error)
    others = [_count(each, error) for each in rows if each.scheme == row.scheme and each is not row]
    errors_elsewhere = sum(count for count, _ in others)
    n_elsewhere = sum(total for _, total in others)
    if min(n, n_elsewhere) < SMALLEST_GROUP:
        return None
    table = [[errors, n - errors], [errors_elsewhere, n_elsewhere - errors_elsewhere]]
    p_value = float(fisher_exact(table, alternative="greater").pvalue)
    return Concentration(
        row.scheme, row.group, error, errors, n, errors_elsewhere, n_elsewhere, p_value
    )


def _count(row: GroupErrors, error: Error) -> tuple[int, int]:
    """Return the errors of a kind and the images that could have been one."""
    if error == "false alarms":
        return row.metrics.fp, row.num_normals
    return row.metrics.fn, row.metrics.positives
