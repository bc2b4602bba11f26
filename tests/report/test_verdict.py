"""The report's first section: the verdict, its reasons and the change."""

from __future__ import annotations

import dataclasses
import types

import numpy as np
import pytest

from contract.settings import GateSettings
from evaluation.gate import Evaluation, judge
from evaluation.paired_comparison import PairedComparison
from evaluation.selection import Selection
from evaluation.slice_metrics import slice_metrics_from_counts
from report.page.page import render_page
from report.page.parts import Failure, Group, Listing, Table, Text
from report.served_predictions import Predictions
from report.verdict import build, change_part, compare_models

UNMEASURED = {"mean_probability": None, "brier": None, "log_loss": None}


def _metrics(tp, fp, tn, fn, auc=0.97):
    return slice_metrics_from_counts(tp=tp, fp=fp, tn=tn, fn=fn, auc=auc, **UNMEASURED)


def _gate(candidate, baseline=None):
    slices = {"overall": candidate, "subtype=viral": _metrics(9, 0, 0, 1)}
    before = None if baseline is None else {"overall": baseline}
    return judge(Evaluation(candidate=slices, baseline=before, tfma_ok=True), GateSettings())


def _predictions(labels, decisions, ids=None):
    return Predictions(
        image_ids=ids or [f"{number}.png" for number in range(len(labels))],
        labels=np.asarray(labels),
        probabilities=np.where(decisions, 0.9, 0.1),
        threshold=0.5,
        decisions=np.asarray(decisions, dtype=bool),
        facts={},
    )


def _sources(gate, new=None, old=None):
    return types.SimpleNamespace(
        gate=gate,
        selection=Selection(
            selected="compact", reason="it is <b>best</b>", target_sensitivity=0.95, candidates=()
        ),
        predictions=new,
        baseline_predictions=old,
        baseline_version=None if old is None else 7,
    )


def _texts(section, kind=Text):
    return [part for part in section.parts if isinstance(part, kind)]


def _rows(table):
    return [[getattr(cell, "text", cell) for cell in row] for row in table.rows]


@pytest.fixture
def blessed():
    return _gate(_metrics(990, 5, 95, 10))


@pytest.fixture
def refused():
    return _gate(_metrics(990, 60, 40, 10), baseline=_metrics(995, 5, 95, 5, auc=0.99))


def test_a_blessed_model_is_said_to_be_blessed(blessed):
    first = build(_sources(blessed)).parts[0]
    assert first.tone == "good"
    assert first.text.startswith("Blessed: of 12 checks, 6 passed, 0 failed, 6 had too few cases")
    assert first.text.endswith("The model may be pushed.")


def test_a_refused_model_has_every_failed_check_with_value_and_bound(refused):
    section = build(_sources(refused))
    assert section.parts[0].tone == "bad"
    assert section.parts[0].text.startswith("Refused: of 14 checks, 5 passed, 3 failed")
    (listing,) = _texts(section, Listing)
    assert listing.items == (
        "Specificity: 0.400, required at least 0.800, n = 100.",
        "Change of AUC: -0.020, required at least -0.010, n = 1,100, before 0.990.",
        "Lower 95% bound of specificity: 0.309, required at least 0.750, n = 100.",
    )


def test_every_check_is_in_the_table_with_its_verdict(refused):
    (group,) = [part for part in _texts(build(_sources(refused)), Group) if "checks" in part.title]
    rows = _rows(group.parts[0])
    assert len(rows) == len(refused.checks)
    assert ["Specificity", "0.400", "≥\u00a00.800", "100", "FAILED"] in rows
    assert ["Sensitivity", "0.900", "≥\u00a00.900", "10", "too small"] in rows
    assert ["Validation by TensorFlow Model Analysis (TFMA)", "–", "–", "1,100", "passed"] in rows


def test_the_coverage_is_told_with_the_figures_of_what_is_decided():
    slices = {
        "overall": _metrics(990, 5, 95, 10),
        "case=decided": _metrics(940, 2, 85, 4),
        "case=referred": _metrics(50, 3, 10, 6),
    }
    gate = judge(Evaluation(candidate=slices, baseline=None, tfma_ok=True), GateSettings())
    told = [part.text for part in _texts(build(_sources(gate)))]
    assert any(
        text.startswith("The model decides 1,031 of 1,100 test images, a share of 0.937 (0.921 to")
        and "sensitivity 0.996 (" in text
        and "specificity 0.977 (" in text
        for text in told
    )


def test_no_coverage_is_said(blessed):
    told = [part.text for part in _texts(build(_sources(blessed)))]
    assert any("was not measured on the test split" in text for text in told)


def test_the_selected_candidate_is_named_with_the_reason(blessed):
    told = [part.text for part in _texts(build(_sources(blessed)))]
    assert any("compact" in text and "it is <b>best</b>" in text for text in told)


def test_reasons_cannot_bring_markup_in(blessed):
    page = render_page("t", "s", [build(_sources(blessed))], synthetic=False)
    assert "it is &lt;b&gt;best&lt;/b&gt;" in page
    assert "<b>" not in page


def test_no_blessed_model_before_is_said(blessed):
    (text,) = change_part(_sources(blessed)).parts
    assert text.text.startswith("There was no blessed model before this run")


def test_the_change_is_counted_on_each_class_and_overall():
    labels = [1] * 6 + [0] * 4
    new = _predictions(labels, [1, 1, 1, 1, 0, 0, 0, 0, 0, 1])
    old = _predictions(labels, [1, 1, 1, 0, 1, 0, 1, 1, 0, 0])
    assert compare_models(new, old) == {
        "Sensitivity": PairedComparison(both=3, only_new=1, only_old=1, neither=1),
        "Specificity": PairedComparison(both=1, only_new=2, only_old=1, neither=0),
        "Accuracy": PairedComparison(both=4, only_new=3, only_old=2, neither=1),
    }


def test_a_clear_loss_is_told(blessed):
    labels = [1] * 20 + [0] * 20
    new = _predictions(labels, [0] * 10 + [1] * 10 + [0] * 20)
    old = _predictions(labels, [1] * 20 + [0] * 20)
    table, reading, _method = change_part(_sources(blessed, new, old)).parts
    assert isinstance(table, Table)
    assert _rows(table)[0] == ["Sensitivity", "20", "-0.500", "0", "10", "0.002"]
    assert table.columns[4] == "Only version 7 right"
    assert "sensitivity is lower, accuracy is lower than before" in reading.text


def test_a_change_within_chance_is_told(blessed):
    new = _predictions([1, 1, 0, 0], [1, 0, 0, 0])
    old = _predictions([1, 1, 0, 0], [1, 1, 0, 0])
    reading = change_part(_sources(blessed, new, old)).parts[1]
    assert reading.text == "No difference is statistically significant at the 5% level."


def test_a_class_without_images_has_no_difference(blessed):
    predictions = _predictions([1, 1], [1, 0])
    table = change_part(_sources(blessed, predictions, predictions)).parts[0]
    assert _rows(table)[1] == ["Specificity", "0", "–", "0", "0", "–"]


def test_answers_to_other_images_fail_in_their_place(blessed):
    new = _predictions([1, 0], [1, 0])
    old = dataclasses.replace(new, image_ids=["a.png", "b.png"])
    section = build(_sources(blessed, new, old))
    (failure,) = _texts(section, Failure)
    assert failure.what == "Change against the last blessed model"
    assert "the same images in the same order" in failure.cause
    assert section.parts[0].text.startswith("Blessed")
