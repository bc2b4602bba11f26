"""What KFP's pages show, from the gate's real rules and an evaluation as TFMA writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import tensorflow as tf
from kfp import dsl
from tensorflow_model_analysis.proto import metrics_for_slice_pb2, validation_result_pb2

from contract.settings import GateSettings
from evaluation.gate import judge
from evaluation.tfma_results import read_evaluation
from pipeline.kubeflow.ui_artifacts import UI_OUTPUTS, fill_ui_outputs
from pipeline.summary import notice_for
from tests.pipeline.kubeflow.gate_reports import servability_report

FIGURES = {
    ("", "example_count"): 600.0,
    ("called_pneumonia", "true_positives"): 370.0,
    ("called_pneumonia", "false_positives"): 20.0,
    ("called_pneumonia", "true_negatives"): 180.0,
    ("called_pneumonia", "false_negatives"): 30.0,
    ("called_pneumonia", "recall"): 0.925,
    ("probability", "auc"): 0.98,
    ("probability", "mean_prediction"): 0.6,
    ("probability", "brier"): 0.04,
    ("probability", "log_loss"): 0.2,
}


class GateTask:
    """Folders of the gate's task, filled as its executor does."""

    def __init__(self, folder: Path, models: tuple[str, ...]) -> None:
        self.inputs = {"evaluation": folder / "evaluation"}
        self.outputs = {"blessing": folder / "blessing"}
        self.files = {name: folder / "ui" / name for name in UI_OUTPUTS["ModelGate"]}
        for path in (*self.inputs.values(), *self.outputs.values()):
            path.mkdir(parents=True)
        _write_evaluation(self.inputs["evaluation"], models)
        self.report = judge(read_evaluation(str(self.inputs["evaluation"])), GateSettings())

    def fill(self, **changes: object) -> tuple[dict[str, dict[str, object]], str]:
        """Return the metadata and the page."""
        report = self.report.model_copy(update=changes)
        (self.outputs["blessing"] / "gate.json").write_text(report.model_dump_json())
        metadata = fill_ui_outputs("ModelGate", self.inputs, self.outputs, self.files)
        return metadata, self.files["verdict"].read_text()


def _write_evaluation(
    folder: Path, models: tuple[str, ...], figures: Mapping[tuple[str, str], float] = FIGURES
) -> None:
    record = metrics_for_slice_pb2.MetricsForSlice()
    for model in models:
        for (output, name), value in figures.items():
            item = record.metric_keys_and_values.add()
            item.key.name, item.key.output_name, item.key.model_name = name, output, model
            item.value.double_value.value = value
    result = validation_result_pb2.ValidationResult(validation_ok=True)
    with tf.io.TFRecordWriter(str(folder / "metrics-00000-of-00001.tfrecord")) as writer:
        writer.write(record.SerializeToString())
    with tf.io.TFRecordWriter(str(folder / "validations.tfrecord")) as writer:
        writer.write(result.SerializeToString())


@pytest.fixture
def task(tmp_path: Path) -> GateTask:
    return GateTask(tmp_path, ("candidate", "baseline"))


def _text(page: str) -> str:
    """Return what a reader of a page sees."""
    body = page[page.index("<body") :]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


def test_figures_are_metadata_of_the_metrics(task: GateTask) -> None:
    metadata, _ = task.fill()
    assert metadata["metrics"] == pytest.approx(
        {
            "blessed": 0,
            "recall": 0.925,
            "specificity": 0.9,
            "precision": 370 / 390,
            "accuracy": 550 / 600,
            "auc": 0.98,
        }
    )
    assert metadata["verdict"] == {}
    assert list(metadata) == list(UI_OUTPUTS["ModelGate"])
    assert json.loads(task.files["metrics"].read_text()) == metadata["metrics"]


def test_the_confusion_matrix_is_what_kfps_own_library_makes(task: GateTask) -> None:
    kfps = dsl.ClassificationMetrics()
    kfps.log_confusion_matrix(
        ["normal", "pneumonia"],
        [[180, 20], [30, 370]],  # a row for each true class
    )
    metadata, _ = task.fill()
    assert metadata["confusion_matrix"] == kfps.metadata


