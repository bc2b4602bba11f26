"""Figures per slice, from counts and from predictions."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from evaluation.slice_metrics import (
    OVERALL,
    Estimate,
    SliceMetrics,
    slice_metrics_from_counts,
    slice_metrics_from_predictions,
    slice_name,
)


def _from_counts(tp: int, fp: int, tn: int, fn: int, auc: float | None = 0.9) -> SliceMetrics:
    return slice_metrics_from_counts(
        tp=tp, fp=fp, tn=tn, fn=fn, auc=auc, mean_probability=0.5, brier=0.1, log_loss=0.3
    )


def test_counts_give_every_rate_with_its_interval() -> None:
    metrics = _from_counts(tp=90, fp=20, tn=80, fn=10)
    assert (metrics.n, metrics.positives) == (200, 100)
    assert metrics.recall.value == 0.90
    assert metrics.specificity.value == 0.80
    assert metrics.precision.value == pytest.approx(90 / 110)
    assert metrics.accuracy.value == 0.85
    assert metrics.auc.value == 0.9
    assert metrics.prevalence == 0.5
    # Wilson, 90 of 100: (0.8256, 0.9448).
    assert (metrics.recall.low, metrics.recall.high) == pytest.approx((0.82563, 0.94477), abs=1e-5)


@given(*[st.integers(min_value=0, max_value=300)] * 4)
def test_undefined_figures_are_null_in_json_and_defined_ones_lie_in_their_interval(
    tp: int, fp: int, tn: int, fn: int
) -> None:
    metrics = _from_counts(tp, fp, tn, fn)
    document = json.loads(metrics.model_dump_json())
    denominators = {
        "recall": tp + fn,
        "specificity": tn + fp,
        "precision": tp + fp,
        "accuracy": tp + fp + tn + fn,
        "auc": (tp + fn) * (tn + fp),
    }
    for name, denominator in denominators.items():
        estimate = document[name]
        if denominator == 0:
            assert estimate == {"value": None, "low": None, "high": None}
        else:
            assert 0.0 <= estimate["low"] <= estimate["value"] <= estimate["high"] <= 1.0


def test_nan_is_refused_rather_than_stored() -> None:
    with pytest.raises(ValidationError, match="finite"):
        Estimate(value=float("nan"))


def test_counts_that_disagree_are_refused() -> None:
    document = _from_counts(3, 1, 4, 1).model_dump()
    with pytest.raises(ValidationError, match="positives"):
        SliceMetrics.model_validate(document | {"positives": 9})


def test_an_area_beyond_one_by_rounding_is_one() -> None:
    assert _from_counts(3, 1, 4, 1, auc=1.0 + 1e-12).auc.value == 1.0


def test_predictions_are_counted_overall_and_per_slice() -> None:
    metrics = slice_metrics_from_predictions(
        labels=[1, 1, 1, 0, 0],
        probabilities=[0.9, 0.6, 0.2, 0.7, 0.1],
        threshold=0.5,
        slices={"subtype": ["viral", "bacterial", "viral", "normal", "normal"]},
    )
    assert list(metrics) == [
        OVERALL,
        "subtype=bacterial",
        "subtype=normal",
        slice_name("subtype", "viral"),
    ]
    overall = metrics[OVERALL]
    assert (overall.tp, overall.fp, overall.tn, overall.fn) == (2, 1, 1, 1)
    # Of the six pairs of a positive and a negative, four are in order.
    assert overall.auc.value == pytest.approx(4 / 6)
    assert overall.mean_probability == pytest.approx(0.5, abs=1e-6)
    assert overall.brier == pytest.approx((0.01 + 0.16 + 0.64 + 0.49 + 0.01) / 5, abs=1e-6)
    expected = [math.log(p) for p in (0.9, 0.6, 0.2, 1 - 0.7, 1 - 0.1)]
    assert overall.log_loss == pytest.approx(-sum(expected) / 5, abs=1e-6)
    assert metrics["subtype=viral"].recall.value == 0.5
    assert metrics["subtype=viral"].specificity == Estimate()
    assert metrics["subtype=viral"].auc == Estimate()
    assert metrics["subtype=normal"].recall == Estimate()
    assert metrics["subtype=normal"].specificity.value == 0.5


def test_a_probability_at_the_threshold_is_called_pneumonia_in_float32() -> None:
    # 0.7 and float32(0.7) differ; the served model compares in float32.
    served = float(np.float32(0.7))
    metrics = slice_metrics_from_predictions([1, 1], [served, 0.7], threshold=0.7)
    assert metrics[OVERALL].tp == 2


def test_slices_partition_the_counts() -> None:
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 2, 400)
    groups = generator.choice(["a", "b", "c"], 400).tolist()
    metrics = slice_metrics_from_predictions(
        labels, generator.random(400), 0.4, {"size_group": groups}
    )
    overall = metrics.pop(OVERALL)
    for count in ("n", "positives", "tp", "fp", "tn", "fn"):
        assert sum(getattr(part, count) for part in metrics.values()) == getattr(overall, count)


def test_saturated_probabilities_have_a_finite_loss() -> None:
    metrics = slice_metrics_from_predictions([1, 0], [0.0, 1.0], threshold=0.5)
    log_loss = metrics[OVERALL].log_loss
    assert log_loss is not None
    assert 15.0 < log_loss < 17.0


def test_no_images_at_all_leave_everything_undefined() -> None:
    metrics = slice_metrics_from_predictions([], [], threshold=0.5)[OVERALL]
    assert metrics.n == 0
    assert metrics.recall == metrics.accuracy == metrics.auc == Estimate()
    assert metrics.brier is None


@pytest.mark.parametrize(
    ("labels", "probabilities", "slices", "message"),
    [
        ([1, 0], [0.5], None, "one shape"),
        ([[1, 0]], [[0.5, 0.1]], None, "one shape"),
        ([2, 0], [0.5, 0.5], None, "labels 0 and 1"),
        ([1, 0], [0.5, 1.5], None, r"in \[0, 1\]"),
        ([1, 0], [0.5, float("nan")], None, "NaN"),
        ([1, 0], [0.5, 0.5], {"subtype": ["viral"]}, "expected 2 values of slice feature"),
    ],
)
def test_unusable_predictions_are_refused(
    labels: list[int],
    probabilities: list[float],
    slices: dict[str, list[str]] | None,
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        slice_metrics_from_predictions(labels, probabilities, 0.5, slices)
