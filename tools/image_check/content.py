"""What must be true of an image's files."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from contract.errors import InputError
from tools.image_check.build_context import context_files
from tools.image_check.stage import StageState

_READ_BY_OTHERS = stat.S_IROTH
_ENTER_BY_OTHERS = stat.S_IROTH | stat.S_IXOTH
_LOCATE = "import {package}, os; print(os.path.dirname({package}.__file__))"


def check_content(image: StageState, own: Path, context: Path, packages: Sequence[str]) -> None:
    """Check that every file of the packages came along, and that any user may read all files.

    Args:
        image: The last stage.
        own: Its folder with all of the project's own.
        context: The checkout.
        packages: Names of the top-level packages.

    Raises:
        InputError: A package comes from elsewhere, or a file is missing or closed.
    """
    if image.user.split(":")[0] in {"", "0", "root"}:
        raise InputError(
            f"expected a USER other than root, got {image.user or 'none'}. "
            "How to fix: end the Dockerfile with USER and a number."
        )
    for package in packages:
        place = Path(_printed(image, _LOCATE.format(package=package)))
        if not place.resolve().is_relative_to(own.resolve()):
            raise InputError(
                f"expected the package {package} below {own}, got {place}. "
                "How to fix: install it in the image."
            )
        for file in context_files(context, package):
            if not (place.parent / file).is_file():
                raise InputError(
                    f"expected {file} in the image, as it is in the checkout, got no such file. "
                    "How to fix: add its kind to package_data in setup.py."
                )
    for path, status in _files(own):
        needed = _ENTER_BY_OTHERS if stat.S_ISDIR(status.st_mode) else _READ_BY_OTHERS
        if status.st_mode & needed != needed and not stat.S_ISLNK(status.st_mode):
            raise InputError(
                f"expected {path} to be readable for every user, got mode "
                f"{stat.S_IMODE(status.st_mode):o}. How to fix: chmod it in the Dockerfile."
            )


def snapshot(folder: Path) -> set[tuple[str, int, int]]:
    """Return name, bytes and time of change (ns) of everything below `folder`."""
    return {(str(path), status.st_size, status.st_mtime_ns) for path, status in _files(folder)}


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files below `folder`."""
    return sum(status.st_size for _, status in _files(folder) if stat.S_ISREG(status.st_mode))


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for place, _, names in os.walk(folder):
        for path in (Path(place), *(Path(place, name) for name in names)):
            yield path, path.lstat()


def _printed(image: StageState, program: str) -> str:
    environment = [f"{name}={value}" for name, value in image.environment.items()]
    finished = subprocess.run(
        ["/usr/bin/env", "-i", *environment, "python", "-c", program],
        cwd=image.workdir,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise InputError(
            f"expected the image's Python to run {program!r}, got exit code "
            f"{finished.returncode}:\n{finished.stderr}How to fix: see the last line."
        )
    return finished.stdout.strip()
