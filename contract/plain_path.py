"""A path for libraries that read paths as patterns.

TFX and Beam name the files of an artifact by patterns such as `FOLDER/*`, TensorFlow looks for the
variables of a SavedModel by one, and there is no way to write a folder `out [1]` in them: `[1]` is
the character 1 there.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from contract.errors import InputError

_PATTERN_CHARACTERS = frozenset("*?[]{}\\")
_FOLDER = "pneumonia-folders"


def plain_path(folder: Path) -> Path:
    """Return a path of a folder that no library takes for a pattern, the same in every run.

    It is the folder's own where that will do. Otherwise it is a link in the user's cache, or where
    that cannot be written, in the folder for temporary files.

    Args:
        folder: There or not yet.

    Raises:
        InputError: No place for a link was found.
    """
    resolved = folder.resolve()
    for path in (resolved, folder.absolute()):
        if is_plain(path):
            return path
    # One link serves all that is below the folder with the odd name.
    parents = [resolved, *resolved.parents]
    odd = next(each for each in parents if not is_plain(Path(each.name)))
    name = hashlib.sha256(os.fsencode(odd)).hexdigest()[:16]
    for base in filter(is_plain, _bases()):
        try:
            base.mkdir(mode=0o700, parents=True, exist_ok=True)
            if base.stat().st_uid != os.getuid():
                continue
            link = base / name
            if not link.is_symlink() or os.readlink(link) != str(odd):
                new = base / f".{name}.{os.getpid()}"
                new.symlink_to(odd, target_is_directory=True)
                os.replace(new, link)
        except OSError:
            continue
        return link / resolved.relative_to(odd)
    raise InputError(
        f"expected a folder without any of {' '.join(sorted(_PATTERN_CHARACTERS))} in its path, "
        f"which TensorFlow and TFX read as patterns, got {resolved}; choose another folder, or "
        "rename it"
    )


def _bases() -> Iterator[Path]:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    yield Path(cache).absolute() / _FOLDER
    # Others may write there, too: the folder is taken only if it is this user's.
    yield Path(tempfile.gettempdir()).absolute() / f"{_FOLDER}-{os.getuid()}"


def is_plain(path: Path) -> bool:
    """Return whether TensorFlow, TFX and its metadata store can use a path as it is."""
    text = str(path)
    try:
        text.encode("utf-8")  # The metadata store takes nothing else.
    except UnicodeEncodeError:
        return False
    return not _PATTERN_CHARACTERS & set(text)
