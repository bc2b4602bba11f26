"""How a task's container is started; tests/kubeflow/test_image.py starts real ones."""

from __future__ import annotations

import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from contract.errors import InputError
from tools.kfp_emulator.__main__ import main
from tools.kfp_emulator.containers import ContainerEngine

MOUNT = SimpleNamespace(constant="data", mount_path="/mnt/data")
COMMAND = ["python", "-m", "pipeline.kubeflow.entrypoint", "{}"]


def values(command: list[str], option: str) -> list[str]:
    return [command[i + 1] for i, word in enumerate(command) if word == option]


def test_a_task_runs_in_its_image_without_rights_and_network(tmp_path: Path) -> None:
    engine = ContainerEngine(["podman", "--runtime", "runc"], ["--cpus", "2"], {"data": tmp_path})
    command = engine.run_command(tmp_path / "a1", "image:1", COMMAND, {"KFP_RUN_ID": "7"}, [MOUNT])
    assert command[:5] == ["podman", "--runtime", "runc", "run", "--rm"]
    assert command[-6:] == ["--entrypoint", "python", "image:1", *COMMAND[1:]]
    for option, value in (
        ("--network", "none"),
        ("--user", "10001:10001"),
        ("--cap-drop", "ALL"),
        ("--security-opt", "no-new-privileges"),
        ("--cpus", "2"),
        ("--env", "KFP_RUN_ID=7"),
    ):
        assert values(command, option) == [value]
    assert "--read-only" in command
    pod = tmp_path / "a1"
    assert values(command, "--volume") == [
        *(f"{pod}/{name}:/{name}" for name in ("minio", "s3", "gcs", "tmp", "dev/termination-log")),
        f"{tmp_path}:/mnt/data",
    ]


def test_a_claim_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a folder for the claim data, .* --claim data="):
        ContainerEngine(["docker"]).run_command(tmp_path, "image:1", COMMAND, {}, [MOUNT])


def test_what_is_mounted_may_be_written_by_any_user(tmp_path: Path) -> None:
    pod = tmp_path / "pod"
    (pod / "minio" / "bucket").mkdir(parents=True, mode=0o700)
    ContainerEngine(["docker"]).prepare(pod)
    for path in (pod / "minio" / "bucket", pod / "tmp", pod / "dev" / "termination-log"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o006 == 0o006


def test_a_claim_of_the_command_line_needs_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["pipeline.yaml", "--home", str(tmp_path), "--containers", "--claim", "data"])
    assert caught.value.code == 2
    assert "expected CLAIM=DIR, got 'data'" in capsys.readouterr().err
