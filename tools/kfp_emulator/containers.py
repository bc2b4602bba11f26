"""Starts tasks in containers of the image that the pipeline names, as pods do."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contract.errors import InputError

# KFP's launcher has these as volumes of each pod; /tmp is writable in a pod, and closed here.
_FOLDERS = ("minio", "s3", "gcs", "tmp")
_TERMINATION_LOG = "dev/termination-log"
_USER = "10001:10001"


@dataclasses.dataclass(frozen=True)
class ContainerEngine:
    """Docker or Podman, and what a cluster would have.

    Attributes:
        command: The engine's program with its own options, e.g. `podman --runtime runc`.
        flags: More options of its `run`.
        claims: Folders that stand for the volumes of persistent volume claims, by claim.
    """

    command: Sequence[str]
    flags: Sequence[str] = ()
    claims: Mapping[str, Path] = dataclasses.field(default_factory=dict)

    def prepare(self, pod: Path) -> None:
        """Make what is mounted: any user may write it, as into a pod's empty volumes."""
        for name in _FOLDERS:
            folder = pod / name
            folder.mkdir(parents=True, exist_ok=True)
        log = pod / _TERMINATION_LOG
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        for path in (pod, *pod.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)

    def run_command(
        self,
        pod: Path,
        image: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        mounts: Sequence[Any],
    ) -> list[str]:
        """Return the command that runs a task: no network, a closed root file system, no rights.

        Args:
            pod: Its folder, prepared.
            image: The image's name.
            command: What runs in it.
            environment: Variables beside the image's.
            mounts: `pvcMount`s of the platform document.

        Raises:
            InputError: A claim has no folder.
        """
        volumes = [f"{pod / name}:/{name}" for name in (*_FOLDERS, _TERMINATION_LOG)]
        for mount in mounts:
            if mount.constant not in self.claims:
                raise InputError(
                    f"expected a folder for the claim {mount.constant}, got none; without the "
                    f"claim the pod never starts. How to fix: --claim {mount.constant}=FOLDER"
                )
            volumes.append(f"{self.claims[mount.constant].absolute()}:{mount.mount_path}")
        return [
            *self.command,
            *("run", "--rm", "--name", _name(pod), "--network", "none", "--user", _USER),
            *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *self.flags,
            *(part for volume in volumes for part in ("--volume", volume)),
            *(part for name, value in environment.items() for part in ("--env", f"{name}={value}")),
            *("--entrypoint", command[0], image, *command[1:]),
        ]

    def remove(self, pod: Path) -> None:
        """End and remove a pod's container, where there still is one."""
        subprocess.run(
            [*self.command, "rm", "--force", _name(pod)], capture_output=True, check=False
        )


def _name(pod: Path) -> str:
    return f"kfp-{pod.name}"
