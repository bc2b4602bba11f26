"""What the summary takes from which node, for a run of two candidates and their ensemble."""

import json

import pytest

from contract.settings import ExternalSettings, PipelineSettings
from evaluation.calibration import Calibration
from evaluation.coverage import make_coverage
from evaluation.external import ExternalReport
from evaluation.gate import REPORT_FILE as GATE_REPORT_FILE
from evaluation.gate import Evaluation, GateReport
from evaluation.selection import SELECTION_FILE, select
from evaluation.shortcut_separation import ShortcutReport
from evaluation.site_holdout import judge_sites
from evaluation.slice_metrics import slice_metrics_from_counts
from evaluation.split_differences import SplitDifference, SplitDifferences
from evaluation.training_report import REPORT_FILE, TENSORBOARD_DIR, TrainingReport
from ingestion.dataset_card import DatasetCard, SideRange, SplitCounts
from ingestion.duplicates import DuplicateReport
from pipeline import run_summary
from report.stored_run import ArtifactRecord, NodeRun, StoredRun
from serving.push_record import DESTINATION_PROPERTY, PUSHED_PROPERTY, VERSION_PROPERTY
from serving.servability.report import ServabilityReport
from tests.evaluation.made_referral import REFERRAL
from tests.report.external.made_sets import make_answers, make_set

SETTINGS = PipelineSettings.model_validate(
    {"candidates": {"tuned": {}, "plain": {"tune": False, "architecture": "cnn_deep"}}}
)
TRIALS = [
    {"trial_id": "0", "score": 0.9, "learning_rate": 0.001, "dropout": None, "tuner/epochs": 2},
    {"trial_id": "1", "score": float("nan"), "learning_rate": 0.1},
]


def metrics(false_alarms):
    return slice_metrics_from_counts(
        tp=400, fn=0, fp=false_alarms, tn=200 - false_alarms, auc=0.99,
        mean_probability=None, brier=None, log_loss=None,
    )  # fmt: skip


SITES = judge_sites(
    [1, 0] * 60, [0.9, 0.4] * 60, 0.3, {"exposure": ["dark"] * 90 + ["bright"] * 30}, lambda _: 0.5
)


DIFFERENCES = (
    SplitDifference(first="train", second="test", label="normal", n_first=9, n_second=4, auc=0.6),
    SplitDifference(first="train", second="test", label="pneumonia", n_first=9, n_second=4),
)


def report(name, false_alarms, members=(), stressed=True):
    return TrainingReport(
        name=name, architecture=name, num_parameters=10, num_trainable=5, candidate=None,
        hyperparameters={"dropout": 0.2}, members=members, seed=0, num_epochs=4, best_epoch=1,
        history={}, num_gpus=0, num_replicas=1, training_s=1.0, threshold=false_alarms / 100,
        target_sensitivity=0.97, reaches_target=True, calibration=Calibration(),
        calibration_error_before=0.2, calibration_error_after=0.1,
        pseudo_sites=SITES, exposure_cuts=(85.0, 170.0), referral=REFERRAL,
        validation={"overall": metrics(false_alarms)},
        stressed={"blur": metrics(false_alarms + 2)} if stressed else {},
    )  # fmt: skip


def card():
    counts = SplitCounts(images=3, patients=2, by_label={}, by_subtype={}, by_size_group={})
    side = SideRange(min_px=1, median_px=2.0, max_px=3)
    return DatasetCard(
        kind="manifest", source="hospital.csv", synthetic=False, fingerprint="0", num_images=9,
        num_source_images=9, num_patients=6, num_images_without_patient=0,
        splits={"train": counts}, height=side, width=side, rejected=(),
        duplicates=DuplicateReport(
            num_groups=0, num_images=0, different_labels=(), across_splits=(), dropped=()
        ),
        warnings=(), settings={}, files={},
    )  # fmt: skip


