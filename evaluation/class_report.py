"""The classification report: precision, recall and F1 of each class, with intervals."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from contract import features
from evaluation.resampling import Floats, Resampler, percentile_interval
from evaluation.slice_metrics import Estimate, proportion


@dataclasses.dataclass(frozen=True)
class ClassFigures:
    """One class, or the classes' mean.

    Attributes:
        name: Of the class.
        precision: Share of the class among the images called so.
        recall: Share of the class that is called so.
        f1: Harmonic mean of both.
        support: Images of the class.
    """

    name: str
    precision: Estimate
    recall: Estimate
    f1: Estimate
    support: int


MEAN = "mean of both classes"


def report_classes(decisions: npt.ArrayLike, resampler: Resampler) -> tuple[ClassFigures, ...]:
    """Return the figures of normal, of pneumonia, and their unweighted mean.

    Precision and recall of a class have Wilson intervals, F1 and the means have percentile
    bootstrap intervals over patients. F1 is 0 where a class is neither met nor called, as in
    scikit-learn.

    Args:
        decisions: bool [n], called pneumonia.
        resampler: Of the same n images.
    """
    called = np.asarray(decisions, dtype=bool)
    is_positive = resampler.labels == 1
    classes = ((~is_positive, ~called), (is_positive, called))
    exact = _figures(classes, np.ones((1, len(called))))[0]
    resampled = np.concatenate([_figures(classes, chunk) for chunk in resampler.weights()])
    rows = []
    for number, (members, calls) in enumerate(classes):
        hits = int(np.sum(members & calls))
        rows.append(
            ClassFigures(
                name=features.LABELS[number],
                precision=proportion(hits, int(calls.sum())),
                recall=proportion(hits, int(members.sum())),
                f1=_estimate(exact[number, 2], resampled[:, number, 2]),
                support=int(members.sum()),
            )
        )
    precision, recall, f1 = (
        _estimate(value, samples)
        for value, samples in zip(exact.mean(axis=0), resampled.mean(axis=1).T, strict=True)
    )
    return (*rows, ClassFigures(MEAN, precision, recall, f1, support=len(called)))


def _figures(
    classes: tuple[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]], ...], weights: Floats
) -> Floats:
    """Return precision, recall and F1: [samples, classes, 3]."""
    figures = []
    for members, calls in classes:
        hits = weights @ (members & calls)
        num_members, num_calls = weights @ members, weights @ calls
        figures.append(
            np.stack(
                [
                    _quotient(hits, num_calls),
                    _quotient(hits, num_members),
                    _quotient(2.0 * hits, num_members + num_calls),
                ],
                axis=-1,
            )
        )
    return np.stack(figures, axis=1)


def _quotient(counts: Floats, totals: Floats) -> Floats:
    return np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)


def _estimate(value: float, samples: Floats) -> Estimate:
    low, high = percentile_interval(samples)
    return Estimate(value=float(value), low=float(low), high=float(high))
