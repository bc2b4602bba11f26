from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from contract import __version__
from contract.errors import InputError
from evaluation.gate import GateReport
from pipeline.kubeflow.run_folder import (
    forget_error,
    keep_error,
    keep_verdict,
    read_summary,
    write_summary,
)
from pipeline.summary import Summary
from serving.push_record import PushedModel
from tests.pipeline.kubeflow.gate_reports import REFUSAL, VETO, gate_report, servability_report

RUN_ID = "5d3c1c53-run"
MODEL = PushedModel(path="/mnt/data/serving/3", version=3)
PUSHED = {"pushed": 1, "pushed_version": "3", "pushed_destination": "/mnt/data/serving/3"}


@pytest.fixture
def runs_dir(tmp_path: Path) -> str:
    return str(tmp_path / "runs")


@pytest.fixture
def outputs(tmp_path: Path) -> dict[str, Path]:
    """Folders of the gate's and the Pusher's outputs."""
    folders = {name: tmp_path / name for name in ("blessing", "pushed_model")}
    for folder in folders.values():
        folder.mkdir()
    return folders


def _gate(runs_dir: str, outputs: dict[str, Path], *, blessed: bool) -> GateReport:
    report = gate_report(blessed=blessed)
    (outputs["blessing"] / "gate.json").write_text(report.model_dump_json())
    keep_verdict("ModelGate", runs_dir, RUN_ID, outputs, {})
    return report


def _push(runs_dir: str, outputs: dict[str, Path], record: dict[str, object]) -> None:
    (outputs["pushed_model"] / "pushed.json").write_text(json.dumps(record))
    keep_verdict("Pusher", runs_dir, RUN_ID, outputs, {})


def test_a_blessed_run(runs_dir: str, outputs: dict[str, Path]) -> None:
    report = _gate(runs_dir, outputs, blessed=True)
    _push(runs_dir, outputs, PUSHED)
    summary = write_summary(runs_dir, RUN_ID)
    assert (summary.verdict, summary.error) == ("blessed", "")
    assert (summary.run_id, summary.versions.project) == (RUN_ID, __version__)
    assert summary.gate == report
    assert summary.pushed_model == MODEL
    assert summary.sentence == "BLESSED: pushed to /mnt/data/serving/3"
    ended = datetime.datetime.fromisoformat(summary.ended)
    assert ended.utcoffset() == datetime.timedelta(0)
    assert abs(datetime.datetime.now(datetime.UTC) - ended) < datetime.timedelta(minutes=5)


def test_a_refused_run_tells_the_failed_checks_only(
    runs_dir: str, outputs: dict[str, Path]
) -> None:
    _gate(runs_dir, outputs, blessed=False)
    _push(runs_dir, outputs, {"pushed": 0})
    # The node that fails a refused run leaves a note like any task that failed.
    keep_error("Verdict", runs_dir, RUN_ID, "RefusedError: REFUSED: ...")
    summary = write_summary(runs_dir, RUN_ID)
    assert (summary.verdict, summary.error) == ("refused", "")
    assert summary.sentence == REFUSAL


def test_a_veto_of_the_serving_is_a_refusal_with_its_reason(
    runs_dir: str, outputs: dict[str, Path]
) -> None:
    _gate(runs_dir, outputs, blessed=True)
    veto = servability_report(blessed=False)
    veto.write(outputs["blessing"])
    keep_verdict("ServabilityCheck", runs_dir, RUN_ID, outputs, {})
    _push(runs_dir, outputs, {"pushed": 0})
    summary = write_summary(runs_dir, RUN_ID)
    assert (summary.verdict, summary.servability) == ("refused", veto)
    assert summary.sentence == VETO
    assert read_summary(runs_dir, RUN_ID) == summary


def test_a_number_that_came_back_as_a_float_counts(runs_dir: str, outputs: dict[str, Path]) -> None:
    _push(runs_dir, outputs, PUSHED | {"pushed": 1.0})
    assert write_summary(runs_dir, RUN_ID).verdict == "blessed"


def test_a_broken_run_tells_which_tasks_failed_and_why(runs_dir: str) -> None:
    keep_error("Trainer-small", runs_dir, RUN_ID, "InputError: no images")
    keep_error("Baseline", runs_dir, RUN_ID, "InputError: no model")
    keep_error("Baseline", runs_dir, "another-run", "not this run's")
    summary = write_summary(runs_dir, RUN_ID)
    assert (summary.verdict, summary.gate, summary.pushed_model) == ("broken", None, None)
    assert summary.sentence == (
        "BROKEN: Baseline: InputError: no model; Trainer-small: InputError: no images"
    )


def test_a_task_that_failed_beside_the_push_breaks_the_run(
    runs_dir: str, outputs: dict[str, Path]
) -> None:
    _gate(runs_dir, outputs, blessed=True)
    _push(runs_dir, outputs, PUSHED)
    keep_error("StudyTable", runs_dir, RUN_ID, "ValueError: x")
    summary = write_summary(runs_dir, RUN_ID)
    assert summary.sentence == "BROKEN: StudyTable: ValueError: x"
    assert summary.pushed_model == MODEL


def test_a_run_without_any_record_is_broken(runs_dir: str) -> None:
    summary = write_summary(runs_dir, RUN_ID)
    assert summary.verdict == "broken"
    assert summary.sentence.startswith("BROKEN: stopped before Pusher; no task recorded a reason")
    assert "page in KFP" in summary.error


def test_a_retry_that_succeeds_clears_its_own_error_only(
    runs_dir: str, outputs: dict[str, Path]
) -> None:
    keep_error("Transform", runs_dir, RUN_ID, "OSError: disk full")
    keep_error("Trainer-small", runs_dir, RUN_ID, "OSError: disk full")
    forget_error("Transform", runs_dir, RUN_ID)
    forget_error("Evaluator", runs_dir, RUN_ID)  # which never failed
    _push(runs_dir, outputs, PUSHED)
    assert write_summary(runs_dir, RUN_ID).error == "Trainer-small: OSError: disk full"
    forget_error("Trainer-small", runs_dir, RUN_ID)
    assert write_summary(runs_dir, RUN_ID).verdict == "blessed"


def test_a_pods_own_folders_are_told_as_what_they_stand_for(
    runs_dir: str, outputs: dict[str, Path]
) -> None:
    record = PUSHED | {"pushed_destination": "/tmp/pushed-x1/3"}
    (outputs["pushed_model"] / "pushed.json").write_text(json.dumps(record))
    keep_verdict("Pusher", runs_dir, RUN_ID, outputs, {"/tmp/pushed-x1": "s3://models/pneumonia"})
    summary = write_summary(runs_dir, RUN_ID)
    assert summary.sentence == "BLESSED: pushed to s3://models/pneumonia/3"


def test_the_summary_reads_back_as_it_was_written(runs_dir: str, outputs: dict[str, Path]) -> None:
    _gate(runs_dir, outputs, blessed=False)
    _push(runs_dir, outputs, {"pushed": 0})
    summary = write_summary(f"{runs_dir}/", RUN_ID)
    assert read_summary(runs_dir, RUN_ID) == summary
    text = (Path(runs_dir) / RUN_ID / "summary.json").read_text()
    assert Summary.model_validate_json(text) == summary
    assert json.loads(text)["schema_version"] == 2


def test_a_missing_summary_is_told(runs_dir: str) -> None:
    with pytest.raises(InputError, match=rf"summary\.json in {runs_dir}/{RUN_ID}, got none"):
        read_summary(runs_dir, RUN_ID)
