"""Files by the names that a list gives them, also where the list comes from another system."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from pathlib import Path, PurePosixPath

_WINDOWS_START = re.compile(r"[A-Za-z]:[\\/]|\\\\")


class FileFinder:
    r"""Find files below a folder by names that Windows or macOS wrote.

    A name is taken as it is where such a file exists. Otherwise `\` separates folders, as on
    Windows; accents may be composed or not (macOS decomposes them); and capitals do not matter, as
    on both, where only one file fits.

    Args:
        folder: What relative names are relative to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[Path, _Names] = {}

    def find(self, written: str) -> Path:
        """Return the path of a file, or where it would be if there were one.

        Args:
            written: A relative name, or an absolute one of this system; without NUL characters.
        """
        as_written = self._folder / written
        if os.path.lexists(as_written):
            return as_written
        portable = PurePosixPath(portable_name(written))
        if portable.is_absolute():
            return Path(portable)
        path = self._folder
        for part in portable.parts:
            path /= part if part == ".." else self._similar(path, part)
        return path

    def _similar(self, folder: Path, name: str) -> str:
        if folder not in self._names:
            self._names[folder] = _Names(folder)
        return self._names[folder].similar(name)


class _Names:
    """The names in a folder, by what they have in common with similar ones."""

    def __init__(self, folder: Path) -> None:
        try:
            names = os.listdir(folder)
        except OSError:  # The image is rejected with its reason when it is read.
            names = []
        self._names = frozenset(names)
        self._similar: defaultdict[str, list[str]] = defaultdict(list)
        for name in names:
            for folded in {_compose(name), _compose_lower(name)}:
                self._similar[folded].append(name)

    def similar(self, name: str) -> str:
        """Return the only name that fits, or `name` itself."""
        if name not in self._names:
            for folded in (_compose(name), _compose_lower(name)):
                if len(fitting := self._similar.get(folded, [])) == 1:
                    return fitting[0]
        return name


def portable_name(written: str) -> str:
    r"""Return a name with `/` between folders, where a program on Windows wrote `\`."""
    return written.replace("\\", "/")


def is_absolute_on_windows(written: str) -> bool:
    r"""Return whether a name has a drive or a server, as in `C:\scans\1.png`."""
    return _WINDOWS_START.match(written) is not None


def _compose(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _compose_lower(name: str) -> str:
    return _compose(_compose(name).casefold())
