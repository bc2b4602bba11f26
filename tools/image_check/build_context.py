"""The files that a build of the image may copy: the checkout less what .dockerignore names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

IGNORE_FILE = ".dockerignore"


def context_files(root: Path, place: str = ".") -> Iterator[Path]:
    """Yield the files of `root` that lie at or below `place` and are not ignored.

    Args:
        root: The folder of the build, with `.dockerignore` in it or none.
        place: A file or folder, relative to `root`.

    Yields:
        Paths relative to `root`, sorted within each folder.
    """
    rules = read_rules(root)
    start = root / place
    if start.is_file():
        files: list[Path] = [start]
    else:
        # `**` crosses no links, and no folder of the project is one.
        files = sorted(Path(folder) / name for folder, _, names in os.walk(start) for name in names)
    for path in files:
        relative = path.relative_to(root)
        if not is_ignored(relative.as_posix(), rules):
            yield relative


def read_rules(root: Path) -> list[tuple[re.Pattern[str], bool]]:
    """Return the rules of `.dockerignore`: a pattern, and whether it leaves files out."""
    path = root / IGNORE_FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    stripped = (line.strip() for line in lines)
    return [
        (_compile(line.removeprefix("!").strip("/")), not line.startswith("!"))
        for line in stripped
        if line and not line.startswith("#")
    ]


def is_ignored(path: str, rules: Sequence[tuple[re.Pattern[str], bool]]) -> bool:
    """Say whether a path is left out; the last rule that names it or a folder above decides."""
    parts = path.split("/")
    ends = range(1, len(parts) + 1)
    names = ["/".join(parts[:end]) for end in ends]
    ignored = False
    for pattern, leaves_out in rules:
        if any(pattern.fullmatch(name) for name in names):
            ignored = leaves_out
    return ignored


def _compile(pattern: str) -> re.Pattern[str]:
    """Translate Docker's pattern: `**/` is any depth, `*` and `?` stay within a name."""
    pieces = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return re.compile("".join(pieces.get(token, re.escape(token)) for token in tokens))
