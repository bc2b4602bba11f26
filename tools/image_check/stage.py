"""One stage of a replayed image: its folder, its variables, and what stands in for its base."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from contract.errors import InputError
from tools.image_check.dockerfile import Instruction


@dataclasses.dataclass(frozen=True)
class Step:
    """One instruction that was replayed, or was not.

    Attributes:
        stage: Its stage's name.
        instruction: As it stands in the Dockerfile.
        seconds: What it took; None where it belongs to the system and was left out.
    """

    stage: str
    instruction: Instruction
    seconds: float | None


@dataclasses.dataclass
class StageState:
    """What a stage has come to.

    Attributes:
        folder: Its file system, as far as it is the project's own.
        environment: Variables set with ENV, and PATH.
        arguments: Variables set with ARG.
        workdir: The working folder, an absolute path through the link.
        user: As given to USER; "" is the image's default, root.
        command: As given to CMD or ENTRYPOINT, split.
    """

    folder: Path
    environment: dict[str, str]
    arguments: dict[str, str]
    workdir: Path
    user: str = ""
    command: tuple[str, ...] = ()


def make_base(folder: Path) -> Path:
    """Make a folder with the base image's `python`: this machine's, outside any environment.

    Returns:
        The folder, to be put on the PATH.
    """
    folder.mkdir(parents=True)
    base = getattr(sys, "_base_executable", sys.executable)
    for name in ("python", "python3"):
        # No link: Python would look for its library beside the link.
        (folder / name).write_text(f'#!/bin/sh\nexec {shlex.quote(base)} "$@"\n', encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder


def check_python(base: str) -> None:
    """Check that this Python can stand in for a base image.

    Raises:
        InputError: The image is another one, or of another version of Python.
    """
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not re.fullmatch(rf"(.*/)?python(:{re.escape(ours)}[.-].*|@sha256:.*)", base):
        raise InputError(
            f"Dockerfile: expected an earlier stage or an image of Python {ours}, got FROM {base}. "
            "How to fix: run the check with the Python of the image."
        )


def link_tree(source: Path, target: Path) -> None:
    """Make `target` hold what `source` holds; files are shared, as no step changes one in place."""
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, copy_function=_link, dirs_exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        _link(source, target)


def _link(source: str | Path, target: str | Path) -> None:
    Path(target).unlink(missing_ok=True)  # a later COPY replaces
    os.link(source, target)