@pytest.fixture
def summarise(tmp_path, monkeypatch):
    """Write what the nodes of a run leave, and return the function that summarises it."""

    def write(pushed=1, external=None, coverage=None, **reports):
        artifacts, nodes = [], []

        def output(node, name, **properties):
            folder = tmp_path / node / name
            folder.mkdir(parents=True, exist_ok=True)
            number = len(artifacts)
            artifacts.append(
                ArtifactRecord(
                    artifact_id=number, kind="Any", uri=str(folder), properties=properties
                )
            )
            nodes.append(
                NodeRun(
                    node_id=node,
                    execution_id=number,
                    state="complete",
                    began=None,
                    took_s=None,
                    made_by=None,
                    code_version="",
                    inputs={},
                    outputs={name: (number,)},
                )
            )
            return folder

        for node, each in reports.items():
            each.write(output(node.replace("_", "-"), "model_run") / REPORT_FILE)
        selection = select(list(reports.values()))
        chosen = output("Selector", "model_run")
        (chosen / SELECTION_FILE).write_text(selection.model_dump_json())
        if selection.selected != "ensemble":
            (chosen / TENSORBOARD_DIR).mkdir(exist_ok=True)
        (output("Tuner-tuned", "tuner_results") / "tuner_results.json").write_text(
            json.dumps(TRIALS)
        )
        verdict = GateReport(blessed=True, baseline_present=False, checks=(), coverage=coverage)
        (output("ModelGate", "blessing") / GATE_REPORT_FILE).write_text(verdict.model_dump_json())
        output("Evaluator", "evaluation")
        ServabilityReport(
            blessed=True, num_images=16, num_answers=66, max_difference=1e-5,
            largest_difference=1e-7, load_s=1.5, first_answer_s=0.4, later_answer_s=0.02,
        ).write(output("ServabilityCheck", "blessing"))  # fmt: skip
        ShortcutReport(n=9, positives=5, warning_auc=0.75, shortcuts=()).write(
            output("DataAudit", "report")
        )
        SplitDifferences(warning_auc=0.65, differences=DIFFERENCES).write(
            output("DataAudit", "report")
        )
        where = {DESTINATION_PROPERTY: "/srv/4", VERSION_PROPERTY: 4}
        output("Pusher", "pushed_model", **{PUSHED_PROPERTY: pushed, **(where if pushed else {})})
        settings = SETTINGS
        if external:
            ExternalReport(sets=external).write(output("ExternalEvaluation", "evaluation"))
            sources = {name: ExternalSettings(source=name) for name in external}
            settings = SETTINGS.model_copy(update={"external": sources})
        evaluation = Evaluation(candidate={"overall": metrics(50)}, baseline=None, tfma_ok=True)
        run = StoredRun(name="run-1", nodes=tuple(nodes), artifacts=tuple(artifacts))
        monkeypatch.setattr(run_summary, "read_stored_run", lambda *_: run)
        monkeypatch.setattr(run_summary, "read_evaluation", lambda _: evaluation)
        return run_summary.summarise_run(
            settings, card(), None, {"total": 9.0}, tmp_path / "run.log"
        )

    return write


def test_an_ensemble_that_is_selected_stands_first_with_its_members(summarise):
    summary = summarise(
        Trainer_tuned=report("tuned", 20),
        Trainer_plain=report("plain", 10),
        Ensemble=report("ensemble", 4, members=("plain", "tuned")),
    )
    assert [each.name for each in summary.candidates] == ["ensemble", "plain", "tuned"]
    assert summary.selected == "ensemble"
    assert "ensemble has the highest specificity" in summary.selection_reason
    assert summary.candidates[0].members == ("plain", "tuned")
    # The operating point and the figures are those of the selected.
    assert summary.operating_point.threshold == 0.04
    assert summary.metrics.validation.overall.specificity.value == pytest.approx(0.98)
    assert summary.metrics.test.overall.specificity.value == pytest.approx(0.75)
    assert summary.tensorboard_dir is None  # an ensemble has no curves
    assert (summary.pushed_model.path, summary.pushed_model.version) == ("/srv/4", 4)
    assert (summary.servability.num_images, summary.servability.largest_difference) == (16, 1e-7)
    assert summary.tf_serving_blessed is None  # it was not asked


