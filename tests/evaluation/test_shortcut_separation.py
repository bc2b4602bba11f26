from __future__ import annotations

import numpy as np
import pytest

from evaluation.intervals import auc_interval
from evaluation.shortcut_separation import ShortcutReport, describe, find_shortcuts

LABELS = [0, 0, 0, 0, 1, 1, 1, 1]


def judge(values, warning_auc=0.75):
    report = find_shortcuts([{"feature": value} for value in values], LABELS, warning_auc)
    (shortcut,) = report.shortcuts
    return shortcut


def test_the_direction_is_told_and_the_area_does_not_depend_on_it():
    up, down = judge([1, 2, 3, 5, 4, 6, 7, 8]), judge([8, 7, 6, 4, 5, 3, 2, 1])
    assert (up.direction, down.direction) == ("higher_in_pneumonia", "lower_in_pneumonia")
    assert up.auc == down.auc == 15 / 16
    assert (up.low, up.high) == (down.low, down.high) == auc_interval(15 / 16, 4, 4)
    assert up.strong
    assert down.strong


def test_a_constant_feature_tells_nothing():
    constant = judge([3.0] * 8, warning_auc=0.5)
    assert constant.auc == 0.5
    assert constant.direction == "none"
    assert constant.low < 0.5 < constant.high
    assert not constant.strong


def test_ties_count_half():
    assert judge([0, 0, 0, 1, 0, 1, 1, 1]).auc == 0.75


@pytest.mark.parametrize(("warning_auc", "strong"), [(0.75, True), (0.76, False)])
def test_the_setting_is_the_lowest_strong_area(warning_auc, strong):
    assert judge([0, 0, 0, 1, 0, 1, 1, 1], warning_auc).strong == strong


def test_the_strongest_comes_first_and_the_report_survives_its_file(tmp_path):
    images = [{"weak": index % 2, "perfect": label} for index, label in enumerate(LABELS)]
    report = find_shortcuts(images, np.array(LABELS), 0.9)
    assert [shortcut.name for shortcut in report.shortcuts] == ["perfect", "weak"]
    assert [shortcut.name for shortcut in report.strong] == ["perfect"]
    assert (report.n, report.positives, report.warning_auc) == (8, 4, 0.9)
    report.write(tmp_path)
    assert (tmp_path / "shortcuts.json").is_file()
    assert ShortcutReport.read(tmp_path) == report


@pytest.mark.parametrize("labels", [[0, 0], [1, 1], [0, 1, 1]])
def test_a_missing_class_or_label_is_refused(labels):
    with pytest.raises(ValueError, match="expected images of both classes with a label each"):
        find_shortcuts([{"feature": 1.0}, {"feature": 2.0}], labels, 0.75)


def test_the_sentence_names_feature_area_and_direction():
    sentence = describe(judge([8, 7, 6, 4, 5, 3, 2, 1]))
    assert "`feature`" in sentence
    assert "AUC 0.938 [" in sentence
    assert "(lower in pneumonia)" in sentence
