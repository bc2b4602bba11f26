"""The folder that models are pushed to: `push_dir/<number>/saved_model.pb`.

Version numbers are plain integers, counted up from 1; the largest is the newest. TensorFlow
Serving and the project's own server poll such a folder.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

SAVED_MODEL_FILE = "saved_model.pb"
NOTHING_PUSHED = "none"  # fingerprint of a folder without a pushed model


def pushed_versions(push_dir: str | Path) -> list[int]:
    """Return the complete versions below `push_dir`, oldest first.

    A version is a folder named by a positive integer that holds a saved model. Everything else,
    such as a folder that a stopped copy left behind, is ignored. A missing folder has none.
    """
    return [
        number
        for number in _numbered_folders(Path(push_dir))
        if (version_dir(push_dir, number) / SAVED_MODEL_FILE).is_file()
    ]


def version_dir(push_dir: str | Path, version: int) -> Path:
    """Return the folder of one version."""
    return Path(push_dir) / str(version)


def next_version(push_dir: str | Path) -> int:
    """Return the number after the largest one taken, complete or not; 1 in an empty folder."""
    return max(_numbered_folders(Path(push_dir)), default=0) + 1


def push_fingerprint(push_dir: str | Path) -> str:
    """Return a text that changes with the newest pushed model.

    Returns:
        "<version>-<first 16 digits of its content's SHA-256>", or `NOTHING_PUSHED`.
    """
    versions = pushed_versions(push_dir)
    if not versions:
        return NOTHING_PUSHED
    return f"{versions[-1]}-{content_digest(version_dir(push_dir, versions[-1]))[:16]}"


def content_digest(folder: str | Path) -> str:
    """Return the SHA-256 hex digest of the names and bytes of all files below `folder`."""
    digest = hashlib.sha256()
    root = Path(folder)
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        with path.open("rb") as stream:
            file_digest = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{path.relative_to(root).as_posix()}\0{file_digest}\n".encode())
    return digest.hexdigest()


def _numbered_folders(push_dir: Path) -> list[int]:
    if not push_dir.is_dir():
        return []
    return sorted(
        int(entry.name) for entry in push_dir.iterdir() if _is_number(entry.name) and entry.is_dir()
    )


def _is_number(name: str) -> bool:
    # "007" and "٣" are numbers to int(), but no names that we give.
    return name.isascii() and name.isdigit() and not name.startswith("0")
