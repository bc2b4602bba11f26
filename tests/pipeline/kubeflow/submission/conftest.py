"""A compiled pipeline in small, and the submitting command against a KFP over HTTP."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kfp
import pytest
import yaml

from pipeline.kubeflow.submission.command import main
from tests.pipeline.kubeflow.submission.fake_kfp_api import FakeKfp

Submit = Callable[..., tuple[int, str, str]]


@pytest.fixture
def no_kfp_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a developer's machine has set for KFP out of a test."""
    for name in [name for name in os.environ if name.startswith("KF_PIPELINES_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(kfp.Client, "_LOCAL_KFP_CONTEXT", str(tmp_path / "context.json"))


@pytest.fixture
def fake() -> Iterator[FakeKfp]:
    with FakeKfp() as server:
        yield server


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    """A compiled pipeline in small: a sub-DAG of three tasks, and an exit handler."""
    trainer: dict[str, Any] = {
        "taskInfo": {"name": "Trainer-small"},
        "componentRef": {"name": "Trainer-small"},
        "dependentTasks": ["ImportExampleGen"],
        "cachingOptions": {"enableCache": True},
    }
    tasks = {
        "ImportExampleGen": {
            "taskInfo": {"name": "ImportExampleGen"},
            "componentRef": {"name": "ImportExampleGen"},
        },
        "Trainer-small": trainer,
        "Verdict": {
            "taskInfo": {"name": "Verdict"},
            "componentRef": {"name": "Verdict"},
            "dependentTasks": ["Trainer-small"],
        },
    }
    container = {
        "container": {"image": "pneumonia:1", "command": ["python"], "args": ["1234567e8"]}
    }
    names = (*tasks, "RunSummary")
    specification = {
        "schemaVersion": "2.1.0",
        "sdkVersion": "tfx-1.21.0",
        "pipelineInfo": {"name": "pneumonia"},
        "components": {
            **{name: {"executorLabel": f"{name}_executor"} for name in names},
            "tfx-dag": {"dag": {"tasks": tasks}},
        },
        "deploymentSpec": {"executors": {f"{name}_executor": container for name in names}},
        "root": {
            "inputDefinitions": {
                "parameters": {
                    "data_dir": {"parameterType": "STRING", "defaultValue": "/mnt/data"},
                    "epochs": {"parameterType": "NUMBER_INTEGER", "defaultValue": 3},
                    "gate_min_recall": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.9},
                    "strict": {"parameterType": "BOOLEAN", "defaultValue": True},
                }
            },
            "dag": {
                "tasks": {
                    "tfx-dag": {
                        "taskInfo": {"name": "tfx-dag"},
                        "componentRef": {"name": "tfx-dag"},
                        "cachingOptions": {"enableCache": True},
                    },
                    "RunSummary": {
                        "taskInfo": {"name": "RunSummary"},
                        "componentRef": {"name": "RunSummary"},
                        "dependentTasks": ["tfx-dag"],
                        "triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"},
                    },
                }
            },
        },
    }
    platform = {
        "platforms": {
            "kubernetes": {
                "deploymentSpec": {
                    "executors": {"Trainer-small_executor": {"imagePullPolicy": "IfNotPresent"}}
                }
            }
        }
    }
    path = tmp_path / "pipeline.yaml"
    path.write_text(yaml.safe_dump_all([specification, platform]))
    return path


@pytest.fixture
def submit(
    no_kfp_settings: None, compiled: Path, fake: FakeKfp, capsys: pytest.CaptureFixture[str]
) -> Submit:
    """Return a function that runs the command; it returns its exit code, output and errors."""

    def run(*arguments: str | Path, host: str | None = None) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(compiled), "--host", host or fake.url, *map(str, arguments)])
        output, errors = capsys.readouterr()
        return code, output, errors

    return run
