"""Whole runs of the compiled pipeline, task by task, under the emulation of KFP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import yaml

from contract import features
from contract.settings import PipelineSettings
from evaluation.training_report import REPORT_FILE, TrainingReport
from pipeline import convert
from pipeline.kubeflow.compilation import write_pipeline
from pipeline.kubeflow.run_folder import read_summary
from pipeline.load_config import load_settings
from pipeline.summary import Summary
from serving.push_folder import pushed_versions
from tools.kfp_emulator.cluster import Cluster
from tools.kfp_emulator.results import RunResult
from tools.kfp_emulator.warm_start import WarmStarter

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# Small and quick to learn: two candidates that train side by side.
OVERRIDES = (
    "candidates={ann_small: {}, cnn_baseline: {}}",
    "candidates.ann_small={architecture: ann_small, tune: false, normalisation: none}",
    "candidates.cnn_baseline={architecture: cnn_baseline, tune: false, normalisation: none}",
    "candidates.ann_small.training={epochs: 3, augmentation: {enabled: false}}",
    "candidates.cnn_baseline.training={epochs: 3, augmentation: {enabled: false}}",
    "ensemble.enabled=false",
    "operating_point.stress=false",
    "transform.image_size_px=32",
    "report.enabled=false",  # test_local_command.py has a run with it
    "serving.check_images=2",
    "data.num_shards=1",
    "data.synthetic={num_images: 160, max_side_px: 200}",
    "kubeflow.immutable_data=true",
    "kubeflow.retries.max_retries=1",
)
# Bounds that any model reaches, so that only what a test asks for can refuse it.
LENIENT: Mapping[str, float | bool] = {
    "gate_min_recall": 0.0,
    "gate_min_recall_lower_bound": 0.0,
    "gate_min_slice_recall": 0.0,
    "gate_min_specificity": 0.0,
    "gate_min_specificity_lower_bound": 0.0,
    "gate_min_auc": 0.0,
}
# A model that was trained again may be worse than the one pushed before it.
ANY_CHANGE: Mapping[str, float | bool] = {"gate_max_auc_drop": 1.0, "gate_max_recall_drop": 1.0}
UNCHANGED = (
    "ImportExampleGen",
    "ImportSchemaGen",
    "StatisticsGen",
    "ExampleValidator",
    "DataAudit",
    "Transform",
    "Trainer-ann-small",
    "Trainer-cnn-baseline",
    "Selector",
)


class Site:
    """A cluster with its volume, and the pipeline compiled for it."""

    def __init__(self, folder: Path, records: Path, warm: WarmStarter) -> None:
        self.volume = folder / "volume"
        self.pipeline = folder / "pipeline.yaml"
        self.cluster_dir = folder / "cluster"
        self._warm = warm
        write_pipeline(settings_for(self.volume, records), self.pipeline)

    @property
    def cluster(self) -> Cluster:
        """The cluster as another process finds it."""
        return Cluster(self.cluster_dir, warm=self._warm)

    def run(
        self, pipeline: Path | None = None, **parameters: str | float | bool
    ) -> tuple[RunResult, Summary]:
        result = self.cluster.run(pipeline or self.pipeline, {**LENIENT, **parameters})
        return result, read_summary(str(self.volume / "runs"), result.run_id)

    @property
    def pushed(self) -> list[int]:
        return pushed_versions(self.volume / "serving")


def settings_for(volume: Path, records: Path) -> PipelineSettings:
    return load_settings(
        None,
        [
            *OVERRIDES,
            f"kubeflow.data_dir={records}",
            f"kubeflow.push_dir={volume / 'serving'}",
            f"kubeflow.runs_dir={volume / 'runs'}",
            f"kubeflow.trials_dir={volume / 'trials'}",
        ],
    )


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "records"
    assert convert.main(["--output", str(folder), "--set", *OVERRIDES]) == 0
    return folder


@pytest.fixture(scope="module")
def mislabelled(records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same records, with every label of the training split turned round."""
    folder = tmp_path_factory.mktemp("mislabelled") / "records"
    for source in records.rglob("*"):
        target = folder / source.relative_to(records)
        if source.is_dir():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.parent.name == features.TRAIN:
            turn_labels(source, target)
        else:
            target.write_bytes(source.read_bytes())
    return folder


def turn_labels(source: Path, target: Path) -> None:
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    with tf.io.TFRecordWriter(str(target), options) as writer:
        for record in tf.data.TFRecordDataset(str(source), "GZIP").as_numpy_iterator():
            example = tf.train.Example.FromString(record)
            label = example.features.feature[features.LABEL].int64_list
            label.value[:] = [1 - label.value[0]]
            writer.write(example.SerializeToString())


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmStarter]:
    with WarmStarter(tmp_path_factory.mktemp("warm") / "server.log") as starter:
        yield starter


