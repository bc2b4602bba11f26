"""The image as it is built, run as a pod runs it: no network, closed root file system, uid 10001.

`make image-test` builds it and says by variables which image and which engine; without them, or
without an engine that answers, these tests skip.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.kubeflow.compilation import write_pipeline
from pipeline.kubeflow.run_folder import read_summary
from pipeline.load_config import load_settings
from tests.tools.kfp_emulator.test_emulated_runs import LENIENT

ROOT = Path(__file__).resolve().parents[2]
IMAGE = os.environ.get("CONTAINER_IMAGE", "")
ENGINE = shlex.split(os.environ.get("CONTAINER_ENGINE", "docker"))
FLAGS = shlex.split(os.environ.get("CONTAINER_FLAGS", ""))
AS_A_POD = (
    *("--rm", "--network", "none", "--user", "10001:10001", "--read-only"),
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
)


def _is_there() -> bool:
    try:
        done = subprocess.run(
            [*ENGINE, "image", "inspect", IMAGE], capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        not IMAGE or not _is_there(), reason="no engine with a built image: make image-test"
    ),
]


def engine(*arguments: str) -> str:
    done = subprocess.run([*ENGINE, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    return done.stdout


def run(*command: str, volume: Path | None = None) -> str:
    mount = ("--volume", f"{volume}:/mnt/data") if volume else ()
    return engine("run", *AS_A_POD, *FLAGS, *mount, IMAGE, *command)


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("volume")
    folder.chmod(0o777)  # what an administrator's chown does on a cluster
    return folder


def test_the_entrypoint_starts() -> None:
    assert "--executor_class_path" in run("python", "-m", "pipeline.kubeflow.entrypoint", "--help")


def test_nothing_is_written_into_the_image_and_nobody_is_root() -> None:
    script = (
        "import os, pathlib; print(os.getuid(), os.getgid());"
        "import pipeline; folder = pathlib.Path(pipeline.__file__).parent;"
        "print(os.access(folder, os.W_OK), next(folder.rglob('*.pyc')) is not None)"
    )
    assert run("python", "-c", script).split() == ["10001", "10001", "False", "True"]


def test_a_change_of_code_is_a_small_layer() -> None:
    # Docker writes "4.61MB", Podman "4.61 MB".
    units = {"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9}
    sizes = engine("history", "--format", "{{.Size}}", IMAGE)
    found = re.findall(r"^([\d.]+) ?(\w+)$", sizes, re.MULTILINE)
    copied = [float(number) * units[unit] for number, unit in found if float(number)]
    assert copied[0] < 20e6 < copied[1]  # the newest first: the project, then the packages


def test_it_says_what_it_is() -> None:
    labels = engine("image", "inspect", "--format", "{{json .Config.Labels}}", IMAGE)
    for name in ("title", "version", "revision", "licenses", "base.name"):
        assert f"org.opencontainers.image.{name}" in labels


def test_the_whole_dag_runs_a_container_a_task(volume: Path, tmp_path: Path) -> None:
    shown = run(
        *("python", "-m", "pipeline.convert", "--config", "quick"),
        *("--output", "/mnt/data/records"),
        volume=volume,
    )
    assert shown.splitlines()[-1] == "/mnt/data/records"
    pipeline = tmp_path / "pipeline.yaml"
    write_pipeline(load_settings("quick", [f"kubeflow.image={IMAGE}"]), pipeline)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tools.kfp_emulator", pipeline, "--home", tmp_path / "cluster"),
            *("--containers", "--engine", shlex.join(ENGINE)),
            f"--engine-flags={shlex.join(FLAGS)}",
            *("--claim", f"pneumonia-data={volume}"),
            *("--param", *(f"{name}={value}" for name, value in LENIENT.items())),
        ],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    (run_dir,) = (volume / "runs").iterdir()
    assert read_summary(str(volume / "runs"), run_dir.name).verdict == "blessed"
    assert (volume / "serving" / "pneumonia" / "1" / "saved_model.pb").is_file()
