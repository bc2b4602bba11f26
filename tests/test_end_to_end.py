"""The whole pipeline as a user runs it: killed, resumed, edited, refused.

The stages share one output folder and run in the order of this file.
They run a copy of the project, because one of them edits the code.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf

from contract import features
from contract.command_line import EXIT_BAD_INPUT, EXIT_DONE, EXIT_REFUSED
from contract.settings import SyntheticSettings
from ingestion.synthetic import write_synthetic_set
from models.session_model import SessionModel
from models.warmup import read_warm_up
from pipeline.summary import read_summary
from tests.browser import PageFindings, inspect
from tests.rooms import ROOMS

pytestmark = pytest.mark.slow

# Bounds that any model passes: these stages are about the way, not the verdict.
OPEN_GATE = [
    "gate.min_recall=0", "gate.min_recall_lower_bound=0", "gate.min_slice_recall=0",
    "gate.min_specificity=0", "gate.min_specificity_lower_bound=0", "gate.min_auc=0",
    "gate.max_recall_drop=1", "gate.max_auc_drop=1",
]  # fmt: skip
SETTINGS = ["--config", "quick", "--set", "data.synthetic.num_images=120", *OPEN_GATE]
TIMEOUT_S = 600
CLEAN = PageFindings((), (), 0, (), (), 0)


class Project:
    """A copy of the project, and its runs into one output folder."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self.root = folder / "project"
        for name in (*ROOMS, "configs"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(repository / name, self.root / name, ignore=ignored)
        shutil.copy(repository / "local_runner.py", self.root)
        self.output = folder / "output"

    def start(self, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, "local_runner.py", "--output", str(self.output), *arguments]
        return subprocess.Popen(
            command, cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        process = self.start(*arguments)
        told, _ = process.communicate(timeout=TIMEOUT_S)
        return process.returncode, told

    def versions(self) -> list[str]:
        return sorted(path.name for path in (self.output / "serving" / "pneumonia").glob("[0-9]*"))


def cached_nodes(told: str) -> set[str]:
    """The nodes whose line says that an earlier run answered for them."""
    lines = [line.split() for line in told.splitlines() if line.rstrip().endswith("cached")]
    return {words[-2] for words in lines}


def has_started(node: str, told: str) -> bool:
    return re.search(rf"{node} +started", told) is not None


@pytest.fixture(scope="module")
def project(repository, tmp_path_factory):
    return Project(repository, tmp_path_factory.mktemp("end_to_end"))


@pytest.fixture(scope="module")
def arguments(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere") / "drawn"
    drawn = write_synthetic_set(folder, SyntheticSettings(num_images=24, seed=8))
    return (*SETTINGS, "--external", f"elsewhere={drawn}")


@pytest.fixture(scope="module")
def told(project, arguments):
    """What a run printed that went on from one that was killed in its Trainer."""
    process = project.start(*arguments)
    told = ""
    while not has_started("Trainer-compact-resnet", told):
        line = process.stdout.readline()
        assert line, f"the run ended before its Trainer began:\n{told}"
        told += line
    time.sleep(1)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert not (project.output / "summary.json").exists()

    code, told = project.run(*arguments)
    assert code == EXIT_DONE, told
    return told


def test_a_killed_run_goes_on_from_the_finished_nodes(project, told):
    assert {
        "ImportExampleGen",
        "StatisticsGen",
        "Transform",
        "Tuner-compact-resnet",
    } <= cached_nodes(told)
    assert "Trainer-compact-resnet" not in cached_nodes(told)
    assert project.versions() == ["1"]


def test_what_the_user_sees(told):
    assert "synthetic" in told.lower()
    assert "clinically" in told
    for word in ("BLESSED", "subtype", "bacterial", "recall", "serving", "Log"):
        assert word in told, told
    for flood in ("WARNING:", "INFO:absl", "oneDNN", "Traceback", "Epoch 1/"):
        assert flood not in told, told


def test_the_summary_says_it_to_programs(project, told):
    summary = read_summary(project.output / "summary.json")
    assert summary.synthetic
    assert summary.gate.blessed
    assert not summary.gate.baseline_present  # the first model of all
    assert summary.selected == "compact_resnet"
    assert summary.candidates[0].architecture == "compact_resnet"
    assert sum(split.images for split in summary.data.splits.values()) == 120
    assert summary.metrics.test.overall.n == summary.data.splits["test"].images
    assert "subtype=bacterial" in summary.metrics.test.slices
    decisions = summary.decisions
    assert decisions.test.n == summary.metrics.test.overall.n
    assert decisions.validation.n == summary.metrics.validation.overall.n
    assert decisions.low <= summary.operating_point.threshold <= decisions.high
    sizes = [
        summary.metrics.test.slices[f"case={case}"].n
        for case in features.CASES
        if f"case={case}" in summary.metrics.test.slices
    ]
    assert sum(sizes) == decisions.test.n
    assert any(name.startswith("sharpness_group=") for name in summary.metrics.test.slices)
    assert any(name.startswith("sharpness_group=") for name in summary.metrics.validation.slices)
    assert "mean_absolute_gradient" in {shortcut.name for shortcut in summary.shortcuts}
    assert summary.pushed_model.version == 1
    assert {"Convert", "Transform", "Trainer-compact-resnet", "total"} <= set(summary.timings_s)
    assert json.loads((project.output / "summary.json").read_text())["schema_version"] == 2


@pytest.mark.parametrize("width_px", [1280, 390])
def test_the_report_opens_cleanly(project, width_px):
    page = project.output / "report" / "index.html"
    assert read_summary(project.output / "summary.json").report == str(page)
    assert inspect(page, width_px) == CLEAN
    text = page.read_text(encoding="utf-8")
    assert "SYNTHETIC DATA" in text
    assert "could not be made" not in text
    assert page.stat().st_size < 15e6


def test_the_report_s_files_lie_beside_it(project):
    folder = project.output / "report"
    card = json.loads((folder / "model_card.json").read_text(encoding="utf-8"))
    summary = read_summary(project.output / "summary.json")
    assert card["operating_point"]["threshold"] == summary.operating_point.threshold
    assert "synthetic" in (folder / "model_card.md").read_text(encoding="utf-8").lower()
    lines = (folder / "slices.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) > len(summary.metrics.test.slices)


def test_the_pushed_model_answers_as_it_was_judged(project):
    summary = read_summary(project.output / "summary.json")
    model = tf.saved_model.load(summary.pushed_model.path)
    records = list(
        tf.data.TFRecordDataset(
            tf.io.gfile.glob(str(project.output / "data" / "records" / "test" / "*.gz")),
            compression_type="GZIP",
        ).as_numpy_iterator()
    )
    examples = [tf.train.Example.FromString(record).features.feature for record in records]
    images = [example[features.IMAGE_BYTES].bytes_list.value[0] for example in examples]
    labels = [example[features.LABEL].int64_list.value[0] for example in examples]
    answer = model.signatures[features.SERVING_SIGNATURE](image_bytes=tf.constant(images))
    called = [label == b"pneumonia" for label in answer[features.PREDICTED_LABEL].numpy()]
    hits = sum(bool(label) and was_called for label, was_called in zip(labels, called, strict=True))
    overall = summary.metrics.test.overall
    assert sum(labels) == overall.positives
    assert hits / sum(labels) == pytest.approx(overall.recall.value)


def test_the_pushed_model_answers_in_tf_serving_s_loader(project):
    folder = Path(read_summary(project.output / "summary.json").pushed_model.path)
    model = SessionModel(folder)
    assert model.unrestored() == {}
    requests = list(read_warm_up(folder))
    assert {request.model_spec.signature_name for request in requests} == set(model.signatures)
    for request in requests:
        asked = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        (num_rows,) = {len(rows) for rows in asked.values()}
        answer = model.run(request.model_spec.signature_name, asked)
        assert {len(values) for values in answer.values()} == {num_rows}


def test_an_external_set_is_judged(project):
    external = read_summary(project.output / "summary.json").external["elsewhere"]
    assert external.synthetic
    assert (external.metrics.n, external.num_seen) == (24, 0)
    page = (project.output / "report" / "index.html").read_text(encoding="utf-8")
    assert 'id="outside"' in page
    assert "could not be made" not in page


def test_an_edit_of_the_code_is_not_answered_from_the_cache_and_a_refused_model_is_not_pushed(
    project,
):
    before = read_summary(project.output / "summary.json").candidates[0].parameters
    edited = project.root / "models" / "architectures" / "residual.py"
    source = edited.read_text()
    assert "(8, 24, 64, 128)" in source
    edited.write_text(source.replace("(8, 24, 64, 128)", "(8, 24, 48, 96)"))
    # The last setting wins; specificity and recall cannot both be perfect after two epochs.
    strict = ("gate.min_auc=1", "gate.min_recall_lower_bound=1", "report.enabled=false")
    code, told = project.run(*SETTINGS, "--set", *strict)
    edited.write_text(source)
    assert code == EXIT_REFUSED, told
    # What the edit does not concern is still answered from the cache.
    assert cached_nodes(told) >= {"ImportExampleGen", "StatisticsGen", "Transform"}
    assert not cached_nodes(told) & {"Tuner-compact-resnet", "Trainer-compact-resnet"}
    assert "REFUSED" in told
    assert "recall lower bound" in told
    assert project.versions() == ["1"]
    summary = read_summary(project.output / "summary.json")
    assert summary.candidates[0].parameters < before
    assert summary.gate.baseline_present  # it was compared with the model that was pushed before
    assert summary.pushed_model is None
    assert not summary.gate.blessed


def test_data_that_fails_the_audit_stop_before_training(project):
    code, told = project.run(*SETTINGS, "--set", "data.max_prevalence=0.2")
    assert code == EXIT_BAD_INPUT, told
    assert "prevalence" in told
    assert has_started("DataAudit", told)
    assert not has_started("Trainer-compact-resnet", told)
    assert "Traceback" not in told
