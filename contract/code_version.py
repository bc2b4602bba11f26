"""A fingerprint of the code, so that TFX never answers an edit from its cache.

TFX's cache key holds a node's inputs and execution properties, not the code that user functions
and components run. Every node that runs ours carries this fingerprint as an execution property.
It covers exactly the modules that the node's own module imports, directly or not: an edit runs
again what could come out differently, and nothing else. docs/adr/0007 has the reasons.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from contract.installed import version_of

_ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = ("tfx", "tensorflow", "keras", "tensorflow-transform", "tensorflow-model-analysis")
_DATA_SUFFIXES = (".pbtxt", ".jinja", ".css")  # what a module reads from its own folder
# Settings are data: a node's execution properties hold those it uses by value, so a new default
# or a setting of another section leaves its key as it is.
_BY_VALUE = ("contract.settings",)


def code_version(*entries: str, libraries: Sequence[str] = LIBRARIES, root: Path = _ROOT) -> str:
    """Hash modules with all that they import, and the versions of libraries that decide results.

    Args:
        entries: Modules of the project by their dotted names, such as "models.train".
        libraries: Packages whose versions count.
        root: The folder that holds the packages; the installed project unless a test says so.

    Returns:
        16 hexadecimal digits.

    Raises:
        ModuleNotFoundError: An entry is not a module below `root`.
    """
    digest = hashlib.sha256()
    for library in libraries:
        digest.update(f"{library}=={version_of(library)}\n".encode())
    for file in sorted(_files(entries, root)):
        digest.update(f"{file.relative_to(root).as_posix()}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def imported_modules(*entries: str, root: Path = _ROOT) -> frozenset[str]:
    """Return the project's modules that some modules import, directly or not, and themselves.

    Imports inside functions count. `contract.settings` does not: its values are in the key.

    Raises:
        ModuleNotFoundError: An entry is not a module below `root`.
    """
    found: set[str] = set()
    waiting = list(entries)
    for entry in entries:
        if _file_of(entry, root) is None:
            raise ModuleNotFoundError(f"Expected a module {entry} below {root}, found no file.")
    while waiting:
        module = waiting.pop()
        if module in found or module in _BY_VALUE:
            continue
        found.add(module)
        package, _, _ = module.rpartition(".")
        names = [package] if package else []  # importing a module runs its package
        file = _file_of(module, root)
        if file is not None:
            names += _imports(file.read_text(encoding="utf-8"))
        waiting += [name for name in names if _file_of(name, root) is not None]
    return frozenset(found)


def _files(entries: tuple[str, ...], root: Path) -> set[Path]:
    files: set[Path] = set()
    for module in imported_modules(*entries, root=root):
        file = _file_of(module, root)
        if file is not None:
            files.add(file)
            files.update(each for each in file.parent.iterdir() if each.suffix in _DATA_SUFFIXES)
    return files


def _file_of(module: str, root: Path) -> Path | None:
    place = root.joinpath(*module.split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if file.is_file():
            return file
    return None


@functools.cache
def _imports(source: str) -> tuple[str, ...]:
    """Return the dotted names that code may import; `from a import b` names `a` and `a.b`."""
    return tuple(_imported_names(ast.parse(source)))


def _imported_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