def test_what_is_decided_is_told_of_validation_and_of_test(summarise):
    reports = {
        "Trainer_tuned": report("tuned", 5),
        "Trainer_plain": report("plain", 10),
        "Ensemble": report("ensemble", 30),
    }
    found = summarise(coverage=make_coverage(800, metrics(50)), **reports).decisions
    assert (found.low, found.high, found.max_missed_fraction) == (0.2, 0.6, 0.01)
    assert (found.validation.num_unfamiliar, found.validation.num_uncertain) == (3, 15)
    assert found.validation.share.value == pytest.approx(102 / 120)
    assert found.validation.decided.recall.value == pytest.approx(85 / 86)
    assert (found.test.n, found.test.num_unfamiliar) == (800, None)
    assert found.test.share.value == pytest.approx(600 / 800)
    assert found.test.decided.specificity.value == pytest.approx(0.75)
    assert summarise(**reports).decisions.test is None


def test_trials_stand_with_the_candidate_that_was_tuned(summarise):
    summary = summarise(
        Trainer_tuned=report("tuned", 5),
        Trainer_plain=report("plain", 10),
        Ensemble=report("ensemble", 30, members=("tuned", "plain")),
    )
    tuned, plain, ensemble = summary.candidates
    assert [trial.hyperparameters for trial in tuned.trials] == [
        {"learning_rate": 0.001},
        {"learning_rate": 0.1},
    ]
    assert [trial.score for trial in tuned.trials] == [0.9, None]
    assert plain.trials == ensemble.trials == ()
    assert summary.tensorboard_dir is not None


def test_without_stresses_there_are_no_figures_of_them(summarise):
    summary = summarise(
        pushed=0,
        Trainer_tuned=report("tuned", 5, stressed=False),
        Trainer_plain=report("plain", 10, stressed=False),
        Ensemble=report("ensemble", 30, stressed=False),
    )
    assert {each.stressed_auc for each in summary.candidates} == {None}
    assert summary.candidates[0].stressed_metrics == {}
    assert summary.pushed_model is None


def test_a_candidate_that_left_nothing_is_named(summarise):
    with pytest.raises(KeyError, match=r"Ensemble\.model_run, got only"):
        summarise(Trainer_tuned=report("tuned", 5), Trainer_plain=report("plain", 10))


def test_pseudo_sites_and_differences_of_splits_are_those_of_the_nodes(summarise):
    summary = summarise(
        Trainer_tuned=report("tuned", 5),
        Trainer_plain=report("plain", 10),
        Ensemble=report("ensemble", 30),
    )
    told = [(each.label, each.auc, each.strong) for each in summary.split_differences]
    assert told == [("normal", 0.6, False), ("pneumonia", None, False)]
    (dark,) = summary.candidates[0].pseudo_sites  # 15 bright images of each class are too few
    assert (dark.scheme, dark.group, dark.positives, dark.negatives) == ("exposure", "dark", 45, 45)
    assert (dark.recall.value, dark.specificity.value) == (1.0, 0.0)
    assert (dark.held_out_threshold, dark.held_out_specificity.value) == (0.5, 1.0)


def test_external_sets_are_those_that_the_node_measured(summarise):
    reports = {
        "Trainer_tuned": report("tuned", 5),
        "Trainer_plain": report("plain", 10),
        "Ensemble": report("ensemble", 30),
    }
    assert summarise(**reports).external == {}
    normals = make_set(make_answers([0] * 8, verdicts=None, unfamiliar=None), pixels=[b"1"])
    both = make_set(rejected=["bad.png"], pixels=[b"1"], seen={b"1"})
    told = summarise(external={"both": both, "normals": normals}, **reports).external
    assert list(told) == ["both", "normals"]
    assert (told["both"].num_patients, told["both"].num_seen) == (4, 1)
    assert told["both"].rejected[0].reason == "no picture"
    assert told["both"].metrics.recall.value == both.metrics.recall.value
    assert told["both"].metrics.brier == both.metrics.brier
    assert told["both"].scores["normal"].histogram == both.scores["normal"].histogram
    assert told["both"].coverage.referred.value == 0.25
    assert told["both"].coverage.decided.specificity.value == pytest.approx(2 / 3)
    assert told["normals"].metrics.recall.value is None
    assert told["normals"].scores["pneumonia"] is None
    assert told["normals"].coverage is None
