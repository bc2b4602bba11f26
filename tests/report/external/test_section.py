"""The section on sets from outside the training data, from figures that were made up."""

import pytest

from contract.settings import GateSettings
from evaluation.external import ExternalReport
from evaluation.gate import Evaluation, judge
from evaluation.slice_metrics import OVERALL, slice_metrics_from_counts
from report.external.section import build
from report.page.page import render_page
from report.page.parts import Failure, Gallery, Group, Listing, Table, Text
from report.report import PAGE_FILE, write_report
from tests.report.external.made_sets import make_answers, make_set
from tests.report.made_sources import flatten, make_sources, texts_of

TEST = slice_metrics_from_counts(
    tp=97, fp=6, tn=34, fn=3, auc=0.961, mean_probability=0.7, brier=0.05, log_loss=0.2
)
EVIL = "<script>alert(1)</script>.png"


@pytest.fixture
def sources_of(tmp_path):
    def make(sets, settings=None):
        ExternalReport(sets=sets).write(tmp_path / "external")
        sources = make_sources(tmp_path, external_evaluation=tmp_path / "external")
        evaluation = Evaluation(candidate={OVERALL: TEST}, baseline=None, tfma_ok=True)
        settings = settings or GateSettings()
        metrics = {name: each.metrics for name, each in sets.items()}
        sources.__dict__["tfma"] = evaluation
        sources.__dict__["gate"] = judge(evaluation, settings, external=metrics)
        sources.__dict__["predictions"] = make_answers()
        return sources

    return make


def tables_of(section):
    return [part for part in flatten(section.parts) if isinstance(part, Table)]


def told_in(section):
    return " ".join(part.text for part in flatten(section.parts) if isinstance(part, Text))


def test_sets_stand_below_the_test_split_with_figures_scores_and_referrals(sources_of):
    section = build(sources_of({"adults": make_set(), "other": make_set()}))
    assert not [part for part in flatten(section.parts) if isinstance(part, Failure)]
    figures, referred, *percentiles = tables_of(section)
    assert texts_of(figures) == [
        ["test split", "140", "100", "0.970", "0.850", "0.961", "–", "0.050"],
        ["adults", "8", "4", "0.750", "0.500", "0.719", "0.375", "0.253"],
        ["other", "8", "4", "0.750", "0.500", "0.719", "0.375", "0.253"],
    ]
    assert texts_of(referred)[0] == [
        "adults", "0.250", "0.250", "0.250", "0.250", "6", "0.667", "0.667",
    ]  # fmt: skip
    assert len(percentiles) == 2
    (gallery,) = [part for part in flatten(section.parts) if isinstance(part, Gallery)]
    assert len(gallery.pictures) == 3
    assert all(picture.source.startswith("data:image/svg") for picture in gallery.pictures)
    assert "pneumonia, n = 4: median 0.750" in gallery.pictures[1].alt


def test_one_class_and_a_model_without_a_decision_are_said(sources_of):
    normals = make_set(make_answers([0] * 8, verdicts=None, unfamiliar=None))
    section = build(sources_of({"normals": normals}))
    assert not [part for part in flatten(section.parts) if isinstance(part, Failure)]
    figures = texts_of(tables_of(section)[0])[1]
    assert figures[3] == figures[5] == "–"
    assert "was not measured: the model has no such output" in told_in(section)
    (gallery,) = [part for part in flatten(section.parts) if isinstance(part, Gallery)]
    assert gallery.pictures[1].caption == "There are no pneumonia images."


def test_no_probability_is_shown_as_certain(sources_of):
    certain = make_set(make_answers(probabilities=[0.99999] * 4 + [0.00001] * 4))
    *_, percentiles = tables_of(build(sources_of({"adults": certain})))
    assert {cell for row in texts_of(percentiles) for cell in row[3:]} == {
        "above 0.999",
        "below 0.001",
    }


def test_what_spoils_a_set_is_told(sources_of):
    spoiled = make_set(rejected=[f"{n}.png" for n in range(25)], pixels=[b"1"], seen={b"1"})
    section = build(sources_of({"adults": spoiled}))
    (warning,) = [
        part for part in section.parts if isinstance(part, Text) and part.tone == "warning"
    ]
    assert "Images of adults with the pixels of an image of train or validation: 1." in warning.text
    (facts,) = [part.items for part in flatten(section.parts) if isinstance(part, Listing)]
    assert "Rejected: 3.png: no picture" in facts
    assert "5 more images were rejected." in facts


def test_it_says_whether_the_gate_read_a_set(sources_of):
    sets = {"adults": make_set(), "other": make_set()}
    assert "they did not affect the verdict" in told_in(build(sources_of(sets)))
    bounds = GateSettings.model_validate({"external": {"adults": {"min_auc": 0.9}}})
    told = told_in(build(sources_of(sets, bounds)))
    assert "bounds for adults: see the verdict" in told


def test_no_text_of_a_set_becomes_markup(sources_of):
    section = build(sources_of({"adults": make_set(rejected=[EVIL])}))
    (details,) = [part for part in section.parts if isinstance(part, Group)]
    assert details.folded
    page = render_page("A title", "", [section], synthetic=False)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_section_is_there_only_with_sets(sources_of, tmp_path):
    write_report(sources_of({"adults": make_set()}), tmp_path / "with")
    assert 'id="outside"' in (tmp_path / "with" / PAGE_FILE).read_text(encoding="utf-8")
    write_report(make_sources(tmp_path / "run"), tmp_path / "without")
    assert 'id="outside"' not in (tmp_path / "without" / PAGE_FILE).read_text(encoding="utf-8")
