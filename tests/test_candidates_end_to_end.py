"""Several candidates and their ensemble through the real command, and a choice without `test`.

The same X-rays run twice, the second time with every label of the test split turned round. The
first run also makes the study's table.
"""

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from contract import features
from contract.command_line import EXIT_DONE
from evaluation.selection import SELECTION_FILE
from evaluation.training_report import REPORT_FILE, TrainingReport
from ingestion.tfrecord_file import decode_example, read_records
from pipeline.summary import Summary, read_summary
from report.study.table import StudyTable

pytestmark = pytest.mark.slow

NUM_IMAGES = 300
TEST_EVERY = 5  # images: one in five is sealed as `test`
NAMES = {"compact_resnet", "cnn_baseline", "ann_small"}
CONFIG = """
data: {num_shards: 1, validation_fraction: 0.3}
transform: {image_size_px: 32}
tuner: {max_trials: 1, epochs_per_trial: 1}
candidates:
  compact_resnet: {tune: false, training: {epochs: 14}}
  cnn_baseline: {architecture: cnn_baseline, training: {epochs: 1}}
  ann_small:
    architecture: ann_small
    tune: false
    training: {epochs: 2, restore_best_weights: false}
ensemble: {num_members: 2}
report: {explained_images: 1, lime_samples: 100, bootstrap_samples: 200}
serving: {check_images: 2}
operating_point: {target_sensitivity: 0.8}
# Bounds that any model passes: this is about the way, not the verdict.
gate:
  min_recall: 0
  min_recall_lower_bound: 0
  min_slice_recall: 0
  min_specificity: 0
  min_specificity_lower_bound: 0
  min_auc: 0
"""
# Several threads sum in varying order: two trainings on the same data differ in the last digits.
ONE_THREAD = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_DETERMINISTIC_OPS": "1",
}
TIMEOUT_S = 300


@dataclass(frozen=True)
class Run:
    output: Path
    told: str
    summary: Summary

    def artifact(self, node: str, name: str) -> Path:
        (folder,) = (self.output / "pipeline" / node / name).iterdir()
        return folder

    def records(self, split: str) -> list[bytes]:
        files = sorted((self.output / "data" / "records" / split).iterdir())
        return [record for file in files for record in read_records(file)]

    def selection(self) -> str:
        return (self.artifact("Selector", "model_run") / SELECTION_FILE).read_text()

    def probabilities(self, candidate: str) -> np.ndarray:
        """What a candidate's exported model answers on the test split."""
        exported = self.artifact(node_of(candidate), "model") / "Format-Serving"
        return ask(exported, self.records("test"))[features.PROBABILITY].numpy()


def node_of(candidate):
    return "Ensemble" if candidate == "ensemble" else f"Trainer-{candidate.replace('_', '-')}"


def column(records, feature):
    return [decode_example(record)[feature][0] for record in records]


def ask(exported, records):
    signature = tf.saved_model.load(str(exported)).signatures[features.SERVING_SIGNATURE]
    return signature(image_bytes=tf.constant(column(records, features.IMAGE_BYTES)))


