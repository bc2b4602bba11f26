import numpy as np
import pytest

from evaluation.calibration import Calibration
from evaluation.predictions import Predictions, ValidationCases
from evaluation.selection import select
from evaluation.slice_metrics import slice_metrics_from_counts
from evaluation.training_report import TrainingReport
from tests.evaluation.made_referral import REFERRAL

UNUSED = {"mean_probability": None, "brier": None, "log_loss": None}


def report(
    name,
    *,
    missed=0,
    false_alarms=10,
    auc=0.99,
    parameters=1000,
    stressed_alarms=None,
    members=(),
):
    def metrics(alarms):
        return slice_metrics_from_counts(
            tp=400 - missed, fn=missed, fp=alarms, tn=200 - alarms, auc=auc, **UNUSED
        )

    plain = metrics(false_alarms)
    return TrainingReport(
        name=name,
        architecture="cnn_deep",
        num_parameters=parameters,
        num_trainable=parameters,
        candidate=None,
        hyperparameters={},
        members=members,
        seed=0,
        num_epochs=1,
        best_epoch=1,
        history={"val_loss": [0.1]},
        num_gpus=0,
        num_replicas=1,
        training_s=1.0,
        threshold=0.5,
        target_sensitivity=0.97,
        reaches_target=plain.recall.low >= 0.97,
        calibration=Calibration(),
        calibration_error_before=0.1,
        calibration_error_after=0.1,
        pseudo_sites=(),
        exposure_cuts=(85.0, 170.0),
        referral=REFERRAL,
        validation={"overall": plain},
        stressed={
            "blur": metrics(false_alarms if stressed_alarms is None else stressed_alarms),
            "noise": metrics(false_alarms),
        },
    )


def test_recall_comes_first():
    unsafe = report("unsafe", missed=20, false_alarms=0)
    safe = report("safe", missed=1, false_alarms=60)
    selection = select([unsafe, safe])
    assert selection.selected == "safe"
    assert [entry.name for entry in selection.candidates] == ["safe", "unsafe"]
    assert "only safe has a recall" in selection.reason


def test_then_the_highest_specificity_wins_on_plain_and_stressed_images():
    brittle = report("brittle", false_alarms=2, stressed_alarms=150)
    steady = report("steady", false_alarms=10)
    selection = select([brittle, steady])
    assert selection.selected == "steady"
    assert "highest specificity on plain and stressed" in selection.reason


def test_ties_go_to_the_higher_auc_and_then_to_the_smaller_network():
    better = report("better", auc=0.995, parameters=9000)
    assert select([report("worse", auc=0.99), better]).selected == "better"
    selection = select([report("large", parameters=9000), report("small", parameters=10)])
    assert selection.selected == "small"
    assert "small is smaller" in selection.reason


def test_the_order_of_the_configuration_does_not_matter():
    reports = [report(name, false_alarms=alarms) for name, alarms in (("a", 5), ("b", 3), ("c", 9))]
    assert select(reports) == select(reports[::-1])


def test_where_none_reaches_the_target_the_nearest_is_named_as_such():
    selection = select([report("far", missed=40), report("near", missed=20, false_alarms=90)])
    assert selection.selected == "near"
    assert "no candidate's recall reaches 0.97" in selection.reason


def test_the_worst_stress_is_told():
    entry = select([report("only")]).candidates[0]
    assert entry.worst_stress in {"blur", "noise"}
    assert entry.worst_stressed_auc == pytest.approx(0.99)


def test_without_stresses_the_plain_figures_decide_and_the_reason_says_so():
    reports = [
        report(name, false_alarms=alarms).model_copy(update={"stressed": {}})
        for name, alarms in (("worse", 12), ("better", 4))
    ]
    selection = select(reports)
    assert selection.selected == "better"
    assert "highest specificity on validation, 0.980 against 0.940" in selection.reason
    assert selection.candidates[0].worst_stress == ""


def test_no_candidate_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        select([])


def answers(missed, false_alarms, first_missed=0):
    """Predictions of 400 pneumonia and 200 normal images that give a report's figures."""
    scores = np.array([0.9] * 400 + [0.1] * 200, np.float32)
    scores[first_missed : first_missed + missed] = 0.2
    scores[400 : 400 + false_alarms] = 0.7
    return Predictions(scores, {"blur": scores, "noise": scores})


CASES = ValidationCases(
    np.array([1] * 400 + [0] * 200), np.arange(600).astype(str), np.arange(600).astype(str)
)


def test_recall_comes_before_the_tie_that_goes_to_the_ensemble():
    safe, unsafe = (1, 60), (20, 0)  # missed, false alarms
    for single, ensemble, selected in ((safe, unsafe, "one"), (unsafe, safe, "ensemble")):
        counts = {"one": single, "ensemble": ensemble}
        reports = [
            report(name, missed=missed, false_alarms=alarms, members=("one",) * (name != "one"))
            for name, (missed, alarms) in counts.items()
        ]
        predictions = {name: answers(*each) for name, each in counts.items()}
        selection = select(reports, predictions, CASES)
        assert (selection.selected, selection.paired) == (selected, None)


def test_where_neither_reaches_the_target_recalls_are_compared():
    counts = {"one": (36, 0), "ensemble": (40, 0)}
    reports = [
        report(name, missed=missed, false_alarms=alarms, members=("one",) * (name != "one"))
        for name, (missed, alarms) in counts.items()
    ]
    assert select(reports).selected == "one"  # the ranking alone: the nearest to the target
    predictions = {"one": answers(36, 0), "ensemble": answers(40, 0, first_missed=100)}
    selection = select(reports, predictions, CASES)
    assert selection.selected == "ensemble"
    assert [entry.name for entry in selection.candidates] == ["ensemble", "one"]
    assert "recall 0.910 against 0.900, difference +0.010 [" in selection.reason
    assert "a tie goes to the ensemble" in selection.reason


def test_without_an_ensemble_ties_go_as_the_ranking_has_them():
    reports = [report("large", parameters=9000), report("small", parameters=10)]
    predictions = {name: answers(0, 10) for name in ("large", "small")}
    assert select(reports, predictions, CASES) == select(reports)
