"""Submitting a pipeline: what arrives in KFP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.kubeflow.submission.command import main
from tests.pipeline.kubeflow.submission.conftest import Submit
from tests.pipeline.kubeflow.submission.fake_argo_workflow import workflow
from tests.pipeline.kubeflow.submission.fake_kfp_api import Failure, FakeKfp, Snapshot

DONE = {"ImportExampleGen": "Succeeded", "Trainer-small": "Succeeded", "RunSummary": "Succeeded"}


def test_the_first_submission_makes_pipeline_version_experiment_and_run(
    submit: Submit, fake: FakeKfp, compiled: Path
) -> None:
    code, output, errors = submit("--experiment", "screening", "--run-name", "monday")
    assert (code, errors) == (0, "")
    (pipeline,) = fake.stored["pipelines"]
    (version,) = fake.stored["versions"]
    (run,) = fake.stored["runs"]
    assert pipeline["display_name"] == "pneumonia"
    assert version["content"] == compiled.read_bytes()
    assert re.fullmatch(r"\d{8}-\d{6}-\d{3}-[0-9a-f]{8}", version["display_name"])
    assert [entry["display_name"] for entry in fake.stored["experiments"]] == ["screening"]
    assert run == {
        "run_id": "runs-1",
        "experiment_id": "experiments-1",
        "display_name": "monday",
        "pipeline_version_reference": {
            "pipeline_id": "pipelines-1",
            "pipeline_version_id": "version-1",
        },
        "runtime_config": {"parameters": {}},
    }
    assert output.splitlines()[1:] == ["Run runs-1", f"{fake.url}/#/runs/details/runs-1"]


def test_a_second_submission_adds_a_version_and_keeps_the_experiment(
    submit: Submit, fake: FakeKfp
) -> None:
    assert submit("--version", "one")[0] == 0
    assert submit("--version", "two")[0] == 0
    assert [entry["display_name"] for entry in fake.stored["versions"]] == ["one", "two"]
    assert len(fake.stored["pipelines"]) == len(fake.stored["experiments"]) == 1
    versions = [run["pipeline_version_reference"] for run in fake.stored["runs"]]
    assert [version["pipeline_version_id"] for version in versions] == ["version-1", "version-2"]


def test_parameters_and_root_are_sent_with_their_types(submit: Submit, fake: FakeKfp) -> None:
    values = ("epochs=5", "gate_min_recall=0.95", "strict=False", "data_dir=/mnt/a=b")
    code, _, errors = submit("--pipeline-root", "s3://bucket/runs", "--param", *values)
    assert (code, errors) == (0, "")
    assert fake.stored["runs"][0]["runtime_config"] == {
        "pipeline_root": "s3://bucket/runs",
        "parameters": {
            "epochs": 5,
            "gate_min_recall": 0.95,
            "strict": False,
            "data_dir": "/mnt/a=b",
        },
    }


def test_without_cache_no_task_of_the_uploaded_version_may_use_it(
    submit: Submit, fake: FakeKfp, compiled: Path
) -> None:
    assert "enableCache" in compiled.read_text()
    assert submit("--no-cache")[0] == 0
    uploaded = list(yaml.safe_load_all(fake.stored["versions"][0]["content"]))
    original = list(yaml.safe_load_all(compiled.read_text()))
    assert "cachingOptions" not in json.dumps(uploaded)
    # As in the compiled file: without its quotes, Go's reader takes it for a number.
    assert '"1234567e8"' in fake.stored["versions"][0]["content"].decode()
    assert uploaded[1] == original[1]
    assert uploaded[0]["deploymentSpec"] == original[0]["deploymentSpec"]


def test_a_name_that_kfp_cannot_store_is_refused_before_any_request(
    submit: Submit, fake: FakeKfp, compiled: Path
) -> None:
    assert submit("--pipeline-name", "x" * 128)[0] == 0
    fake.requests.clear()
    for arguments, origin in (
        (("--pipeline-name", "x" * 129), "--pipeline-name"),
        ((), str(compiled)),
    ):
        if not arguments:
            compiled.write_text(
                compiled.read_text().replace("name: pneumonia", "name: " + "y" * 129)
            )
        code, _, errors = submit(*arguments)
        assert code == 2
        assert f"{origin}: expected a pipeline name of at most 128 characters, got 129" in errors
    assert not fake.requests


def test_kfps_environment_variables_are_heeded(
    no_kfp_settings: None,
    fake: FakeKfp,
    compiled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("s3cr3t\n")
    fake.token = "s3cr3t"
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", fake.url)
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(token_file))
    monkeypatch.setenv("KF_PIPELINES_DEFAULT_EXPERIMENT_NAME", "of the team")
    assert main([str(compiled)]) == 0
    assert fake.stored["experiments"][0]["display_name"] == "of the team"


def test_a_namespace_is_used_for_pipeline_and_experiment(submit: Submit, fake: FakeKfp) -> None:
    fake.multi_user = True
    code, _, errors = submit()
    assert code == 2
    assert "--namespace" in errors
    assert submit("--namespace", "team")[0] == 0
    assert submit("--namespace", "team", "--version", "two")[0] == 0
    (pipeline,) = fake.stored["pipelines"]
    (experiment,) = fake.stored["experiments"]
    assert pipeline["namespace"] == experiment["namespace"] == "team"


def test_a_schedule_pins_the_version_and_runs_one_at_a_time(submit: Submit, fake: FakeKfp) -> None:
    code, output, _ = submit("--recurring", "0 3 * * 0", "--param", "epochs=5")
    assert code == 0
    assert not fake.stored["runs"]
    (schedule,) = fake.stored["recurringruns"]
    assert schedule["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * 0"}}
    assert schedule["mode"] == "ENABLE"
    assert int(schedule["max_concurrency"]) == 1
    assert schedule["no_catchup"] is True
    assert schedule["runtime_config"]["parameters"] == {"epochs": 5}
    assert schedule["pipeline_version_reference"]["pipeline_version_id"] == "version-1"
    assert "Schedule recurringruns-1: 0 0 3 * * 0 (seconds first)" in output
    assert output.splitlines()[-1] == f"{fake.url}/#/recurringrun/details/recurringruns-1"


@pytest.mark.slow
def test_the_script_runs_from_anywhere(
    repository: Path, fake: FakeKfp, compiled: Path, tmp_path: Path
) -> None:
    fake.snapshots = [Snapshot("SUCCEEDED", workflow(DONE))]
    fake.failures = [Failure("/runs/", None)]  # which urllib3 repeats, and would warn of
    command = [sys.executable, str(repository / "kubeflow" / "submit.py"), compiled.name]
    done = subprocess.run(
        [*command, "--host", fake.url, "--wait"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-2] == "BLESSED and pushed"
    wrong = subprocess.run(
        [*command, "--recurring", "0 3 * * 0", "--wait"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert wrong.returncode == 2
    assert "expected either --recurring or --wait" in wrong.stderr
