"""The section on the test split: every figure with its interval and n, and failures in place."""

from __future__ import annotations

import base64
import dataclasses
import types

import numpy as np
import pytest

from contract.settings import ReferralSettings, ReportSettings
from evaluation.decision_band import NO_SCORE, DecisionBand
from evaluation.intervals import wilson_interval
from report.page.page import render_page
from report.page.parts import Failure, Gallery, Group, Table, Text
from report.performance.coverage import referral_in_words
from report.performance.section import build
from report.served_predictions import Predictions
from tests.evaluation.made_referral import REFERRAL
from tests.report.made_reports import make_report

NUM_PNEUMONIA, NUM_NORMAL = 70, 50
PICTURES = 5


def _predictions(labels, seed=6, threshold=0.4):
    generator = np.random.default_rng(seed)
    logits = generator.normal(np.where(labels == 1, 1.2, -1.2), 1.0)
    probabilities = (1.0 / (1.0 + np.exp(-logits))).astype(np.float32).astype(np.float64)
    return Predictions(
        image_ids=[f"{number}.png" for number in range(len(labels))],
        labels=labels,
        probabilities=probabilities,
        threshold=threshold,
        decisions=probabilities >= threshold,
        # Two images of each patient but for the last ones.
        facts={"patient_id": [str(number // 2) for number in range(len(labels))]},
        verdicts=[_verdict(number, each) for number, each in enumerate(probabilities)],
        unfamiliar=np.arange(len(labels)) % 40 == 0,
    )


def _verdict(number, probability):
    if number % 40 == 0 or 0.3 <= probability < 0.6:
        return "refer"
    return "pneumonia" if probability >= 0.6 else "normal"


def _sources(predictions, **settings):
    report = ReportSettings(bootstrap_samples=200, **settings)
    return types.SimpleNamespace(
        predictions=predictions,
        run=types.SimpleNamespace(report=report, seed=3),
        selection=types.SimpleNamespace(selected="first"),
        training_reports={"first": make_report()},
    )


@pytest.fixture(scope="module")
def predictions():
    return _predictions(np.repeat([1, 0], [NUM_PNEUMONIA, NUM_NORMAL]))


@pytest.fixture(scope="module")
def section(predictions):
    return build(_sources(predictions, prevalences=(0.05, 0.25)))


def _all(parts, kind):
    found = []
    for part in parts:
        if isinstance(part, kind):
            found.append(part)
        if isinstance(part, Group):
            found += _all(part.parts, kind)
    return found


def _rows(section, heading):
    (table,) = [table for table in _all(section.parts, Table) if table.columns[0] == heading]
    return {
        getattr(row[0], "text", row[0]): [
            (cell, "") if isinstance(cell, str) else (cell.text, cell.detail) for cell in row[1:]
        ]
        for row in table.rows
    }


def test_nothing_fails(section):
    assert _all(section.parts, Failure) == []


def test_it_says_what_the_figures_rest_on(section):
    text = section.parts[0].text
    assert text.startswith("120 images of 60 patients")
    assert "70 with pneumonia, 50 normal" in text
    assert "Probability >= 0.400" in text


def test_every_figure_has_an_interval_and_its_n(section, predictions):
    rows = _rows(section, "Figure")
    hits = int((predictions.decisions & (predictions.labels == 1)).sum())
    low, high = wilson_interval(hits, NUM_PNEUMONIA)
    assert rows["Sensitivity (recall)"] == [
        (f"{hits / NUM_PNEUMONIA:.3f}", ""),
        (f"{low:.3f} to {high:.3f}", ""),
        ("70", ""),
    ]
    assert rows["Specificity"][2][0] == "50"
    assert rows["Precision"][2][0] == str(int(predictions.decisions.sum()))
    for value, interval, n in rows.values():
        low, high = map(float, interval[0].split(" to "))
        assert low <= float(value[0]) <= high
        assert int(n[0]) > 0


def test_the_classification_report_has_both_classes(section):
    rows = _rows(section, "Class")
    assert list(rows) == ["normal", "pneumonia", "mean of both classes"]
    assert [rows[name][-1][0] for name in rows] == ["50", "70", "120"]
    assert all(" to " in cell[1] for row in rows.values() for cell in row[:-1])


def test_predictive_values_are_told_at_the_settings_prevalences(section):
    rows = _rows(section, "Prevalence")
    assert list(rows) == ["5%", "25%"]
    assert float(rows["5%"][0][0]) < float(rows["25%"][0][0])
    assert float(rows["5%"][1][0]) > float(rows["25%"][1][0])


def test_the_bins_hold_every_image(section):
    assert sum(int(row[-1][0]) for row in _rows(section, "Probability").values()) == 120


def test_pictures_are_side_by_side_and_tell_their_figures(section, predictions):
    (gallery,) = _all(section.parts, Gallery)
    confusion, roc, precision, calibration, thresholds = gallery.pictures
    misses = int((~predictions.decisions & (predictions.labels == 1)).sum())
    assert f"{misses} normal; of 50 normal images" in confusion.alt
    assert "Area under it 0." in roc.alt
    assert "Average precision 0." in precision.alt
    assert "Expected calibration error 0." in calibration.alt
    assert "shipped threshold of 0.400" in thresholds.alt
    for picture in gallery.pictures:
        svg = base64.b64decode(picture.source.removeprefix("data:image/svg+xml;base64,"))
        assert b"</svg>" in svg
        assert "n = " in picture.caption


def test_the_same_answers_give_the_same_page(predictions):
    pages = [
        render_page("t", "s", [build(_sources(predictions))], synthetic=False) for _ in range(2)
    ]
    assert pages[0] == pages[1]


def test_a_figure_that_fails_is_reported_and_the_others_stay(section, predictions):
    one_class = _predictions(np.ones(30, dtype=np.int64))
    parts = build(_sources(one_class)).parts
    failures = {failure.what: failure.cause for failure in _all(parts, Failure)}
    assert "The ROC curve" in failures
    assert "got only labels [1]: curves are undefined" in failures["The ROC curve"]
    (gallery,) = _all(parts, Gallery)
    assert "of 30 images with pneumonia" in gallery.pictures[0].alt
    assert len(gallery.pictures) < PICTURES
    assert isinstance(parts[0], Text)


def test_a_perfect_model_has_all_its_figures():
    labels = np.repeat([1, 0], 20)
    perfect = dataclasses.replace(
        _predictions(labels), probabilities=labels * 1.0, decisions=labels == 1
    )
    section = build(_sources(perfect))
    assert _all(section.parts, Failure) == []
    assert _rows(section, "Figure")["Area under the ROC curve"][0][0] == "1.000"
    assert _rows(section, "Figure")["Calibration error (ECE)"][0][0] == "0.000"


def test_what_is_referred_is_counted_by_reason_and_the_rest_is_judged(section, predictions):
    (table,) = [each for each in _all(section.parts, Table) if each.columns[0] == "Split"]
    validation, test = ([getattr(cell, "text", cell) for cell in row] for row in table.rows)
    assert validation[:5] == ["validation", "120", "0.850", "3", "15"]
    verdicts = np.array(predictions.verdicts)
    decided = verdicts != "refer"
    ill = predictions.labels == 1
    recall = np.mean(verdicts[decided & ill] == "pneumonia")
    specificity = np.mean(verdicts[decided & ~ill] == "normal")
    num_unfamiliar = int(predictions.unfamiliar.sum())
    assert test == [
        "test split",
        "120",
        f"{decided.mean():.3f}",
        str(num_unfamiliar),
        str(int((~decided).sum()) - num_unfamiliar),
        f"{recall:.3f}",
        f"{specificity:.3f}",
    ]
    interval = wilson_interval(int(decided.sum()), 120)
    assert table.rows[1][2].detail == (
        f"{interval[0]:.3f} to {interval[1]:.3f}, n = {decided.sum()}"
    )


def test_a_model_without_decisions_is_said_to_refer_nothing(predictions):
    older = dataclasses.replace(predictions, verdicts=None, unfamiliar=None)
    section = build(_sources(older))
    (group,) = [each for each in _all(section.parts, Group) if "radiologist" in each.title]
    assert [part.text for part in group.parts] == ["Nothing: the model has no output `decision`."]


def test_the_rule_of_referral_is_told_with_its_bounds():
    told = referral_in_words(REFERRAL)
    assert "A probability of at least 0.2 and less than 0.6 is uncertain: at most 1% of" in told
    assert "fewer than 1% of the validation images" in told

    def told_with(band, settings=REFERRAL.settings):
        return referral_in_words(REFERRAL.model_copy(update={"band": band, "settings": settings}))

    everything = told_with(DecisionBand(low=0.99995, high=NO_SCORE))
    assert "A probability of at least 0.99995 is uncertain" in everything
    empty = DecisionBand(low=0.4, high=0.4)
    assert "No probability is uncertain: the threshold alone is enough" in told_with(empty)
    nothing = ReferralSettings(
        max_missed_fraction=0.0, max_false_alarm_fraction=0.0, max_unfamiliar_fraction=0.0
    )
    assert told_with(empty, nothing) == (
        "No probability is uncertain: the bounds on errors are switched off. No image is "
        "unfamiliar: that bound is switched off."
    )
