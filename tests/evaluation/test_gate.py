"""The gate's rules, one by one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.settings import GateSettings
from evaluation.gate import (
    FAILED,
    PASSED,
    TOO_SMALL,
    Check,
    Evaluation,
    GateReport,
    ThresholdFailure,
    describe,
    judge,
)
from evaluation.slice_metrics import OVERALL, SliceMetrics, slice_metrics_from_counts

SETTINGS = GateSettings()


def _slice(tp: int, fn: int, tn: int = 0, fp: int = 0, auc: float | None = 0.98) -> SliceMetrics:
    return slice_metrics_from_counts(
        tp=tp, fp=fp, tn=tn, fn=fn, auc=auc, mean_probability=0.5, brier=0.05, log_loss=0.2
    )


GOOD = {
    OVERALL: _slice(tp=390, fn=10, tn=180, fp=20),
    "subtype=bacterial": _slice(tp=250, fn=5),
    "subtype=viral": _slice(tp=140, fn=5),
    "subtype=normal": _slice(tp=0, fn=0, tn=180, fp=20),
    "size_group=500_to_999_px": _slice(tp=350, fn=10, tn=20, fp=0),
    "size_group=1000_px_and_over": _slice(tp=40, fn=0, tn=160, fp=20),
}


def _evaluation(
    changes: dict[str, SliceMetrics] | None = None,
    baseline: SliceMetrics | None = None,
    failures: tuple[ThresholdFailure, ...] = (),
    tfma_ok: bool = True,
) -> Evaluation:
    return Evaluation(
        candidate=GOOD | (changes or {}),
        baseline=None if baseline is None else {OVERALL: baseline},
        tfma_ok=tfma_ok,
        failures=failures,
    )


def _check(report: GateReport, name: str, where: str = OVERALL) -> Check:
    [check] = [check for check in report.checks if (check.name, check.slice) == (name, where)]
    return check


def test_a_good_model_is_blessed_with_every_number_behind_it() -> None:
    report = judge(_evaluation(), SETTINGS)
    assert report.blessed
    assert not report.baseline_present
    recall = _check(report, "recall")
    assert (recall.value, recall.bound, recall.n) == (0.975, 0.95, 400)
    assert _check(report, "specificity").n == 200
    assert _check(report, "auc").n == 600
    assert _check(report, "recall_lower_bound").value == GOOD[OVERALL].recall.low
    specificity = _check(report, "specificity_lower_bound")
    assert (specificity.value, specificity.n) == (GOOD[OVERALL].specificity.low, 200)
    assert report.with_verdict(FAILED) == ()


def test_the_report_survives_json() -> None:
    report = judge(_evaluation({OVERALL: _slice(0, 0, tn=5, fp=1)}), SETTINGS)
    text = report.model_dump_json()
    assert GateReport.model_validate_json(text) == report
    assert "NaN" not in text
    assert json.loads(text)["blessed"] is False


@pytest.mark.parametrize(
    ("overall", "failing"),
    [
        (_slice(tp=379, fn=21, tn=180, fp=20), {"recall"}),
        (_slice(tp=390, fn=10, tn=790, fp=210), {"specificity"}),
        (_slice(tp=390, fn=10, tn=180, fp=20, auc=0.899), {"auc"}),
        # 39 of 40 is .975, but so few cases leave recall as low as .87 possible.
        (_slice(tp=39, fn=1, tn=180, fp=20), {"recall_lower_bound"}),
        # 17 of 20 is .85, but so few cases leave specificity as low as .64 possible.
        (_slice(tp=390, fn=10, tn=17, fp=3), {"specificity_lower_bound"}),
        # At .80 of 200 the point holds, and the bound, .739, does not.
        (_slice(tp=390, fn=10, tn=160, fp=40), {"specificity_lower_bound"}),
    ],
)
def test_each_overall_bound_can_fail_alone(overall: SliceMetrics, failing: set[str]) -> None:
    report = judge(_evaluation({OVERALL: overall}), SETTINGS)
    assert not report.blessed
    assert {check.name for check in report.with_verdict(FAILED)} == failing


DECIDED = {
    "case=decided": _slice(tp=340, fn=2, tn=160, fp=4),
    "case=referred": _slice(tp=50, fn=8, tn=20, fp=16),
}


def test_coverage_is_told_and_decides_nothing_unless_it_is_asked_for() -> None:
    report = judge(_evaluation(DECIDED), SETTINGS)
    assert (report.coverage.n, report.coverage.decided) == (600, DECIDED["case=decided"])
    assert report.coverage.share.value == pytest.approx(506 / 600)
    assert report.coverage.share.low < 506 / 600 < report.coverage.share.high
    assert "coverage" not in {check.name for check in report.checks}
    assert judge(_evaluation(), SETTINGS).coverage is None


@pytest.mark.parametrize(("bound", "verdict"), [(0.84, PASSED), (0.85, FAILED)])
def test_a_coverage_that_is_asked_for_can_refuse_the_model(bound: float, verdict: str) -> None:
    report = judge(_evaluation(DECIDED), GateSettings(min_coverage=bound))
    check = _check(report, "coverage")
    assert (check.verdict, check.bound, check.n) == (verdict, bound, 600)
    assert check.value == pytest.approx(506 / 600)
    assert report.blessed == (verdict == PASSED)


def test_a_model_that_decides_nothing_has_a_coverage_of_zero() -> None:
    everything = {"case=referred": GOOD[OVERALL]}
    report = judge(_evaluation(everything), GateSettings(min_coverage=0.01))
    assert (report.coverage.share.value, report.coverage.decided.n) == (0.0, 0)
    assert _check(report, "coverage").verdict == FAILED


def test_an_unknown_coverage_fails_where_one_is_asked_for() -> None:
    check = _check(judge(_evaluation(), GateSettings(min_coverage=0.5)), "coverage")
    assert (check.verdict, check.value) == (FAILED, None)
    assert "no slices by decision" in check.note


def test_a_value_at_its_bound_passes() -> None:
    overall = _slice(tp=380, fn=20, tn=240, fp=60, auc=0.9)
    assert judge(_evaluation({OVERALL: overall}), SETTINGS).blessed


def test_a_weak_pneumonia_slice_refuses_the_model() -> None:
    report = judge(_evaluation({"subtype=viral": _slice(tp=26, fn=4)}), SETTINGS)
    assert not report.blessed
    weak = _check(report, "slice_recall", "subtype=viral")
    assert (weak.verdict, weak.n) == (FAILED, 30)
    assert _check(report, "slice_recall", "subtype=bacterial").verdict == PASSED


def test_a_weak_size_group_refuses_the_model() -> None:
    weak = {"size_group=1000_px_and_over": _slice(tp=35, fn=5, tn=160, fp=20)}
    assert not judge(_evaluation(weak), SETTINGS).blessed


def test_a_slice_too_small_to_judge_is_said_to_be_that() -> None:
    report = judge(_evaluation({"subtype=viral": _slice(tp=0, fn=29)}), SETTINGS)
    assert report.blessed
    small = _check(report, "slice_recall", "subtype=viral")
    assert (small.verdict, small.value, small.n) == (TOO_SMALL, 0.0, 29)
    assert "29 pneumonia images, fewer than 30" in small.note


def test_a_slice_without_images_is_reported_too() -> None:
    report = judge(_evaluation(), SETTINGS)
    absent = {check.slice for check in report.with_verdict(TOO_SMALL)}
    assert absent == {"subtype=unknown", "size_group=under_500_px"}


def test_the_normal_slice_is_never_asked_for_recall() -> None:
    slices = {check.slice for check in judge(_evaluation(), SETTINGS).checks}
    assert "subtype=normal" not in slices


def test_without_a_baseline_there_is_no_change_to_judge() -> None:
    names = {check.name for check in judge(_evaluation(), SETTINGS).checks}
    assert not {"recall_change", "auc_change"} & names


def test_a_change_shows_both_values() -> None:
    before = _slice(tp=392, fn=8, tn=180, fp=20)
    report = judge(_evaluation(baseline=before), SETTINGS)
    assert report.blessed
    assert report.baseline_present
    change = _check(report, "recall_change")
    assert change.value == pytest.approx(-0.005)
    assert (change.baseline, change.bound) == (0.98, -0.01)


@pytest.mark.parametrize(
    ("before", "failing"),
    [
        (_slice(tp=395, fn=5, tn=180, fp=20), {"recall_change"}),
        (_slice(tp=390, fn=10, tn=180, fp=20, auc=0.995), {"auc_change"}),
        (_slice(tp=0, fn=0, tn=180, fp=20), {"recall_change", "auc_change"}),
    ],
)
def test_a_model_worse_than_the_baseline_is_refused(
    before: SliceMetrics, failing: set[str]
) -> None:
    report = judge(_evaluation(baseline=before), SETTINGS)
    assert not report.blessed
    assert {check.name for check in report.with_verdict(FAILED)} == failing


def test_a_drop_of_exactly_the_margin_passes() -> None:
    # 0.98 - 0.99 is a little below -0.01 in floating point.
    overall, before = _slice(98, 2, tn=90, fp=10), _slice(99, 1, tn=90, fp=10)
    assert overall.recall.value is not None
    assert before.recall.value is not None
    assert overall.recall.value - before.recall.value < -0.01
    report = judge(_evaluation({OVERALL: overall}, baseline=before), SETTINGS)
    assert _check(report, "recall_change").verdict == PASSED


@pytest.mark.parametrize(
    ("overall", "note"),
    [
        (_slice(tp=0, fn=0, tn=180, fp=20), "no pneumonia images"),
        (_slice(tp=0, fn=0), "no images"),
    ],
)
def test_a_test_split_without_pneumonia_is_refused_with_the_reason(
    overall: SliceMetrics, note: str
) -> None:
    report = judge(_evaluation({OVERALL: overall}), SETTINGS)
    assert not report.blessed
    for name in ("recall", "recall_lower_bound", "auc"):
        check = _check(report, name)
        assert (check.verdict, check.value) == (FAILED, None)
        assert note in check.note


def test_a_test_split_without_normal_images_is_refused_with_the_reason() -> None:
    report = judge(_evaluation({OVERALL: _slice(tp=390, fn=10)}), SETTINGS)
    check = _check(report, "specificity")
    assert (check.verdict, check.note) == (FAILED, "undefined: no normal images")


def test_an_evaluation_without_figures_is_refused() -> None:
    evaluation = Evaluation(candidate={}, baseline=None, tfma_ok=False, missing_slices=("overall",))
    report = judge(evaluation, SETTINGS)
    assert not report.blessed
    assert "no data for overall" in _check(report, "tfma").note


def test_what_tfma_refused_is_never_blessed() -> None:
    failure = ThresholdFailure(metric="auc", slice=OVERALL, is_change=False, value=0.89)
    report = judge(_evaluation(failures=(failure,), tfma_ok=False), SETTINGS)
    assert not report.blessed
    assert _check(report, "auc").verdict == FAILED
    assert "refused by TFMA" in _check(report, "auc").note
    assert _check(report, "recall").verdict == PASSED
    assert "auc on overall" in _check(report, "tfma").note


def test_a_refused_change_is_told_from_a_refused_value() -> None:
    failure = ThresholdFailure(metric="recall", slice=OVERALL, is_change=True, value=-0.02)
    before = _slice(tp=392, fn=8, tn=180, fp=20)
    evaluation = _evaluation(baseline=before, failures=(failure,), tfma_ok=False)
    report = judge(evaluation, SETTINGS)
    assert _check(report, "recall").verdict == PASSED
    assert _check(report, "recall_change").verdict == FAILED


def test_a_refusal_without_a_reason_is_still_a_refusal() -> None:
    report = judge(_evaluation(tfma_ok=False), SETTINGS)
    assert not report.blessed
    assert "TFMA gave no reason" in _check(report, "tfma").note


def test_the_evaluators_own_blessing_is_needed() -> None:
    report = judge(_evaluation(), SETTINGS, evaluator_blessed=False)
    assert not report.blessed
    assert "the Evaluator did not bless" in _check(report, "tfma").note


counts = st.integers(min_value=0, max_value=300)


@given(
    overall=st.builds(_slice, counts, counts, counts, counts, st.floats(0, 1) | st.none()),
    tfma_ok=st.booleans(),
    evaluator_blessed=st.booleans(),
)
def test_any_evaluation_gets_a_verdict_that_follows_from_its_checks(
    overall: SliceMetrics, tfma_ok: bool, evaluator_blessed: bool
) -> None:
    evaluation = _evaluation({OVERALL: overall}, tfma_ok=tfma_ok)
    report = judge(evaluation, SETTINGS, evaluator_blessed=evaluator_blessed)
    assert report.blessed == (not report.with_verdict(FAILED))
    if report.blessed:
        assert tfma_ok
        assert evaluator_blessed
        assert overall.recall.value is not None
        assert overall.recall.value >= SETTINGS.min_recall


def test_a_line_for_people_tells_verdict_value_bound_and_number() -> None:
    report = judge(_evaluation({"subtype=viral": _slice(tp=26, fn=4)}), SETTINGS)
    line = describe(_check(report, "slice_recall", "subtype=viral"))
    assert line == "failed: slice_recall (subtype=viral); 0.8667, at least 0.9000, n = 30"
    absent = describe(_check(report, "slice_recall", "subtype=unknown"))
    assert absent.startswith("too small: slice_recall (subtype=unknown); undefined, at least")


def test_an_external_set_decides_nothing_unless_it_has_bounds() -> None:
    bad = {"adults": _slice(tp=1, fp=90, tn=10, fn=99)}
    report = judge(_evaluation(), GateSettings(), external=bad)
    assert report == judge(_evaluation(), GateSettings())
    assert report.blessed


def test_bounds_on_an_external_set_are_checks_of_their_own() -> None:
    bounds = {"adults": {"min_recall": 0.9, "min_specificity": 0.5, "min_auc": 0.7}}
    settings = GateSettings.model_validate({"external": bounds})
    sets = {
        "adults": _slice(tp=95, fp=60, tn=40, fn=5, auc=0.6),
        "other": _slice(tp=0, fp=9, tn=1, fn=9),
    }
    report = judge(_evaluation(), settings, external=sets)
    found = {
        check.name: (check.verdict, check.value, check.bound, check.n)
        for check in report.checks
        if check.slice == "external=adults"
    }
    assert found == {
        "external_recall": ("passed", 0.95, 0.9, 100),
        "external_specificity": ("failed", 0.4, 0.5, 100),
        "external_auc": ("failed", 0.6, 0.7, 200),
    }
    assert not report.blessed
    assert not [check for check in report.checks if check.slice == "external=other"]


@pytest.mark.parametrize(
    ("sets", "note"),
    [
        ({}, "undefined: no images"),
        ({"adults": _slice(tp=0, fp=1, tn=9, fn=0)}, "undefined: no pneumonia images"),
    ],
)
def test_a_bound_on_a_figure_that_is_undefined_refuses_and_says_why(
    sets: dict[str, SliceMetrics], note: str
) -> None:
    settings = GateSettings.model_validate({"external": {"adults": {"min_recall": 0.1}}})
    report = judge(_evaluation(), settings, external=sets)
    (check,) = [check for check in report.checks if check.name == "external_recall"]
    assert (check.verdict, check.value, check.note) == ("failed", None, note)
