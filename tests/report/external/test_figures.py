"""The figures of an external set, by hand."""

import numpy as np
import pytest

from evaluation.external import NUM_BINS, ExternalReport
from evaluation.intervals import wilson_interval
from tests.report.external.made_sets import make_answers, make_set


def test_figures_at_the_shipped_threshold_have_wilson_intervals():
    found = make_set()
    assert found.threshold == 0.5
    assert found.metrics.recall.value == 0.75
    assert (found.metrics.recall.low, found.metrics.recall.high) == wilson_interval(3, 4)
    assert found.metrics.specificity.value == 0.5
    # Of 16 pairs the pneumonia image has the higher score in 11.5.
    assert found.metrics.auc.value == pytest.approx(11.5 / 16)
    assert found.metrics.auc.low < 11.5 / 16 < found.metrics.auc.high
    assert found.metrics.brier == pytest.approx(
        np.mean([0.05**2, 0.1**2, 0.4**2, 0.8**2, 0.9**2, 0.55**2, 0.3**2, 0.1**2])
    )
    assert (found.num_patients, found.num_images_without_patient) == (4, 0)


def test_scores_are_told_by_class():
    found = make_set().scores
    assert found["pneumonia"].mean_probability == pytest.approx(np.mean([0.95, 0.9, 0.6, 0.2]))
    assert found["pneumonia"].percentiles["50"] == pytest.approx(0.75)
    assert found["normal"].percentiles["100"] == pytest.approx(0.9)
    for scores in found.values():
        assert len(scores.histogram) == NUM_BINS
        assert sum(scores.histogram) == scores.n == 4
    assert found["normal"].histogram[-2:] == (1, 0)


def test_calibration_is_the_mean_gap_between_probability_and_frequency():
    answers = make_answers((1, 0), (0.8, 0.8), verdicts=None, unfamiliar=None)
    assert make_set(answers).calibration_error == pytest.approx(0.3)


def test_what_is_referred_and_how_the_rest_is_decided():
    judged = make_set()
    found = judged.coverage
    assert found.referred.value == 0.25
    assert (found.referred.low, found.referred.high) == wilson_interval(2, 8)
    assert {name: each.value for name, each in judged.referred_by_label.items()} == {
        "normal": 0.25,
        "pneumonia": 0.25,
    }
    assert found.unfamiliar.value == 0.25
    assert (found.n, found.num_unfamiliar, found.num_uncertain) == (8, 2, 0)
    assert found.decided.n == 6
    assert found.decided.recall.value == pytest.approx(2 / 3)
    assert found.decided.specificity.value == pytest.approx(2 / 3)


def test_the_decision_counts_where_it_differs_from_the_call_at_the_threshold():
    answers = make_answers((1, 0), (0.9, 0.9), ("pneumonia", "normal"), (False, False))
    found = make_set(answers)
    assert found.metrics.specificity.value == 0.0
    assert found.coverage.decided.specificity.value == 1.0


def test_a_model_without_a_decision_refers_nothing_that_is_known():
    found = make_set(make_answers(verdicts=None, unfamiliar=None))
    assert (found.coverage, found.referred_by_label) == (None, None)
    assert make_set(make_answers(unfamiliar=None)).coverage.unfamiliar is None


@pytest.mark.parametrize(("label", "other"), [(0, "pneumonia"), (1, "normal")])
def test_one_class_leaves_undefined_what_needs_the_other(label, other):
    found = make_set(make_answers([label] * 8))
    assert found.metrics.auc.value is None
    undefined = found.metrics.recall if label == 0 else found.metrics.specificity
    assert undefined.value is None
    assert found.scores[other] is None
    assert found.referred_by_label[other].value is None
    assert found.calibration_error > 0.0


def test_where_everything_is_referred_nothing_is_decided():
    found = make_set(make_answers(verdicts=["refer"] * 8)).coverage
    assert found.referred.value == 1.0
    assert (found.decided.n, found.decided.recall.value) == (0, None)


def test_images_that_were_seen_in_training_are_counted():
    assert make_set(pixels=["a", "b", "c", "b"], seen={"b", "d"}).num_seen == 2


def test_a_report_survives_its_file(tmp_path):
    report = ExternalReport(sets={"adults": make_set(rejected=["bad.png"])})
    report.write(tmp_path / "new")
    assert ExternalReport.read(tmp_path / "new") == report
    assert report.sets["adults"].rejected[0].image_id == "bad.png"
