"""The slices as data, as CSV and as the report's section."""

from __future__ import annotations

import csv
import io
import types

import pytest

from contract.settings import GateSettings
from evaluation.gate import Evaluation, judge
from evaluation.slice_metrics import slice_metrics_from_counts
from report.page.page import render_page
from report.page.parts import Table, Text
from report.slices import COLUMNS, build, slice_rows, to_csv


def _metrics(tp, fp, tn, fn, auc=0.97):
    return slice_metrics_from_counts(
        tp=tp, fp=fp, tn=tn, fn=fn, auc=auc, mean_probability=None, brier=None, log_loss=None
    )


@pytest.fixture
def evaluation():
    return Evaluation(
        candidate={
            "site=<b>north</b>": _metrics(5, 0, 5, 0),
            "sharpness_group=sharp": _metrics(200, 5, 25, 2),
            "size_group=under_500_px": _metrics(150, 3, 47, 50),
            "sharpness_group=soft": _metrics(300, 5, 25, 3),
            "subtype=viral": _metrics(198, 0, 0, 2),
            "subtype=bacterial": _metrics(9, 0, 0, 1),
            "subtype=normal": _metrics(0, 5, 95, 0),
            "overall": _metrics(990, 5, 95, 10),
        },
        baseline=None,
        tfma_ok=True,
    )


@pytest.fixture
def gate(evaluation):
    return judge(evaluation, GateSettings())


@pytest.fixture
def rows(evaluation, gate):
    return {row.name: row for row in slice_rows(evaluation, gate)}


def test_every_slice_has_a_row_in_the_contracts_order(rows):
    assert list(rows) == [
        "overall",
        "subtype=normal",
        "subtype=bacterial",
        "subtype=viral",
        "subtype=unknown",
        "size_group=under_500_px",
        "size_group=500_to_999_px",
        "size_group=1000_px_and_over",
        "sharpness_group=soft",
        "sharpness_group=sharp",
        "site=<b>north</b>",
    ]


def test_the_gates_word_stands_where_it_judges(rows):
    assert {name: row.gate for name, row in rows.items()} == {
        "overall": "pass",
        "subtype=normal": "not judged",
        "subtype=bacterial": "too small",
        "subtype=viral": "pass",
        "subtype=unknown": "too small",
        "size_group=under_500_px": "fail",
        "size_group=500_to_999_px": "too small",
        "size_group=1000_px_and_over": "too small",
        "sharpness_group=soft": "not judged",
        "sharpness_group=sharp": "not judged",
        "site=<b>north</b>": "not judged",
    }


def test_one_failed_check_fails_the_whole_split(evaluation):
    gate = judge(evaluation, GateSettings(min_specificity=0.99))
    overall = slice_rows(evaluation, gate)[0]
    assert (overall.gate, overall.note) == ("fail", "specificity")


def test_figures_are_tfmas_with_intervals(rows, evaluation):
    metrics = evaluation.candidate["size_group=under_500_px"]
    row = rows["size_group=under_500_px"]
    assert (row.n, row.positives) == (250, 200)
    assert (row.recall, row.specificity, row.auc) == (
        metrics.recall,
        metrics.specificity,
        metrics.auc,
    )
    assert row.note == "slice recall"


def test_a_slice_without_images_says_so(rows):
    row = rows["subtype=unknown"]
    assert (row.n, row.positives, row.recall.value) == (0, 0, None)
    assert row.note.startswith("too small to judge: 0 pneumonia images")


def test_csv_reads_back(rows):
    read = list(csv.DictReader(io.StringIO(to_csv(tuple(rows.values())))))
    assert tuple(read[0]) == COLUMNS
    assert [entry["slice"] for entry in read] == list(rows)
    viral = read[3]
    assert float(viral["recall"]) == pytest.approx(0.99)
    assert float(viral["recall_low"]) < 0.99 < float(viral["recall_high"])
    assert viral["specificity"] == viral["auc_high"] == ""
    assert viral["gate"] == "pass"
    assert read[2]["note"] == "too small to judge: 10 pneumonia images, fewer than 30"


def test_the_section_shows_the_rows_and_explains_too_small(evaluation, gate):
    section = build(types.SimpleNamespace(tfma=evaluation, gate=gate))
    summary, table, note = section.parts
    assert summary.tone == "bad"
    assert summary.text.startswith(
        "10 slices, 2 of them judged by the gate: failed: size_group=under_500_px."
    )
    assert "Too small to judge: subtype=bacterial, subtype=unknown," in summary.text
    assert isinstance(table, Table)
    failed = table.rows[5]
    assert (failed[0].text, failed[0].detail) == ("under 500 px", "size group")
    assert (failed[3].text, failed[-1].text, failed[-1].tone) == ("0.750", "fail", "bad")
    assert " to " in failed[3].detail
    assert isinstance(note, Text)
    assert note.text.startswith("Too small: ")


def test_values_of_the_data_cannot_bring_markup_in(evaluation, gate):
    section = build(types.SimpleNamespace(tfma=evaluation, gate=gate))
    page = render_page("t", "s", [section], synthetic=False)
    assert "&lt;b&gt;north&lt;/b&gt;" in page
    assert "<b>" not in page
