"""A fingerprint of the code, so that TFX never answers an edit from its cache.

TFX's cache key holds a node's inputs and execution properties, not the code that
user functions and components run. Every node that runs ours carries this
fingerprint as an execution property.
"""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_LIBRARIES = ("tfx", "tensorflow", "keras", "tensorflow-transform", "tensorflow-model-analysis")
_SUFFIXES = (".py", ".pbtxt", ".jinja", ".css")


def code_version(*places: str, root: Path = _ROOT) -> str:
    """Hash source files and the versions of the libraries that decide results.

    Args:
        places: Packages (folders, taken whole) or single files, relative to `root`.
        root: The folder that holds them; the installed project unless a test says so.

    Returns:
        16 hexadecimal digits.

    Raises:
        FileNotFoundError: When a place does not exist.
    """
    digest = hashlib.sha256()
    for library in _LIBRARIES:
        digest.update(f"{library}=={metadata.version(library)}\n".encode())
    for place in sorted(places):
        path = root / place
        if not path.exists():
            raise FileNotFoundError(f"Expected a package or file at {path}, got nothing.")
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            if file.suffix in _SUFFIXES:
                digest.update(f"{file.relative_to(root).as_posix()}\n".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
