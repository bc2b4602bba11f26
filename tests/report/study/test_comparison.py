import numpy as np
import pytest

from evaluation.calibration import Calibration
from evaluation.intervals import wilson_interval
from report.study.comparison import make_row, make_table
from report.study.table import NUM_NORMAL, NUM_PNEUMONIA, PUBLISHED, StudyTable
from tests.report.study.conftest import LABELS, PROBABILITIES

OFFICIAL = np.array([0] * NUM_NORMAL + [1] * NUM_PNEUMONIA)


def test_a_row_counts_from_one_half_of_the_uncalibrated_probability(row_of):
    # The calibration would call everything pneumonia.
    row = row_of(calibration=Calibration(intercept=5.0))
    judged = row.as_study
    assert (judged.tp, judged.fn, judged.tn, judged.fp) == (5, 1, 3, 1)
    assert judged.accuracy.value == pytest.approx(0.8)
    assert judged.recall.value == pytest.approx(5 / 6)
    assert judged.specificity.value == pytest.approx(3 / 4)
    assert (judged.recall.low, judged.recall.high) == wilson_interval(5, 6)
    assert judged.auc.value == pytest.approx(22 / 24)


def test_a_row_is_judged_at_its_own_operating_point_too(row_of):
    row = row_of(threshold=0.25)
    assert (row.as_shipped.tp, row.as_shipped.fp) == (6, 2)
    shifted = row_of(threshold=0.25, calibration=Calibration(intercept=5.0))
    assert (shifted.as_shipped.tp, shifted.as_shipped.fp) == (6, 4)
    assert shifted.threshold == 0.25


def test_the_roc_curve_goes_from_corner_to_corner(row_of):
    roc = row_of().roc
    assert (roc.false_alarm_rates[0], roc.recalls[0]) == (0.0, 0.0)
    assert (roc.false_alarm_rates[-1], roc.recalls[-1]) == (1.0, 1.0)
    area = np.trapezoid(roc.recalls, roc.false_alarm_rates)
    assert area == pytest.approx(row_of().as_study.auc.value)


@pytest.mark.parametrize(("restores", "kept"), [(True, 2), (False, 3)])
def test_the_kept_epoch_is_the_one_whose_weights_are_judged(make_report, restores, kept):
    report = make_report()
    training = report.candidate.training.model_copy(update={"restore_best_weights": restores})
    candidate = report.candidate.model_copy(update={"training": training})
    report = report.model_copy(update={"candidate": candidate})
    assert make_row(report, LABELS, PROBABILITIES).kept_epoch == kept


def test_published_figures_stand_beside_rows_of_the_study_alone(row_of):
    assert row_of("cnn_deep", "cnn_deep").published == PUBLISHED["cnn_deep"]
    assert row_of("my_network", "cnn_deep").published is None


def test_a_random_backbone_is_no_row_of_the_study(row_of):
    assert "not comparable" in row_of("xception", "xception", "none").note
    assert row_of("xception", "xception", "imagenet").note == ""
    assert row_of("cnn_deep", "cnn_deep").note == ""


def test_a_network_in_place_of_the_studys_is_marked_as_such(row_of):
    row = row_of("efficientnet_lite0", "efficientnet_lite0", "package")
    assert "replaces the study's networks with ImageNet weights" in row.note
    assert row.published is None
    assert "not comparable" in row_of("mine", "efficientnet_lite0", "none").note


def test_an_ensemble_is_no_row(make_report):
    with pytest.raises(ValueError, match="got the ensemble 'ann_deep'"):
        make_row(make_report(candidate=None), LABELS, PROBABILITIES)


def test_rows_stand_in_the_studys_order_and_others_after_them(row_of):
    names = ["zebra", "cnn_deep", "aardvark", "ann_deep", "ann_baseline_adam"]
    table = make_table([row_of(name) for name in names], LABELS, [""] * 10, synthetic=False)
    assert [row.name for row in table.rows] == [
        "ann_baseline_adam", "ann_deep", "cnn_deep", "aardvark", "zebra"
    ]  # fmt: skip


def test_the_official_test_images_are_comparable(row_of):
    table = make_table([row_of()], OFFICIAL, ["test"] * 624, synthetic=False)
    assert table.comparable
    assert "624 official test images" in table.comparability
    assert (table.num_normal, table.num_pneumonia) == (234, 390)


@pytest.mark.parametrize(
    ("labels", "source_splits", "synthetic", "reason"),
    [
        (OFFICIAL, ["test"] * 623 + ["train"], False, "split off by patient"),
        (OFFICIAL, [""] * 624, False, "split off by patient"),
        (OFFICIAL[1:], ["test"] * 623, False, "has 233 normal and 390 pneumonia"),
        (OFFICIAL, ["test"] * 624, True, "drawn by a program"),
    ],
)
def test_nothing_else_is_and_the_reason_is_told(row_of, labels, source_splits, synthetic, reason):
    table = make_table([row_of()], labels, source_splits, synthetic)
    assert not table.comparable
    assert "NOT comparable" in table.comparability
    assert reason in table.comparability
    assert table.synthetic == synthetic


def test_a_table_survives_json(row_of):
    table = make_table([row_of()], LABELS, [""] * 10, synthetic=True)
    assert StudyTable.model_validate_json(table.model_dump_json()) == table