def write_manifest(path, labels, test_is_true):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "patient_id", "subtype", "split"])
        for index, drawn in enumerate(labels):
            is_test = index % TEST_EVERY == 0
            label = drawn if test_is_true or not is_test else 1 - drawn
            subtype = ("bacterial", "viral")[index // 2 % 2] if label else ""
            split = "test" if is_test else ""
            row = [f"{index}.png", features.LABELS[label], f"patient-{index}", subtype, split]
            writer.writerow(row)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Noise, with a blob that is brighter where the label says pneumonia, and two manifests."""
    folder = tmp_path_factory.mktemp("candidates")
    rng = np.random.default_rng(3)
    labels = (rng.random(NUM_IMAGES) < 0.6).astype(int)
    for index, label in enumerate(labels):
        pixels = rng.normal(90, 25, (64, 72))
        top, left = rng.integers(8, 40, 2)
        pixels[top : top + 16, left : left + 20] += rng.uniform(*((10, 60) if label else (0, 12)))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{index}.png")
    write_manifest(folder / "true.csv", labels, test_is_true=True)
    write_manifest(folder / "corrupted.csv", labels, test_is_true=False)
    (folder / "several.yaml").write_text(CONFIG)
    return folder


def run_pipeline(repository, folder, name, setting):
    output = folder / name
    command = [
        sys.executable, "local_runner.py", "--config", str(folder / "several.yaml"),
        "--data", str(folder / f"{name}.csv"), "--output", str(output), "--set", setting,
    ]  # fmt: skip
    result = subprocess.run(
        command, cwd=repository, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        env=os.environ | ONE_THREAD,
    )  # fmt: skip
    told = result.stdout + result.stderr
    assert result.returncode == EXIT_DONE, told
    return Run(output, told, read_summary(output / "summary.json"))


@pytest.fixture(scope="module")
def run(repository, folder):
    return run_pipeline(repository, folder, "true", "study.enabled=true")


@pytest.fixture(scope="module")
def corrupted(repository, folder):
    return run_pipeline(repository, folder, "corrupted", "report.enabled=false")


def test_all_candidates_are_compared_and_the_first_by_the_rule_is_selected(run):
    candidates = {each.name: each for each in run.summary.candidates}
    assert set(candidates) == {*NAMES, "ensemble"}
    assert run.summary.selected == run.summary.candidates[0].name

    def specificity(each):
        return (each.validation_metrics.specificity.value + each.stressed_specificity) / 2

    safe = [each for each in run.summary.candidates if each.reaches_target]
    # A mean of many figures: where two are equal, rounding may put either first.
    assert specificity(candidates[run.summary.selected]) == pytest.approx(
        max(map(specificity, safe)), rel=1e-12
    )
    assert run.summary.selected in run.summary.selection_reason
    assert [bool(candidates[name].trials) for name in ("cnn_baseline", "ann_small")] == [
        True,
        False,
    ]
    for node in ("Tuner-cnn-baseline", "Trainer-ann-small", "Ensemble", "Selector", "Pusher"):
        assert node in run.summary.timings_s


def test_the_report_shows_the_comparison(run):
    told = " ".join(run.told.split())  # lines are broken to the terminal's width
    assert f"* selected: {run.summary.selection_reason}" in told
    rows = [line.split()[:2] for line in run.told.splitlines()]
    for each in run.summary.candidates:
        first = "*" if each.name == run.summary.selected else f"{each.parameters:,}"
        assert [each.name, first] in rows
    assert "Traceback" not in run.told


def test_the_ensemble_is_the_calibrated_mean_of_its_members(run):
    (ensemble,) = [each for each in run.summary.candidates if each.name == "ensemble"]
    others = [each.name for each in run.summary.candidates if each.name != "ensemble"]
    assert list(ensemble.members) == others[:2]  # the best two, and candidates come best first
    mean = np.mean([run.probabilities(name) for name in ensemble.members], axis=0)
    report = TrainingReport.read(run.artifact("Ensemble", "model_run") / REPORT_FILE)
    expected = report.calibration.apply(mean)
    np.testing.assert_allclose(run.probabilities("ensemble"), expected, atol=1e-5)


def test_the_selected_model_is_what_is_judged_and_pushed(run):
    records = run.records("test")
    answer = ask(run.summary.pushed_model.path, records)
    probabilities = run.probabilities(run.summary.selected)
    np.testing.assert_allclose(answer[features.PROBABILITY], probabilities, atol=1e-6)
    has_pneumonia = np.array(column(records, features.LABEL), bool)
    is_called = answer[features.PREDICTED_LABEL].numpy() == features.PNEUMONIA.encode()
    overall = run.summary.metrics.test.overall
    assert np.mean(is_called[has_pneumonia]) == pytest.approx(overall.recall.value)
    assert np.mean(~is_called[~has_pneumonia]) == pytest.approx(overall.specificity.value)


def test_the_studys_table_and_page_lie_in_the_output_folder(run):
    page = run.output / "study" / "index.html"
    assert "SYNTHETIC DATA" not in page.read_text(encoding="utf-8")
    assert str(page) in run.told
    text = (run.output / "study" / "study.json").read_text(encoding="utf-8")
    table = StudyTable.model_validate_json(text)
    assert [row.name for row in table.rows] == sorted(NAMES)
    assert not table.synthetic
    (last_kept,) = [row for row in table.rows if row.name == "ann_small"]
    assert last_kept.num_epochs == last_kept.kept_epoch == 2
    assert [row.name for row in run.summary.study.rows] == [row.name for row in table.rows]
    assert not run.summary.study.comparable
    assert run.summary.study.page == str(page)


def test_the_studys_table_judges_as_the_exported_models_do(run):
    table = json.loads((run.output / "study" / "study.json").read_text(encoding="utf-8"))
    records = run.records("test")
    has_pneumonia = np.array(column(records, features.LABEL), bool)
    for row in table["rows"]:
        folder = run.artifact(node_of(row["name"]), "model") / "Format-Serving"
        answer = ask(folder, records)
        is_called = answer[features.PREDICTED_LABEL].numpy() == features.PNEUMONIA.encode()
        shipped = row["as_shipped"]
        assert shipped["n"] == len(records)
        assert shipped["recall"]["value"] == pytest.approx(np.mean(is_called[has_pneumonia]))
        assert shipped["specificity"]["value"] == pytest.approx(np.mean(~is_called[~has_pneumonia]))


def test_nothing_of_the_test_split_reaches_the_choice(run, corrupted):
    for split in ("train", "validation"):
        assert run.records(split) == corrupted.records(split)
    assert corrupted.selection() == run.selection()
    # The candidates differ, so the comparison would show it if anything had been read.
    assert len({each.stressed_auc for each in run.summary.candidates}) == 4
    # The labels were turned round: for the same model, a case ranks as high as it ranked low.
    area, turned = (each.summary.metrics.test.overall.auc.value for each in (run, corrupted))
    assert turned == pytest.approx(1 - area)
    assert abs(turned - area) > 0.1
