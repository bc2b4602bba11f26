"""The package that Beam workers install, and the locks that everybody installs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import contract
from tests.rooms import ROOMS

LOCKS = (
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-gpu.txt",
    "requirements-image-cpu.txt",
    "requirements-weights.txt",
)


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel built from a copy of the packages, with a schema added."""
    source = tmp_path_factory.mktemp("source")
    for package in (*ROOMS, "configs", "tools", "tests"):
        shutil.copytree(
            repository / package, source / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("setup.py", "pyproject.toml"):
        shutil.copy(repository / name, source / name)
    (source / "models" / "schema").mkdir(exist_ok=True)
    (source / "models" / "schema" / "drawn.pbtxt").write_text("# a schema\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*command, "--no-build-isolation", "--wheel-dir", "dist", "."], cwd=source, check=True
    )
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.mark.slow
def test_wheel_has_the_version_of_the_package(wheel: Path):
    assert wheel.name == f"pneumonia_pipeline-{contract.__version__}-py3-none-any.whl"


def test_wheel_holds_every_module_schema_and_template_and_nothing_else(
    wheel: Path, repository: Path
):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        metadata = archive.read(
            next(name for name in archive.namelist() if name.endswith("/METADATA"))
        ).decode()
    modules = {
        str(path.relative_to(repository))
        for package in ROOMS
        for path in (repository / package).rglob("*.py")
    }
    schemas = {
        str(path.relative_to(repository)) for path in (repository / "models").rglob("*.pbtxt")
    }
    templates = {
        str(path.relative_to(repository))
        for package in ROOMS
        for suffix in ("jinja", "css")
        for path in (repository / package).rglob(f"*.{suffix}")
    }
    configs = {f"pipeline/configs/{path.name}" for path in (repository / "configs").glob("*")}
    assert names == modules | schemas | templates | configs | {"models/schema/drawn.pbtxt"}
    assert "Requires-Python: ==3.11.*" in metadata
    assert "Requires-Dist:" not in metadata


def test_an_installed_package_has_the_named_configurations(
    wheel: Path, repository: Path, tmp_path: Path
):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    script = "from pipeline.load_config import load_settings; print(load_settings('quick').name)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "pneumonia\n"


def test_tools_are_in_neither_the_wheel_nor_the_image(wheel: Path, repository: Path):
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" not in name}
    assert tops == set(ROOMS)
    ignored = (repository / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored  # everything stays out but what is named
    named = {line[1:].split("/")[0] for line in ignored if line.startswith("!")}
    assert set(ROOMS) <= named
    assert named.isdisjoint({"tools", "tests", "docs", "benchmarks"})
    copied = re.findall(
        r"^COPY (\w+) \w+$", (repository / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert set(copied) <= {*ROOMS, "configs"}


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_holds_no_address(repository: Path, lock: str):
    text = (repository / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_hashes_every_package(repository: Path, lock: str):
    text = (repository / lock).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_answers_every_requirement(repository: Path, lock: str):
    source = (repository / lock).with_suffix(".in").read_text(encoding="utf-8")
    required = re.findall(
        r"^([A-Za-z0-9][\w.-]*)(?:==([\w.]+?)(?:\.\*)?)?(?=[\s<]|$)", source, re.M
    )
    locked = dict(
        re.findall(
            r"^([a-z0-9][\w.-]*)==([\w.]+)",
            (repository / lock).read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    )
    assert required
    for name, version in required:
        found = locked.get(re.sub(r"[-_.]+", "-", name).lower())
        assert found is not None, f"{name} is not in {lock}"
        assert not version or found == version or found.startswith(f"{version}."), name


def test_locks_agree_on_the_packages_that_both_hold(repository: Path):
    pins = [
        dict(re.findall(r"^([a-z0-9][\w.-]*)==(\S+)", (repository / lock).read_text(), re.M))
        for lock in LOCKS
    ]
    for other in pins[1:]:
        shared = pins[0].keys() & other.keys()
        assert {name: pins[0][name] for name in shared} == {name: other[name] for name in shared}


def test_the_images_lock_is_the_lock_less_what_no_pod_imports(repository: Path):
    pattern = re.compile(r"^([a-z0-9][\w.-]*)==(\S+)", re.M)
    whole, image, cpu, gpu = (
        dict(pattern.findall((repository / f"{lock}.txt").read_text(encoding="utf-8")))
        for lock in (
            *("requirements", "requirements-image"),
            *("requirements-image-cpu", "requirements-gpu"),
        )
    )
    text = (repository / "requirements-image-left-out.txt").read_text(encoding="utf-8")
    left_out = set(re.findall(r"^[a-z0-9].*$", text, re.M))
    assert left_out <= whole.keys()
    assert image == {name: pin for name, pin in whole.items() if name not in left_out}
    assert cpu["tensorflow-cpu"] == gpu["tensorflow"] == whole["tensorflow"]
