"""The folder that models are pushed to: `push_dir/<number>/saved_model.pb`.

Version numbers are plain integers, counted up from 1; the largest is the newest. TensorFlow
Serving and the project's own server poll such a folder. Folders that others wrote count as
TensorFlow Serving counts them (file_system_storage_path_source.cc): leading zeros are allowed,
and of two names for one number, the last in the order of their characters is served.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from contract.errors import InputError

SAVED_MODEL_FILE = "saved_model.pb"
NOTHING_PUSHED = "none"  # fingerprint of a folder without a pushed model
_MAX_VERSION = 2**63 - 1  # TensorFlow Serving's are 64-bit integers


def pushed_versions(push_dir: str | Path) -> list[int]:
    """Return the complete versions below `push_dir`, oldest first.

    A version is a folder named by a whole number, such as 7 or 0007, that holds a saved model.
    Everything else, such as a folder that a stopped copy left behind, is ignored. A missing
    folder has none.
    """
    folders = version_folders(push_dir)
    return [number for number, folder in folders.items() if is_complete(folder)]


def is_complete(folder: Path) -> bool:
    """Return whether a version's folder holds a saved model."""
    return (folder / SAVED_MODEL_FILE).is_file()


def version_folders(push_dir: str | Path) -> dict[int, Path]:
    """Return the folder of each version below `push_dir`, complete or not, oldest first."""
    root = Path(push_dir)
    if not root.is_dir():
        return {}
    names = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
    folders = {int(name): root / name for name in names if _is_version(name)}
    return dict(sorted(folders.items()))


def version_dir(push_dir: str | Path, version: int) -> Path:
    """Return the folder of one version: the one that is there, else the one to make."""
    return version_folders(push_dir).get(version, Path(push_dir) / str(version))


def next_version(push_dir: str | Path) -> int:
    """Return the number after the largest one taken, complete or not; 1 in an empty folder."""
    return max(version_folders(push_dir), default=0) + 1


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


def push(model_dir: Path, push_dir: Path) -> tuple[int, bool]:
    """Copy a saved model into `push_dir` as its next version.

    A reader that polls the folder never sees a part of it. A model with the content of the
    newest version is not pushed again, so a repeated run does not multiply versions.

    Args:
        model_dir: Folder with `saved_model.pb`.
        push_dir: Folder with numbered versions on a local or mounted disk; made where missing.

    Returns:
        The version's number, and whether it was pushed now rather than before.

    Raises:
        InputError: `push_dir` cannot be written.
        FileNotFoundError: `model_dir` holds no saved model.

    Example:
        >>> export = Path("export")
        >>> export.mkdir()
        >>> _ = (export / "saved_model.pb").write_bytes(b"a saved model")
        >>> push(export, Path("serving"))
        (1, True)
        >>> push(export, Path("serving"))  # the same content once more
        (1, False)
    """
    if not (model_dir / SAVED_MODEL_FILE).is_file():
        raise FileNotFoundError(f"expected {SAVED_MODEL_FILE} in {model_dir}")
    versions = pushed_versions(push_dir)
    if versions and _is_same(model_dir, version_dir(push_dir, versions[-1])):
        return versions[-1], False
    return _copy_as_next_version(model_dir, push_dir), True


def roll_back(push_dir: Path, version: int | None = None) -> tuple[int, int]:
    """Make an earlier version the newest again, under a new number.

    The model that served until then stays, and the newest number is the one that serves, so that
    servers that poll the folder load it. The next run is compared with it.

    Args:
        push_dir: Folder with numbered versions.
        version: The one to serve again; None is the newest whose content differs from what serves.

    Returns:
        The version that is served again, and the number that it has got.

    Raises:
        InputError: There is no such version, or it serves already, or the folder cannot be written.
    """
    versions = pushed_versions(push_dir)
    found = f"{push_dir} holds {', '.join(map(str, versions)) or 'none'}"
    if version is not None and version not in versions:
        raise InputError(f"expected a pushed version to roll back to, got {version}: {found}")
    earlier = [version] if version is not None else versions[-2::-1]
    for candidate in earlier:
        model_dir = version_dir(push_dir, candidate)
        if not _is_same(model_dir, version_dir(push_dir, versions[-1])):
            return candidate, _copy_as_next_version(model_dir, push_dir)
    if version is None:
        raise InputError(f"expected an earlier, different model to roll back to: {found}")
    raise InputError(
        f"expected another version than the one that serves, got {version}, whose content is that "
        f"of the newest version {versions[-1]}: there is nothing to do"
    )


def _copy_as_next_version(model_dir: Path, push_dir: Path) -> int:
    try:
        push_dir.mkdir(parents=True, exist_ok=True)
        # On the same file system as its destination, so that the rename is atomic; hidden, so
        # that no server takes it for a version.
        incoming = Path(tempfile.mkdtemp(prefix=".incoming-", dir=push_dir))
    except OSError as error:
        raise InputError(
            f"expected a folder for pushed models that can be written, got {push_dir}: {error}; "
            "choose another output folder or change its permissions"
        ) from error
    try:
        copy = incoming / "model"
        shutil.copytree(model_dir, copy)
        return _rename_to_next_version(copy, push_dir)
    finally:
        shutil.rmtree(incoming)


def _is_same(model_dir: Path, other_dir: Path) -> bool:
    return content_digest(model_dir) == content_digest(other_dir)


def _rename_to_next_version(copy: Path, push_dir: Path) -> int:
    while True:
        version = next_version(push_dir)
        destination = version_dir(push_dir, version)
        try:
            copy.rename(destination)
        except OSError:
            # Another push took the number in between: the folder is there now.
            if not destination.exists():
                raise
        else:
            return version


def _is_version(name: str) -> bool:
    # "٣" is a number to int(), but to no server.
    return name.isascii() and name.isdigit() and int(name) <= _MAX_VERSION
