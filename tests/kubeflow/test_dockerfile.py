"""The image's Dockerfile and locks: what can be told from them without building."""

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
from tools.image_check.build_context import context_files
from tools.image_check.dockerfile import Instruction, parse_dockerfile

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = parse_dockerfile((ROOT / "Dockerfile").read_text(encoding="utf-8"))
LAST = DOCKERFILE.stages[-1]
LOCKS = (
    "requirements-build.txt",
    "requirements.txt",
    "requirements-weights.txt",
    "requirements-gpu.txt",
)


def values(instructions: tuple[Instruction, ...], keyword: str) -> list[str]:
    return [each.value for each in instructions if each.keyword == keyword]


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9][\w.-]*)==(\S+)", text, re.MULTILINE))


def test_it_has_stages_of_which_the_last_installs_and_compiles_nothing():
    assert len(DOCKERFILE.stages) > 1
    assert values(LAST.instructions, "RUN") == []
    copied = [each.flags.get("from") for each in LAST.instructions if each.keyword == "COPY"]
    assert set(copied) == {stage.name for stage in DOCKERFILE.stages[:-1]}


def test_every_base_is_one_slim_image_of_the_locks_python():
    (argument,) = DOCKERFILE.arguments
    name, _, image = argument.value.partition("=")
    assert re.fullmatch(r"python:3\.11-slim-bookworm", image)
    earlier = {stage.name for stage in DOCKERFILE.stages}
    assert {stage.base for stage in DOCKERFILE.stages} - earlier == {f"${{{name}}}"}


def test_it_runs_as_a_fixed_number_that_is_not_root():
    (user,) = values(LAST.instructions, "USER")
    uid, gid = user.split(":")
    assert int(uid) == int(gid) >= 10_000
    # Nothing after USER may need more than it may do.
    after = LAST.instructions[[each.keyword for each in LAST.instructions].index("USER") + 1 :]
    assert [each.keyword for each in after] == ["CMD"]


def test_every_installation_is_from_a_lock_with_hashes_or_of_the_project():
    runs = [run for stage in DOCKERFILE.stages for run in values(stage.instructions, "RUN")]
    installs = [part for run in runs for part in re.split("&&|;;", run) if "pip install" in part]
    assert len(installs) == len(LOCKS) + 1
    for install in installs:
        assert "--no-deps" in install
        # An isolated build would fetch its tools unlocked; one of wheels only builds nothing.
        assert "--no-build-isolation" in install or "--only-binary :all:" in install
        if "--target" in install:
            assert "--no-index" in install
        else:
            assert "--require-hashes" in install
    assert [lock for lock in LOCKS if any(f"-r {lock}" in each for each in installs)] == [*LOCKS]


def test_the_variant_installs_the_cuda_libraries_for_a_gpu_and_refuses_other_words():
    (step,) = [
        run
        for stage in DOCKERFILE.stages
        for run in values(stage.instructions, "RUN")
        if "case" in run
    ]

    def installed(variant: str) -> subprocess.CompletedProcess[str]:
        # The step itself, with the installation told instead of done.
        told = step.replace("python -m pip", "echo pip")
        return subprocess.run(
            ["sh", "-c", told],
            env={"VARIANT": variant},
            capture_output=True,
            text=True,
            check=False,
        )

    assert (installed("cpu").returncode, installed("cpu").stdout) == (0, "")
    assert installed("gpu").returncode == 0
    assert "requirements-gpu.txt" in installed("gpu").stdout
    assert installed("tpu").returncode == 1
    assert "VARIANT=tpu" in installed("tpu").stderr


def test_the_build_tools_are_those_of_the_lock():
    build, whole = pins("requirements-build.txt"), pins("requirements.txt")
    assert {"pip", "setuptools", "wheel"} <= build.keys()
    assert {name: whole.get(name) for name in build} == build


def test_the_gpu_lock_is_what_tensorflow_names_and_nothing_twice():
    locked = pins("requirements-gpu.txt")
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
    assert not locked.keys() & pins("requirements.txt").keys()


@pytest.mark.parametrize("lock", ["requirements-build.txt", "requirements-gpu.txt"])
def test_locks_of_the_image_have_hashes_and_no_address(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text


def test_what_is_copied_lies_in_the_context_and_is_all_that_is_sent():
    copied = {
        source
        for stage in DOCKERFILE.stages
        for each in stage.instructions
        if each.keyword == "COPY" and "from" not in each.flags
        for source in each.value.split()[:-1]
    }
    sent = {
        path
        for name in os.listdir(ROOT)
        if name not in {".venv", ".git"} and not name.startswith("output")
        for path in context_files(ROOT, name)
    }
    assert {path.parts[0] for path in sent} == copied
    assert not [path for path in sent if path.suffix == ".pyc"]


def test_caches_go_where_a_closed_root_file_system_lets_them():
    environment = dict(
        pair.split("=", 1) for value in values(LAST.instructions, "ENV") for pair in value.split()
    )
    assert environment["HOME"] == "/tmp"
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"
    assert environment["USER"]  # a uid without a name: getpass would find none


def make(*arguments: str, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "tag"),
    [
        ([], KubeflowSettings().image),
        (["VARIANT=gpu"], f"pneumonia-pipeline:{contract.__version__}-gpu"),
        (["VARIANT=gpu", "IMAGE=registry/name:1"], "registry/name:1"),
    ],
)
def test_make_image_builds_the_image_that_the_configuration_names(arguments, tag, tmp_path):
    engine = tmp_path / "engine"
    engine.write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    engine.chmod(0o755)
    result = make("image", f"DOCKER={engine}", *arguments, path=os.environ["PATH"])
    assert result.returncode == 0, result.stderr
    assert f"--tag {tag} " in result.stdout
    assert f"--build-arg VERSION={contract.__version__} " in result.stdout
    assert f"--build-arg VARIANT={'gpu' if arguments else 'cpu'} " in result.stdout


def test_make_image_says_in_a_line_that_no_engine_answers(tmp_path):
    result = make("image", f"DOCKER={tmp_path / 'no-engine'}", path=os.environ["PATH"])
    assert result.returncode != 0
    told = [line for line in result.stderr.splitlines() if not line.startswith("make")]
    assert len(told) == 1
    assert "make image-check" in told[0]
