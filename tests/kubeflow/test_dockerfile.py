"""The image's Dockerfile, locks and commands, as far as they can be read without an engine."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import contract
from contract.settings import KubeflowSettings

ROOT = Path(__file__).resolve().parents[2]
# Without comments, each instruction on one line.
DOCKERFILE = re.sub(
    r"\\\n\s*",
    "",
    re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE),
)
LOCKS = (
    "requirements-build.txt",
    "requirements-image.txt",
    "requirements-image-cpu.txt",
    "requirements-gpu.txt",
    "requirements-weights.txt",
)


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9][\w.-]*)==(\S+)", text, re.MULTILINE))


def test_it_runs_as_a_fixed_number_that_is_not_root():
    uid, gid = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)[-1]
    assert int(uid) == int(gid) >= 10_000


def test_every_installation_is_from_a_lock_with_hashes_or_of_the_project():
    installs = re.findall(r"pip install [^&;\n]*", DOCKERFILE)
    assert len(installs) == 5
    for install in installs:
        assert "--no-deps" in install
        # An isolated build would fetch its tools unlocked; one of wheels only builds nothing.
        assert "--no-build-isolation" in install or "--only-binary :all:" in install
        assert ("--no-index" if "--target" in install else "--require-hashes") in install
    assert [lock for lock in LOCKS if lock not in DOCKERFILE] == []


def test_the_variant_chooses_tensorflow_and_other_words_are_refused():
    (step,) = re.findall(r"^RUN (case .*)$", DOCKERFILE, re.MULTILINE)

    def installed(variant: str) -> subprocess.CompletedProcess[str]:
        # The step itself, with its commands printed instead of run.
        told = step.replace("python -m pip", "echo pip").replace("rm -r", "echo rm")
        return subprocess.run(
            ["sh", "-c", told],
            env={"VARIANT": variant},
            capture_output=True,
            text=True,
            check=False,
        )

    assert installed("cpu").returncode == installed("gpu").returncode == 0
    assert "-r requirements-image-cpu.txt" in installed("cpu").stdout
    assert "-r requirements-gpu.txt" in installed("gpu").stdout
    assert installed("tpu").returncode == 1
    assert "VARIANT=tpu" in installed("tpu").stderr


def test_the_build_tools_are_those_of_the_lock():
    build, whole = pins("requirements-build.txt"), pins("requirements.txt")
    assert {"pip", "setuptools", "wheel"} <= build.keys()
    assert {name: whole.get(name) for name in build} == build


def test_the_gpu_lock_is_tensorflow_and_what_it_names():
    locked = pins("requirements-gpu.txt")
    assert locked.pop("tensorflow") == pins("requirements.txt")["tensorflow"]
    named = {
        canonicalize_name(requirement.name): requirement.specifier
        for requirement in map(Requirement, importlib.metadata.requires("tensorflow") or ())
        if requirement.marker
        and requirement.marker.evaluate({"extra": "and-cuda"})
        and not requirement.marker.evaluate({"extra": ""})
    }
    assert named
    assert locked.keys() == named.keys()
    assert [name for name in locked if locked[name] not in named[name]] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_of_the_image_have_hashes_and_no_address(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text


def test_what_is_copied_is_all_that_is_sent():
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    }
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
    assert {"*", "**/__pycache__", "**/*.pyc"} <= set(ignored)


def make(*arguments: str, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """Return a program that takes an engine's arguments and prints them."""
    program = tmp_path / "engine"
    program.write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("arguments", "tag"),
    [
        ([], KubeflowSettings().image),
        (["VARIANT=gpu"], f"pneumonia-pipeline:{contract.__version__}-gpu"),
        (["VARIANT=gpu", "IMAGE=registry/name:1"], "registry/name:1"),
    ],
)
def test_make_image_builds_the_image_that_the_configuration_names(arguments, tag, engine):
    result = make("image", f"DOCKER={engine} --a-flag", *arguments, path=os.environ["PATH"])
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("--a-flag build ")
    assert f"--tag {tag} " in result.stdout
    assert f"--build-arg VERSION={contract.__version__} " in result.stdout
    assert f"--build-arg VARIANT={'gpu' if arguments else 'cpu'} " in result.stdout


def test_make_image_takes_another_base(engine):
    base = "python@sha256:" + "0" * 64
    told = make("image", f"DOCKER={engine}", f"BASE={base}", path=os.environ["PATH"])
    assert f"--build-arg PYTHON_IMAGE={base} " in told.stdout
    assert "digest" not in told.stderr
    plain = make("image", f"DOCKER={engine}", path=os.environ["PATH"])
    assert "BASE=python@sha256:" in plain.stderr  # a tag moves: a release names a digest


def test_make_image_says_in_a_line_that_no_engine_answers(tmp_path):
    result = make("image", f"DOCKER={tmp_path / 'no-engine'}", path=os.environ["PATH"])
    assert result.returncode != 0
    told = [line for line in result.stderr.splitlines() if not line.startswith("make")]
    assert len(told) == 1
    assert "DOCKER=podman" in told[0]
