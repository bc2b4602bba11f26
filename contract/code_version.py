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
from collections.abc import Callable, Iterator, Sequence
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
    return frozenset(_imported_files(entries, root))


def _files(entries: tuple[str, ...], root: Path) -> set[Path]:
    files: set[Path] = set()
    for file in _imported_files(entries, root).values():
        if file is not None:
            files.add(file)
            files.update(each for each in file.parent.iterdir() if each.suffix in _DATA_SUFFIXES)
    return files


def _imported_files(entries: tuple[str, ...], root: Path) -> dict[str, Path | None]:
    """Return the file of each of the modules of `imported_modules`; packages may have none."""
    file_of = _finder(root)
    for entry in entries:
        if file_of(entry) is None:
            raise ModuleNotFoundError(f"Expected a module {entry} below {root}, found no file.")
    found: dict[str, Path | None] = {}
    waiting = list(entries)
    while waiting:
        module = waiting.pop()
        if module in found or module in _BY_VALUE:
            continue
        found[module] = file = file_of(module)
        package, _, _ = module.rpartition(".")
        names = [package] if package else []  # importing a module runs its package
        if file is not None:
            names += _imports(file.read_text(encoding="utf-8"))
        waiting += [name for name in names if file_of(name) is not None]
    return found


def _finder(root: Path) -> Callable[[str], Path | None]:
    """Return a function from a module's name to its file below `root`, None where it has none.

    It looks for each name once, and for none of other packages: a DAG asks for thousands.
    """
    own = {each.stem for each in root.iterdir()}

    @functools.cache
    def file_of(module: str) -> Path | None:
        first, *others = module.split(".")
        if first not in own:
            return None
        place = root.joinpath(first, *others)
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return file
        return None

    return file_of


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
