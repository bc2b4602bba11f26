"""Folders of an object store that a task reads or pushes to, as folders of its pod.

KFP's launcher copies artifacts between tasks. What enters the pipeline (the records) and what
leaves it (the served versions, the summaries) is outside its runs: on a volume, or in an object
store, which is copied here. fsspec accesses the store; credentials come from the environment,
such as AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL for s3:// and MinIO.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from contract.errors import InputError
from serving.push_folder import SAVED_MODEL_FILE, pushed_versions, version_dir

_VERSION = re.compile(r"[1-9][0-9]*")  # as `serving.push_folder` names versions


def is_remote(location: str) -> bool:
    """Return whether a location is a URL such as s3://bucket/folder, not a path."""
    return "://" in location


@contextmanager
def local_data(location: str) -> Iterator[str]:
    """Give a local copy of a folder with records; a path is given as it is.

    Raises:
        InputError: There is nothing at the location, or it cannot be read.
    """
    if not is_remote(location):
        yield location
        return
    with tempfile.TemporaryDirectory(prefix="records-") as folder:
        with _told("read", location):
            store, root = fsspec.core.url_to_fs(location)
            names = _files_below(store, root)
            if not names:
                raise FileNotFoundError("there is nothing")
            for name in names:
                _fetch(store, root, name, Path(folder))
        yield folder


@contextmanager
def local_push_dir(location: str) -> Iterator[str]:
    """Give a folder with the newest pushed version, and send back what is pushed into it.

    Only the newest version is fetched: a push needs its content and its number. A version is
    sent with `saved_model.pb` last, without which nothing counts it as a version. A number that
    an interrupted push has taken is not used again, so that no version mixes two models.

    Two pushes at the same time may take the same number: an object store has no rename that
    would refuse the second one, as a disk has. One pipeline pushes to a folder at a time.

    Raises:
        InputError: The location cannot be read or written.
    """
    if not is_remote(location):
        yield location
        return
    with tempfile.TemporaryDirectory(prefix="pushed-") as folder:
        push_dir = Path(folder)
        with _told("read", location):
            store, root = fsspec.core.url_to_fs(location)
            names = _files_below(store, root)
            for number in _numbers(names)[-1:]:
                version_dir(push_dir, number).mkdir()  # it takes the number, complete or not
            for number in _complete_versions(names)[-1:]:
                for name in names:
                    if name.startswith(f"{number}/"):
                        _fetch(store, root, name, push_dir)
        before = pushed_versions(push_dir)
        yield folder
        with _told("write", location):
            for version in sorted(set(pushed_versions(push_dir)) - set(before)):
                _send(store, root, version_dir(push_dir, version), version)


def write_text(location: str, name: str, text: str) -> str:
    """Write a small file into a folder, local or remote, and return its full name.

    Raises:
        InputError: It cannot be written.
    """
    target = f"{location.rstrip('/')}/{name}"
    with _told("write", location):
        store, path = fsspec.core.url_to_fs(target)
        _make_folder_of(store, path)
        store.pipe_file(path, text.encode("utf-8"))
    return target


def read_text(location: str, name: str) -> str | None:
    """Return a small file of a folder, local or remote; None where it is not there."""
    with _told("read", location):
        store, path = fsspec.core.url_to_fs(f"{location.rstrip('/')}/{name}")
        try:
            return str(store.cat_file(path).decode("utf-8"))
        except FileNotFoundError:
            return None


def remove_file(location: str, name: str) -> None:
    """Remove a small file of a folder, local or remote, if it is there."""
    with _told("write", location):
        store, path = fsspec.core.url_to_fs(f"{location.rstrip('/')}/{name}")
        with suppress(FileNotFoundError):
            store.rm_file(path)


def list_files(location: str) -> list[str]:
    """Return the names of the files below a folder, sorted; none where it is not there."""
    with _told("read", location):
        store, root = fsspec.core.url_to_fs(location)
        return _files_below(store, root)


@contextmanager
def _told(action: str, location: str) -> Iterator[None]:
    """Turn what stores raise, each in its own way, into one sentence.

    Raises:
        InputError: Instead of any error of the store.
    """
    try:
        yield
    except Exception as error:  # botocore's, among others, have no base in common with OSError
        raise InputError(
            f"expected a folder at {location} that this pod can {action}, got "
            f"{type(error).__name__}: {error}; check the address, the mounted volume, and the "
            "credentials in kubeflow.secrets"
        ) from error


def _files_below(store: fsspec.AbstractFileSystem, root: str) -> list[str]:
    store.invalidate_cache()
    prefix = root.rstrip("/") + "/"
    names = [name.removeprefix(prefix) for name in sorted(store.find(root))]
    # Consoles and MinIO's client make a folder as an empty object whose name ends so.
    return [name for name in names if name and not name.endswith("/")]


def _numbers(names: list[str]) -> list[int]:
    """Return the numbers of all versions that files are in, complete or not, in order."""
    folders = {name.split("/")[0] for name in names if "/" in name}
    return sorted(int(folder) for folder in folders if _VERSION.fullmatch(folder))


def _complete_versions(names: list[str]) -> list[int]:
    return [number for number in _numbers(names) if f"{number}/{SAVED_MODEL_FILE}" in names]


def _fetch(store: fsspec.AbstractFileSystem, root: str, name: str, folder: Path) -> None:
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    store.get_file(f"{root}/{name}", str(target))


def _send(store: fsspec.AbstractFileSystem, root: str, folder: Path, version: int) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in sorted(files, key=lambda path: path == folder / SAVED_MODEL_FILE):
        target = f"{root}/{version}/{path.relative_to(folder).as_posix()}"
        _make_folder_of(store, target)
        store.put_file(str(path), target)


def _make_folder_of(store: fsspec.AbstractFileSystem, path: str) -> None:
    # Object stores have no folders, and would make a bucket of a name that was mistyped.
    if isinstance(store, LocalFileSystem):
        store.makedirs(store._parent(path), exist_ok=True)
