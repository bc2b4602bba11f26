import json

import pytest

from evaluation.selection import SELECTION_FILE, select
from evaluation.site_holdout import judge_sites
from evaluation.training_report import REPORT_FILE
from report.candidates.section import build
from report.candidates.tables import MAX_TRIALS, format_duration
from report.candidates.trials import RESULTS_FILE
from report.page.page import render_page
from report.page.parts import Cell, Failure, Gallery, Group, Table, Text
from tests.report.made_reports import HISTORY, make_ensemble, make_report, metrics_of
from tests.report.made_sources import flatten, make_sources, texts_of


def build_section(folder, reports, **changes):
    for report in reports:
        report.write(folder / report.name / REPORT_FILE)
    sources = make_sources(
        folder, model_runs={report.name: folder / report.name for report in reports}, **changes
    )
    sources.model_run.mkdir()
    selection = select(reports)
    (sources.model_run / SELECTION_FILE).write_text(selection.model_dump_json())
    return build(sources), selection


def table_with(section, heading):
    (table,) = (
        part
        for part in flatten(section.parts)
        if isinstance(part, Table) and heading in part.columns
    )
    return table


def group_of(section, title):
    (group,) = (part for part in flatten(section.parts) if getattr(part, "title", None) == title)
    assert isinstance(group, Group)
    return group


@pytest.fixture
def reports():
    first = make_report("first", reaches_target=False)
    second = make_report("second", stressed={}, history=HISTORY, num_parameters=99)
    return [first, second, make_ensemble(["first", "second"])]


def test_the_best_candidate_comes_first_and_is_marked(reports, tmp_path):
    section, selection = build_section(tmp_path, reports)
    assert (section.anchor, section.title) == ("candidates", "Candidates")
    assert section.parts[0] == Text(f"second was selected: {selection.reason}.", "good")
    table = table_with(section, "Stressed AUC")
    assert [row[0] for row in table.rows] == [
        Cell("second", "selected, 99 parameters"),
        Cell("ensemble", "1,234 parameters"),
        Cell("first", "1,234 parameters"),
    ]
    titles = [part.title for part in section.parts if isinstance(part, Group)]
    assert titles == ["Why the winner won", "second", "ensemble", "first"]


def test_the_table_holds_each_figure_with_its_interval(reports, tmp_path):
    table = table_with(build_section(tmp_path, reports)[0], "Stressed AUC")
    second, ensemble, first = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    recall = metrics_of().recall
    told = f"{recall.low:.3f} to {recall.high:.3f}"
    assert second["Recall"] == Cell("1.000", told)
    assert first["Recall"] == Cell("1.000", f"{told}, misses 0.955", "bad")
    assert second["Specificity"].text == "0.750"
    assert second["Stressed AUC"] == Cell("–", "not stressed")
    assert first["Stressed specificity"].text == "0.600"  # the mean of 11 and 13 of 20
    assert first["Stressed AUC"] == Cell("0.750", "worst 0.700, noise")
    assert first["Calibration error"] == Cell("0.050", "before 0.150")
    assert first["Epochs, time"] == Cell("3", "kept 2, 75\N{NO-BREAK SPACE}s")
    assert ensemble["Epochs, time"] == Cell("–", "not trained")


def test_the_ranking_says_who_reaches_the_target(reports, tmp_path):
    table = table_with(build_section(tmp_path, reports)[0], "Mean AUC")
    assert [row[:2] for row in texts_of(table)] == [
        ["1. second", "yes"],
        ["2. ensemble", "yes"],
        ["3. first", "no"],
    ]
    assert "Reaches 0.955" in table.columns


def test_each_trained_candidate_has_its_curves_and_recipe(reports, tmp_path):
    section, _ = build_section(tmp_path, reports)
    for name in ("first", "second"):
        group = group_of(section, name)
        (gallery,) = (part for part in group.parts if isinstance(part, Gallery))
        assert [picture.alt.split(f" of {name}")[0] for picture in gallery.pictures] == [
            "Loss",
            "Accuracy",
            "Recall",
        ]
        assert "adamw at a rate of 0.003" in group.parts[0].text
    ensemble = group_of(section, "ensemble")
    assert "its members, which are first, second" in ensemble.parts[0].text
    assert not any(isinstance(part, Gallery) for part in ensemble.parts)


