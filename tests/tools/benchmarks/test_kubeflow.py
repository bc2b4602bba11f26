"""Tasks and commands that the figures come from; small ones, but for the slow test."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.load_config import load_settings
from tools.benchmarks.command_figures import CompilationFigures, TaskFigures
from tools.benchmarks.images import Sizes
from tools.benchmarks.kubeflow import measure
from tools.benchmarks.kubeflow_cases import CASES, QUICK_CASES
from tools.benchmarks.kubeflow_task import LoneTask, lone_task
from tools.kfp_emulator.launcher import LaunchError

# Answers with what it was given, as an artifact's property.
ECHO = """
import json, os, sys
given = json.loads(sys.argv[2])
artifact = given["outputs"]["artifacts"]["schema"]["artifacts"][0]
found = {"place": given["inputs"]["parameterValues"]["place"], "fixed": os.environ["FIXED"]}
with open(given["outputs"]["outputFile"], "w") as file:
    json.dump({"artifacts": {"schema": {"artifacts": [{**artifact, "metadata": found}]}}}, file)
"""


def write_pipeline(folder: Path, script: str) -> Path:
    """Write a compiled pipeline of one task, which takes a run parameter and a variable."""
    text = {"parameters": {"place": {"parameterType": "STRING"}}}
    source = {"parameters": {"place": {"componentInputParameter": "place"}}}
    schema = {"artifactType": {"instanceSchema": "title: tiny.Schema\ntype: object\n"}}
    container = {
        "image": "tiny:1",
        "command": ["python", "-S", "-c", script],
        "args": ["--executor_class_path", "{{$}}"],
        "env": [{"name": "FIXED", "value": "by the pipeline"}],
    }
    spec: dict[str, Any] = {
        "schemaVersion": "2.1.0",
        "pipelineInfo": {"name": "tiny"},
        "components": {
            "Only": {
                "executorLabel": "Only_executor",
                "inputDefinitions": text,
                "outputDefinitions": {"artifacts": {"schema": schema}},
            },
            "tfx-dag": {
                "inputDefinitions": text,
                "dag": {
                    "tasks": {
                        "Only": {
                            "taskInfo": {"name": "Only"},
                            "componentRef": {"name": "Only"},
                            "inputs": source,
                        }
                    }
                },
            },
        },
        "deploymentSpec": {"executors": {"Only_executor": {"container": container}}},
        "root": {
            "inputDefinitions": {
                "parameters": {
                    "place": {"parameterType": "STRING", "defaultValue": "the default place"}
                }
            },
            "dag": {
                "tasks": {
                    "tfx-dag": {
                        "taskInfo": {"name": "tfx-dag"},
                        "componentRef": {"name": "tfx-dag"},
                        "inputs": source,
                    }
                }
            },
        },
    }
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


def tiny_task(folder: Path, script: str = ECHO) -> LoneTask:
    return lone_task(write_pipeline(folder, script), "Only", folder / "task")


def test_a_task_gets_the_run_parameters_and_its_variables_each_time(tmp_path: Path) -> None:
    task = tiny_task(tmp_path)
    task.attempt()
    task.attempt()
    answers = list((tmp_path / "task" / "logs").glob("*.output.json"))
    assert len(answers) == 2
    artifacts = [json.loads(it.read_text())["artifacts"]["schema"]["artifacts"] for it in answers]
    assert len({artifact["uri"] for (artifact,) in artifacts}) == 2
    for (artifact,) in artifacts:
        assert artifact["metadata"] == {"place": "the default place", "fixed": "by the pipeline"}


def test_a_task_that_fails_gives_no_figure(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="exit code 1: it broke"):
        tiny_task(tmp_path, "raise SystemExit('it broke')").attempt()


def test_the_import_starts_as_the_task_does_with_its_executors_name(tmp_path: Path) -> None:
    program = """
import os, sys
assert sys.argv[1] == "{{$}}", sys.argv  # what stands behind the option
assert os.environ["FIXED"] == "by the pipeline"
assert os.path.isdir(os.environ["KFP_POD_ROOT"])
"""
    task = tiny_task(tmp_path)
    task.import_only(program)
    with pytest.raises(RuntimeError, match=r"importing \{\{\$\}\} ended with exit code 1"):
        task.import_only("raise SystemExit(1)")


def test_cases_name_configurations_that_are_there() -> None:
    for case in {*CASES, *QUICK_CASES}:
        kind, argument = case.split()
        if kind != "task":
            load_settings(argument, [])


def test_a_command_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_sizes: Sizes
) -> None:
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(RuntimeError, match=r"got 1 of: false kubeflow/compile\.py"):
        measure(None, tmp_path, tiny_sizes, lambda _: None, "compile default")


@pytest.mark.slow
def test_compiling_and_the_smallest_real_task_are_measured(
    tmp_path: Path, tiny_sizes: Sizes
) -> None:
    told: list[str] = []
    compiled = measure(None, tmp_path, tiny_sizes, told.append, "compile default")
    assert isinstance(compiled, CompilationFigures)
    assert compiled.num_candidates == len(load_settings("default", []).candidates)
    assert compiled.size_kib * 1024 == (tmp_path / "default.yaml").stat().st_size
    measured = measure(None, tmp_path, tiny_sizes, told.append, "task ImportSchemaGen")
    assert isinstance(measured, TaskFigures)
    assert len(measured.ours_seconds.clock_s) == len(measured.bare_seconds.clock_s) == 1
    (answer, *_) = (tmp_path / "task" / "logs").glob("*.output.json")
    assert list(json.loads(answer.read_text())["artifacts"]) == ["schema"]
    assert [line.split(":")[0].strip() for line in told] == ["round 1"] * 3