@pytest.fixture(scope="module")
def site(records: Path, tmp_path_factory: pytest.TempPathFactory, warm: WarmStarter) -> Site:
    return Site(tmp_path_factory.mktemp("site"), records, warm)


@pytest.fixture(scope="module")
def first(site: Site) -> tuple[RunResult, Summary]:
    """The site's first run: it is killed in the middle, and started again."""
    command = [sys.executable, "-m", "tools.kfp_emulator", str(site.pipeline)]
    parameters = [f"{name}={value}" for name, value in LENIENT.items()]
    home = site.cluster_dir
    process = subprocess.Popen(
        [*command, "--home", str(home), "--param", *parameters],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[3],
    )
    wait_for(lambda: list(home.glob("runs/*/Transform/attempt-1.log")), process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return site.run()


@pytest.fixture(scope="module")
def second(site: Site, first: tuple[RunResult, Summary]) -> tuple[RunResult, Summary]:
    return site.run()


def states(result: RunResult) -> dict[str, str]:
    return {name: task.state for name, task in result.tasks.items()}


def failed_checks(summary: Summary) -> set[str]:
    assert summary.gate is not None
    return {check.name for check in summary.gate.checks if check.verdict == "failed"}


def test_the_first_run_has_no_baseline_and_pushes(site, first):
    result, summary = first
    assert result.state == "SUCCEEDED", states(result)
    assert set(states(result).values()) == {"SUCCEEDED", "CACHED"}
    assert summary.verdict == "blessed"
    assert summary.gate is not None
    assert not summary.gate.baseline_present
    assert summary.pushed_model is not None
    assert summary.pushed_model.version == 1
    assert summary.pushed_model.path == str(site.volume / "serving" / "1")
    model = tf.saved_model.load(str(site.volume / "serving" / "1"))
    assert "serving_default" in model.signatures


def test_candidates_train_side_by_side(first):
    tasks = first[0].tasks
    one, other = tasks["Trainer-ann-small"], tasks["Trainer-cnn-baseline"]
    assert max(one.started_s, other.started_s) < min(one.ended_s, other.ended_s)


def test_the_gate_shows_figures_a_matrix_and_a_page(first):
    outputs = first[0].tasks["ModelGate"].outputs
    assert outputs["metrics"].schema_title == "system.Metrics"
    assert outputs["metrics"].metadata["blessed"] == 1
    matrix = outputs["confusion_matrix"].metadata["confusionMatrix"]
    rows = matrix.get("struct", matrix)["rows"]
    assert len(rows) == 2
    page = outputs["verdict"].path
    assert page is not None
    assert "<h1>The gate" in page.read_text(encoding="utf-8")


def test_what_is_pushed_stands_in_the_store_under_the_runs_root(first):
    pushed = first[0].tasks["Pusher"].outputs["pushed_model"]
    assert pushed.uri.startswith(f"minio://mlpipeline/v2/artifacts/pneumonia/{first[0].run_id}/")
    assert pushed.metadata["pushed"] == 1


def test_the_second_run_compares_with_the_first_ones_model(site, second):
    result, summary = second
    assert result.state == "SUCCEEDED"
    assert summary.gate is not None
    assert summary.gate.baseline_present
    changes = [check for check in summary.gate.checks if check.baseline is not None]
    assert changes
    assert result.tasks["Baseline"].outputs["model"].metadata["baseline_version"] == 1
    # It is the same model: pushing it again would only move its number.
    assert site.pushed == [1]


def test_the_second_run_answers_what_has_not_changed_from_the_cache(second):
    found = states(second[0])
    assert {name for name, state in found.items() if state == "CACHED"} == set(UNCHANGED)


def test_a_worse_model_is_refused_against_the_baseline(site, second, mislabelled):
    result, summary = site.run(data_dir=str(mislabelled))
    # Changed data is not answered from the cache.
    assert states(result)["ImportExampleGen"] == "SUCCEEDED"
    assert states(result)["Trainer-ann-small"] == "SUCCEEDED"
    assert summary.verdict == "refused"
    assert "auc_change" in failed_checks(summary)
    assert "auc" not in failed_checks(summary), "the absolute bound is none"
    assert result.state == "FAILED"
    assert result.tasks["Verdict"].error.find("REFUSED") >= 0
    assert result.tasks["Pusher"].outputs["pushed_model"].metadata["pushed"] == 0
    assert site.pushed == [1]


def test_a_parameter_tightens_the_gate(site, second):
    result, summary = site.run(gate_min_recall_lower_bound=1.0)
    assert summary.verdict == "refused"
    assert failed_checks(summary) == {"recall_lower_bound"}
    found = states(result)
    assert found["Verdict"] == "FAILED"
    assert found["RunSummary"] == "SUCCEEDED"
    assert found["Trainer-ann-small"] == "CACHED"
    assert "REFUSED: failed: recall_lower_bound" in summary.sentence


def test_a_required_baseline_that_is_missing_ends_the_run(site, second, tmp_path):
    result, summary = site.run(push_dir=str(tmp_path / "empty"), gate_require_baseline=True)
    assert result.state == "FAILED"
    assert states(result)["Baseline"] == "FAILED"
    assert states(result)["Pusher"] == "SKIPPED"
    assert summary.verdict == "broken"
    assert "gate.require_baseline" in summary.error


def test_epochs_are_a_parameter_and_a_task_that_fails_once_is_tried_again(site, second, tmp_path):
    flaky = tmp_path / "flaky.py"
    marker = tmp_path / "failed-before"
    flaky.write_text(
        "import pathlib, runpy, sys\n"
        f"marker = pathlib.Path({str(marker)!r})\n"
        "if not marker.exists():\n"
        "    marker.touch()\n"
        "    sys.exit('the node was drained')\n"
        "sys.path.insert(0, '')\n"
        "runpy.run_module('pipeline.kubeflow.entrypoint', run_name='__main__', alter_sys=True)\n"
    )
    edited = edit_pipeline(
        site.pipeline, tmp_path / "flaky.yaml", "Selector", command=["python", str(flaky)]
    )
    result, _ = site.run(edited, epochs=1, **ANY_CHANGE)
    assert result.state == "SUCCEEDED", states(result)
    found = states(result)
    assert found["Transform"] == "CACHED"
    assert found["Trainer-ann-small"] == "SUCCEEDED"
    folder = result.tasks["Trainer-ann-small"].outputs["model_run"].path
    assert folder is not None
    assert TrainingReport.read(folder / REPORT_FILE).num_epochs == 1
    assert result.tasks["Selector"].attempts == 2
    assert "the node was drained" in result.tasks["Selector"].log_files[0].read_text()


def test_a_task_that_fails_for_good_leaves_a_summary(site, tmp_path):
    result, summary = site.run(data_dir=str(tmp_path / "nothing"))
    assert result.state == "FAILED"
    found = states(result)
    assert found["ImportExampleGen"] == "FAILED"
    assert result.tasks["ImportExampleGen"].attempts == 2
    assert found["Transform"] == found["Verdict"] == "SKIPPED"
    assert found["Baseline"] == "SUCCEEDED"
    assert found["RunSummary"] == "SUCCEEDED"
    assert summary.verdict == "broken"
    assert summary.error.startswith("ImportExampleGen: ")


def test_a_run_killed_in_the_middle_goes_on(first):
    found = states(first[0])
    for name in ("ImportExampleGen", "StatisticsGen", "ExampleValidator", "DataAudit"):
        assert found[name] == "CACHED", name
    assert found["Transform"] == "SUCCEEDED"


def wait_for(is_there, process: subprocess.Popen, limit_s: float = 300.0) -> None:
    start_s = time.monotonic()
    while not is_there():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() - start_s < limit_s
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("node", "told"),
    [("ImportExampleGen", "system"), ("StatisticsGen", "'NoneType' object has no attribute 'get'")],
)
def test_without_our_entrypoint_it_fails(site, first, tmp_path, node, told):
    """A control: TFX's own entrypoint cannot read what KFP hands over."""
    module = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"
    edited = edit_pipeline(
        site.pipeline,
        tmp_path / "stock.yaml",
        node,
        command=["python", "-m", module],
        without_node_argument=True,
    )
    result = site.cluster.run(edited, {**LENIENT, **ANY_CHANGE})
    assert result.tasks[node].state == "FAILED"
    assert told in result.tasks[node].log_files[0].read_text()


def edit_pipeline(
    source: Path,
    target: Path,
    node: str,
    command: list[str],
    *,
    without_node_argument: bool = False,
) -> Path:
    """Give a node another command, and another cache key with it."""
    spec, platform = yaml.safe_load_all(source.read_text(encoding="utf-8"))
    container = spec["deploymentSpec"]["executors"][f"{node}_executor"]["container"]
    container["command"] = command
    if without_node_argument:
        container["args"] = container["args"][2:]
    spec["components"]["tfx-dag"]["dag"]["tasks"][node].pop("cachingOptions", None)
    target.write_text(yaml.safe_dump_all([spec, platform], sort_keys=True), encoding="utf-8")
    return target


def test_trained_models_rank_the_drawn_images(first):
    """What the worse model is compared with is a model that has learned something."""
    metrics = first[0].tasks["ModelGate"].outputs["metrics"].metadata
    assert metrics["auc"] > 0.6
    assert np.isfinite(metrics["auc"])