def test_the_page_tells_verdict_figures_and_checks(task: GateTask) -> None:
    _, page = task.fill()
    text = _text(page)
    assert "The gate refused the model" in text
    assert "600 images, 400 with pneumonia" in text
    assert f"Refused: of {len(task.report.checks)} checks, " in text
    assert "earlier model" not in text  # there is one, which it was compared with
    assert "Sensitivity (recall): 0.925, required at least 0.950, n = 400" in text
    for figure, shown in {
        "Sensitivity (recall)": "0.925",
        "Specificity": "0.900",
        "Precision": "0.949",
        "Accuracy": "0.917",
        "AUC": "0.980",
    }.items():
        assert re.search(rf"{re.escape(figure)} {shown} 0\.\d{{3}} to 0\.\d{{3}}", text), figure
    assert "normal 180 20" in text
    assert "pneumonia 30 370" in text
    assert "Sensitivity (recall) whole test split 0.925 ≥ 0.950 400 FAILED" in text
    assert "Change of AUC whole test split +0.000 before 0.980 ≥ -0.010" in text
    assert "too small to judge" in text


def test_a_blessed_model_without_an_earlier_one(tmp_path: Path) -> None:
    task = GateTask(tmp_path, ("",))
    checks = tuple(check.model_copy(update={"verdict": "passed"}) for check in task.report.checks)
    metadata, page = task.fill(blessed=True, checks=checks)
    assert metadata["metrics"]["blessed"] == 1
    assert "The gate blessed the model" in _text(page)
    assert "no earlier model" in _text(page)
    assert not re.search("[Rr]efused|FAILED", _text(page))
    assert "No check failed." in _text(page)


@pytest.mark.parametrize("synthetic", [False, True])
def test_the_page_says_whether_the_images_were_drawn(task: GateTask, synthetic: bool) -> None:
    _, page = task.fill(synthetic=synthetic)
    assert ("SYNTHETIC DATA" in page) is synthetic
    assert notice_for(synthetic) in _text(page)


def test_undefined_figures_are_left_out(task: GateTask) -> None:
    only_pneumonia = FIGURES | {
        ("", "example_count"): 400.0,
        ("called_pneumonia", "false_positives"): 0.0,
        ("called_pneumonia", "true_negatives"): 0.0,
    }
    _write_evaluation(task.inputs["evaluation"], ("",), only_pneumonia)
    metadata, page = task.fill()
    assert not {"specificity", "auc"} & set(metadata["metrics"])
    assert "Specificity – Precision" in _text(page)


def test_texts_on_the_page_are_escaped(task: GateTask) -> None:
    script = "<script>alert('x')</script>"
    first = task.report.checks[0].model_copy(update={"note": script, "slice": f"subtype={script}"})
    _, page = task.fill(checks=(first,))
    assert "<script" not in page
    # In the list of failed checks and in the table: the slice and the note.
    assert page.count("&lt;script&gt;") == 4


def test_the_page_needs_nothing_from_elsewhere(task: GateTask) -> None:
    """KFP shows it in a frame without scripts and without an origin."""
    _, page = task.fill()
    assert not re.search(r"<script|<link|src=|href=\"[^#]|url\(|@import", page)


def test_the_study_page_is_handed_on(tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    (study / "index.html").write_text("<p>the study's page")
    page = tmp_path / "ui" / "page"
    metadata = fill_ui_outputs("StudyTable", {}, {"study": study}, {"page": page})
    assert metadata == {"page": {}}
    assert page.read_text() == "<p>the study's page"


def test_other_nodes_have_nothing_to_fill(tmp_path: Path) -> None:
    assert fill_ui_outputs("Transform", {"examples": tmp_path}, {"graph": tmp_path}, {}) == {}


@pytest.mark.parametrize("blessed", [True, False])
def test_the_check_of_the_serving_shows_its_figures(tmp_path: Path, blessed: bool) -> None:
    report = servability_report(blessed=blessed)
    report.write(tmp_path / "blessing")
    files = {name: tmp_path / "ui" / name for name in UI_OUTPUTS["ServabilityCheck"]}
    outputs = {"blessing": tmp_path / "blessing"}
    metadata = fill_ui_outputs("ServabilityCheck", {}, outputs, files)
    figures = {
        "largest_difference": 1e-7,
        "largest_difference_from_training": 2e-7,
        "load_s": 1.5,
        "first_answer_s": 0.4,
        "later_answer_s": 0.02,
    }
    # Of a process that crashed there are none, and KFP takes no null.
    assert metadata == {"metrics": {"blessed": int(blessed), **(figures if blessed else {})}}
    assert json.loads(files["metrics"].read_text()) == metadata["metrics"]
