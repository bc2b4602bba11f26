"""Unpack once: a folder that is filled completely or not at all, and reused while it is right."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from contract.errors import InputError
from ingestion.fingerprint import file_stamp
from ingestion.walking import shown

_MAX_STEM = 50  # characters of the source's name
_MARKER = ".complete"  # holds the fingerprint; hidden, so that no source counts it as a file


def fingerprint_files(paths: list[Path]) -> str:
    """Return a hex SHA-256 of the files' names, sizes and times of modification."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(os.fsencode(f"{path.absolute()}\n{file_stamp(path)}\n"))
    return digest.hexdigest()


def folder_name(source: Path, suffix: str) -> str:
    """Return the name of a folder for what is unpacked from a source, of a length that fits."""
    return f"{shown(source.stem)[:_MAX_STEM]}-{suffix}"


def unpack_once(work_dir: Path, name: str, fingerprint: str, fill: Callable[[Path], None]) -> Path:
    """Return the folder `work_dir/name`, filled by `fill` unless it already is.

    Args:
        work_dir: Folder for intermediate files; made where missing.
        name: Of the folder in it.
        fingerprint: Of what is unpacked. A folder with another one is replaced,
            and what an interrupted attempt left is thrown away.
        fill: Writes the content into the empty folder it is given.

    Raises:
        InputError: `work_dir` cannot be written.
    """
    folder = work_dir / name
    marker = folder / _MARKER
    if marker.is_file() and marker.read_text(encoding="utf-8") == fingerprint:
        return folder
    partial = work_dir / f".{name}.partial"
    try:
        for leftover in (partial, folder):
            if leftover.exists():
                shutil.rmtree(leftover)
        partial.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"expected a work folder that can be written, got {work_dir}: "
            f"{error.strerror or error}; choose another output folder, or fix its permissions"
        ) from error
    try:
        fill(partial)
    except BaseException:
        shutil.rmtree(partial)
        raise
    (partial / _MARKER).write_text(fingerprint, encoding="utf-8")
    os.replace(partial, folder)
    return folder
