"""The one walker of folders: what counts as a file of a source, and what is passed over."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from contract.errors import InputError

# What systems and programs leave beside people's files, in lower case. Hidden names (.DS_Store,
# ._scan.png, .ipynb_checkpoints) and Office's lock files (~$list.csv) are known by their start.
_LEFTOVERS = frozenset(
    {
        "__macosx",  # macOS, in archives
        "icon\r",  # macOS, a folder's own icon
        "thumbs.db",  # Windows
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "$recycle.bin",
        "system volume information",
        "@eadir",  # network storage by Synology and QNAP
        "#recycle",
        "#snapshot",
        "@recycle",
        "@recently-snapshot",
        "lost+found",  # Linux
        "dicomdir",  # the table of contents of a DICOM medium: no picture
    }
)
_LEFTOVER_STARTS = (".", "~$")
_LEFTOVER_END = ":zone.identifier"  # where Windows keeps from which site a file was downloaded


class Entry(NamedTuple):
    """What a folder holds: a path, and whether it is a folder or a link to one."""

    path: Path
    is_folder: bool


class Walk(NamedTuple):
    """All files below a folder.

    Attributes:
        files: Everything that is not a folder, sorted folder by folder, readable or not.
        loops: Links to a folder that they are in, which were not followed.
    """

    files: list[Path]
    loops: list[Path]


def is_leftover(name: str) -> bool:
    """Return whether a file or folder of this name is never part of a source."""
    folded = name.casefold()
    return (
        folded in _LEFTOVERS
        or folded.startswith(_LEFTOVER_STARTS)
        or folded.endswith(_LEFTOVER_END)
    )


def has_leftover(names: Iterable[str]) -> bool:
    """Return whether a path of these names is, or is inside, something that is passed over."""
    return any(is_leftover(name) for name in names if name not in (".", ".."))


def list_folder(folder: Path) -> list[Entry]:
    """Return what a folder holds, sorted by name, without what `is_leftover` names.

    Raises:
        InputError: The folder cannot be read.
    """
    # os.scandir rather than Path.is_dir: no further system call for each of many thousand files.
    try:
        with os.scandir(folder) as scan:
            entries = [
                Entry(Path(entry.path), _is_folder(entry))
                for entry in scan
                if not is_leftover(entry.name)
            ]
    except OSError as error:
        raise InputError(
            f"expected a readable folder, got {shown(folder)}: {error.strerror or error}; fix its "
            "permissions, or move it out of the source"
        ) from error
    return sorted(entries)


def walk(folder: Path) -> Walk:
    """List all files below a folder; links to other folders are followed.

    Raises:
        InputError: A folder, however deep, cannot be read: how many images it holds is unknown.
    """
    files: list[Path] = []
    loops: list[Path] = []
    # Entries still to visit, the next one last, each with the folders that it is in.
    waiting = [(Entry(folder, True), frozenset[tuple[int, int]]())]
    while waiting:
        entry, around = waiting.pop()
        if not entry.is_folder:
            files.append(entry.path)
            continue
        inside = list_folder(entry.path)
        status = entry.path.stat()
        here = (status.st_dev, status.st_ino)
        if here in around:
            loops.append(entry.path)
            continue
        within = around | {here}
        waiting.extend((each, within) for each in reversed(inside))
    return Walk(files, loops)


def shown(path: Path | str) -> str:
    r"""Return a path as text that every file and terminal can hold.

    Names on disk are bytes. Where they are not UTF-8, such as names from an old archive in Latin-1,
    the bytes in question become escapes: `r\xf6ntgen.png`.
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A link to itself: as a file it is rejected, with its reason.
        return False