def test_a_missing_curve_is_reported_beside_the_others(tmp_path):
    history = {name: values for name, values in HISTORY.items() if name != "val_recall"}
    group = group_of(build_section(tmp_path, [make_report(history=history)])[0], "first")
    (gallery,) = (part for part in group.parts if isinstance(part, Gallery))
    assert len(gallery.pictures) == 2
    (failure,) = (part for part in group.parts if isinstance(part, Failure))
    assert failure.what == "first's recall by epoch"
    assert "val_recall" in failure.cause


def test_stresses_are_folded_away(reports, tmp_path):
    section, _ = build_section(tmp_path, reports)
    group = group_of(section, "first under each stress")
    assert group.folded
    (table,) = group.parts
    assert [row[0] for row in texts_of(table)] == ["darker", "noise"]
    assert [row[2:] for row in texts_of(table)] == [["0.550", "0.800"], ["0.650", "0.700"]]


def test_pseudo_sites_show_what_a_threshold_does_that_has_not_seen_them(reports, tmp_path):
    names = ["IM"] * 90 + ["NORMAL2-IM"] * 30
    sites = judge_sites(
        [1, 0] * 45 + [0] * 30, [0.9, 0.4] * 45 + [0.7] * 30, 0.8, {"file name": names},
        lambda members: None if members.sum() == 30 else 0.5,
    )  # fmt: skip
    section, _ = build_section(
        tmp_path, [reports[0].model_copy(update={"pseudo_sites": sites}), *reports[1:]]
    )
    group = group_of(section, "first by pseudo-site")
    assert group.folded
    _, table = group.parts
    assert texts_of(table) == [
        ["IM", "1.000", "1.000", "–", "–", "–"],
        ["NORMAL2-IM", "–", "1.000", "0.500", "–", "0.000"],
    ]
    assert [row[0].detail for row in table.rows] == ["file name", "file name"]


@pytest.mark.parametrize(("num_trials", "is_folded"), [(2, False), (MAX_TRIALS + 7, True)])
def test_trials_are_shown_by_their_score(tmp_path, num_trials, is_folded):
    entries = [
        {"trial_id": str(n), "score": n / 1000, "batch_size": n} for n in range(1, num_trials + 1)
    ]
    trials = tmp_path / "trials"
    trials.mkdir()
    (trials / RESULTS_FILE).write_text(json.dumps(entries))
    report = make_report(tune=True, hyperparameters={"batch_size": num_trials})
    section, _ = build_section(tmp_path, [report], tuner_results={"first": trials})
    table = table_with(section, "batch size")
    assert texts_of(table)[0] == ["1", f"{num_trials / 1000:.4f}", str(num_trials)]
    assert len(table.rows) == min(num_trials, MAX_TRIALS)
    assert ("7 more are not shown" in table.caption) is is_folded
    folded = [part for part in flatten(section.parts) if getattr(part, "folded", False)]
    assert any(table in group.parts for group in folded) is is_folded


def test_trials_that_cannot_be_read_are_reported_in_their_place(tmp_path):
    section, _ = build_section(
        tmp_path, [make_report(tune=True)], tuner_results={"first": tmp_path / "nowhere"}
    )
    (failure,) = (part for part in flatten(section.parts) if isinstance(part, Failure))
    assert failure.what == "first's trials"


def test_without_trials_the_chosen_values_are_told(tmp_path):
    report = make_report(hyperparameters={"learning_rate": 0.001, "batch_size": 16})
    group = group_of(build_section(tmp_path, [report])[0], "first")
    assert any(
        isinstance(part, Text) and "learning rate 0.001, batch size 16" in part.text
        for part in group.parts
    )


def test_the_page_holds_the_section(reports, tmp_path):
    section, _ = build_section(tmp_path, reports)
    page = render_page("A run", "", [section], synthetic=False)
    assert page.count("<img") == 6
    assert 'id="candidates"' in page


@pytest.mark.parametrize(
    ("duration_s", "told"), [(0.4, "0 s"), (119, "119 s"), (150, "2 min"), (9000, "2.5 h")]
)
def test_durations_are_told_in_fitting_units(duration_s, told):
    assert format_duration(duration_s).replace("\N{NO-BREAK SPACE}", " ") == told
