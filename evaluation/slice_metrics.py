"""What a model shows on one slice of the data: counts, rates, intervals, calibration.

One type for training (validation predictions), the evaluation gate and the run's summary.
Figures that are undefined, such as the recall of a slice without pneumonia, are None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, NonNegativeInt, model_validator

from evaluation.intervals import auc_interval, wilson_interval

OVERALL = "overall"  # name of the slice that holds everything

# Keeps the logarithm of a saturated probability finite, as Keras' cross-entropy does.
_LOG_EPSILON = 1e-7


class Record(BaseModel):
    """Base of the immutable results; NaN and infinity are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Estimate(Record):
    """A figure and its 95% interval, all in [0, 1], or None where it is undefined."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


class SliceMetrics(Record):
    """The figures of one slice at the operating point that the model ships.

    Attributes:
        n: Images in the slice.
        positives: Images of pneumonia among them.
        tp: Pneumonia called pneumonia.
        fp: Normal called pneumonia.
        tn: Normal called normal.
        fn: Pneumonia called normal.
        recall: tp / positives (sensitivity), Wilson interval.
        specificity: tn / (n - positives), Wilson interval.
        precision: tp / (tp + fp) (positive predictive value), Wilson interval.
        accuracy: (tp + tn) / n, Wilson interval.
        auc: Area under the ROC curve of the probability, Newcombe interval.
        mean_probability: Mean predicted probability of pneumonia.
        prevalence: positives / n; a calibrated model has this mean probability.
        brier: Mean squared difference of probability and label; less is better.
        log_loss: Mean binary cross-entropy, natural logarithm; less is better.
    """

    n: NonNegativeInt
    positives: NonNegativeInt
    tp: NonNegativeInt
    fp: NonNegativeInt
    tn: NonNegativeInt
    fn: NonNegativeInt
    recall: Estimate
    specificity: Estimate
    precision: Estimate
    accuracy: Estimate
    auc: Estimate
    mean_probability: float | None
    prevalence: float | None
    brier: float | None
    log_loss: float | None

    @model_validator(mode="after")
    def _counts_agree(self) -> SliceMetrics:
        if self.tp + self.fp + self.tn + self.fn != self.n or self.tp + self.fn != self.positives:
            raise ValueError(
                "expected tp + fp + tn + fn = n and tp + fn = positives, got "
                f"tp {self.tp}, fp {self.fp}, tn {self.tn}, fn {self.fn}, n {self.n}, "
                f"positives {self.positives}"
            )
        return self


def slice_name(feature: str, value: str) -> str:
    """Return the name of the slice where `feature` has `value`, e.g. "subtype=viral"."""
    return f"{feature}={value}"


def proportion(successes: int, trials: int) -> Estimate:
    """Return a share with its 95% Wilson interval; undefined without trials."""
    interval = wilson_interval(successes, trials)
    if interval is None:
        return Estimate()
    return Estimate(value=successes / trials, low=interval[0], high=interval[1])


def slice_metrics_from_counts(
    *,
    tp: int,
    fp: int,
    tn: int,
    fn: int,
    auc: float | None,
    mean_probability: float | None,
    brier: float | None,
    log_loss: float | None,
) -> SliceMetrics:
    """Return the figures of a slice whose confusion matrix is known.

    Args:
        tp: Pneumonia called pneumonia, at least 0.
        fp: Normal called pneumonia, at least 0.
        tn: Normal called normal, at least 0.
        fn: Pneumonia called normal, at least 0.
        auc: Area under the ROC curve, in [0, 1]; ignored where a class is absent.
        mean_probability: Mean predicted probability, in [0, 1].
        brier: Mean squared difference of probability and label.
        log_loss: Mean binary cross-entropy, natural logarithm.

    Returns:
        The figures, with 95% intervals; undefined ones are None.
    """
    n, positives, negatives = tp + fp + tn + fn, tp + fn, fp + tn
    return SliceMetrics(
        n=n,
        positives=positives,
        tp=tp,
        fp=fp,
        tn=tn,
        fn=fn,
        recall=proportion(tp, positives),
        specificity=proportion(tn, negatives),
        precision=proportion(tp, tp + fp),
        accuracy=proportion(tp + tn, n),
        auc=_area(auc, positives, negatives),
        mean_probability=mean_probability,
        prevalence=positives / n if n else None,
        brier=brier,
        log_loss=log_loss,
    )


def slice_metrics_from_predictions(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    threshold: float,
    slices: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, SliceMetrics]:
    """Return the figures of predictions, overall and per slice.

    The decision is taken in float32, as in the exported model: pneumonia where
    float32(probability) >= float32(threshold).

    Args:
        labels: [n], 0 (normal) or 1 (pneumonia).
        probabilities: [n], predicted probability of pneumonia, in [0, 1].
        threshold: Operating point, in [0, 1].
        slices: Feature name to its n values, e.g. {"subtype": ["viral", ...]}; one slice per
            feature and value.

    Returns:
        Figures by slice name: "overall", then "<feature>=<value>" in the values' order.

    Raises:
        ValueError: The lengths differ, a label is not 0 or 1, or a probability is not in [0, 1].
    """
    truth = np.asarray(labels)
    scores = np.asarray(probabilities, dtype=np.float32)
    if truth.ndim != 1 or truth.shape != scores.shape:
        raise ValueError(
            "expected labels and probabilities of one shape [n], got "
            f"{truth.shape} and {scores.shape}"
        )
    if not np.isin(truth, (0, 1)).all():
        raise ValueError(f"expected labels 0 and 1, got {np.unique(truth)[:5].tolist()}")
    if not ((scores >= 0.0) & (scores <= 1.0)).all():
        raise ValueError("expected probabilities in [0, 1], got values outside it or NaN")
    result = {OVERALL: _from_arrays(truth, scores, threshold)}
    for feature, values in (slices or {}).items():
        if len(values) != len(truth):
            raise ValueError(
                f"expected {len(truth)} values of slice feature {feature!r}, got {len(values)}"
            )
        members = np.asarray(values, dtype=str)
        for value in sorted(set(members.tolist())):
            chosen = members == value
            name = slice_name(feature, value)
            result[name] = _from_arrays(truth[chosen], scores[chosen], threshold)
    return result


def _from_arrays(
    truth: npt.NDArray[np.generic], scores: npt.NDArray[np.float32], threshold: float
) -> SliceMetrics:
    # Imported here: what only reads the record need not wait for it.
    from sklearn.metrics import roc_auc_score

    is_positive = truth == 1
    is_called = scores >= np.float32(threshold)
    has_both = bool(is_positive.any() and not is_positive.all())
    # In float64 from here: sums of many float32 lose digits.
    exact = scores.astype(np.float64)
    clipped = np.clip(exact, _LOG_EPSILON, 1.0 - _LOG_EPSILON)
    losses = -np.where(is_positive, np.log(clipped), np.log1p(-clipped))
    return slice_metrics_from_counts(
        tp=int(np.sum(is_positive & is_called)),
        fp=int(np.sum(~is_positive & is_called)),
        tn=int(np.sum(~is_positive & ~is_called)),
        fn=int(np.sum(is_positive & ~is_called)),
        auc=float(roc_auc_score(is_positive, exact)) if has_both else None,
        mean_probability=_mean(exact),
        brier=_mean((exact - is_positive) ** 2),
        log_loss=_mean(losses),
    )


def _mean(values: npt.NDArray[np.float64]) -> float | None:
    return float(values.mean()) if values.size else None


def _area(auc: float | None, positives: int, negatives: int) -> Estimate:
    if auc is None or positives == 0 or negatives == 0:
        return Estimate()
    # A Riemann sum, such as TFMA's, may pass 1 in the last bit.
    area = min(1.0, max(0.0, auc))
    interval = auc_interval(area, positives, negatives)
    if interval is None:
        return Estimate()
    return Estimate(value=area, low=interval[0], high=interval[1])
