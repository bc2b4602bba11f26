"""The classification report, beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from evaluation.class_report import MEAN, report_classes
from evaluation.intervals import wilson_interval
from evaluation.resampling import create_resampler


def _report(labels, decisions, num_samples=500):
    patients = [str(number) for number in range(len(labels))]
    return report_classes(decisions, create_resampler(labels, patients, num_samples, 3))


@pytest.fixture
def split():
    generator = np.random.default_rng(4)
    labels = (generator.random(300) < 0.7).astype(int)
    return labels, generator.random(300) < np.where(labels == 1, 0.9, 0.3)


def test_figures_are_scikit_learns(split):
    labels, decisions = split
    rows = _report(labels, decisions)
    assert [row.name for row in rows] == ["normal", "pneumonia", MEAN]
    expected = np.transpose(precision_recall_fscore_support(labels, decisions)[:3])
    mean = precision_recall_fscore_support(labels, decisions, average="macro")[:3]
    for row, figures in zip(rows, [*expected, mean], strict=True):
        assert [row.precision.value, row.recall.value, row.f1.value] == pytest.approx(figures)
    assert [row.support for row in rows] == [(labels == 0).sum(), (labels == 1).sum(), 300]


def test_shares_have_wilson_intervals(split):
    labels, decisions = split
    recall = _report(labels, decisions)[1].recall
    hits = int((decisions & (labels == 1)).sum())
    assert (recall.low, recall.high) == wilson_interval(hits, int(labels.sum()))


def test_f1_and_means_have_intervals_that_hold_them(split):
    for row in _report(*split):
        for estimate in (row.precision, row.recall, row.f1):
            assert 0.0 < estimate.low < estimate.value < estimate.high < 1.0


def test_a_class_that_is_never_called_has_no_precision_and_an_f1_of_zero():
    normal, pneumonia, _mean = _report([0, 0, 1, 1], [False] * 4)
    assert pneumonia.precision.value is None
    assert pneumonia.f1.value == 0.0
    assert normal.recall.value == 1.0
