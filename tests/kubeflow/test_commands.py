"""The commands of the folder `kubeflow/`, as a user calls them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from contract.command_line import EXIT_BAD_INPUT
from pipeline.folder_lock import locked_folder


def call(repository: Path, folder: Path, script: str, *arguments: str):
    """Call a script from another folder, as somebody may."""
    return subprocess.run(
        [sys.executable, str(repository / "kubeflow" / script), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_compiling_writes_both_documents_and_tells_what_comes_next(repository, tmp_path):
    result = call(
        repository,
        tmp_path,
        "compile.py",
        *("--config", "quick", "--image", "registry.example/pneumonia:7", "--output", "out/p.yaml"),
    )
    assert result.returncode == 0, result.stderr
    spec, platform = yaml.safe_load_all((tmp_path / "out" / "p.yaml").read_text())
    images = {
        executor["container"]["image"] for executor in spec["deploymentSpec"]["executors"].values()
    }
    assert images == {"registry.example/pneumonia:7"}
    assert platform["platforms"]["kubernetes"]
    assert "submit.py" in result.stdout


def test_a_second_local_run_in_a_folder_is_refused(repository, tmp_path):
    with locked_folder(tmp_path / "out"):
        result = call(repository, tmp_path, "local.py", "--output", "out")
    assert result.returncode == EXIT_BAD_INPUT
    assert "another run works in this folder" in result.stderr
    assert not (tmp_path / "out" / "volume").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--config", "nothing"), "nothing"),
        (("--set", "kubeflow.gpu.colour=red"), "kubeflow.gpu.colour"),
        (("--image", "pneumonia:latest"), "latest"),
        (("--image", "pneumonia"), "tag"),
    ],
)
def test_what_cannot_be_compiled_is_told_in_one_sentence(repository, tmp_path, arguments, told):
    result = call(repository, tmp_path, "compile.py", *arguments)
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith("Cannot compile: ")
    assert told in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.glob("pipeline.*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--data", "nothing.zip"), "nothing.zip"),
        (("--config", "quick", "--param", "colour=red", "--data", "nothing.zip"), "nothing.zip"),
        (("--set", "kubeflow.colour=red"), "kubeflow.colour"),
    ],
)
def test_a_run_that_cannot_begin_is_told_in_one_sentence(repository, tmp_path, arguments, told):
    result = call(repository, tmp_path, "local.py", *arguments)
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith("Cannot run: ")
    assert told in result.stderr
    assert "Traceback" not in result.stderr
