"""Find out what a source is, and list its images."""

from __future__ import annotations

import dataclasses
import os
import zipfile
from pathlib import Path
from typing import Literal, NamedTuple

from contract.errors import InputError, one_line
from contract.settings import DataSettings
from ingestion.archive import unpack_archive
from ingestion.folder import inner_folders, is_layout_root, read_folder
from ingestion.manifest import is_manifest, read_manifest
from ingestion.patients import patient_warnings
from ingestion.records import Source
from ingestion.synthetic import NOTICE_FILE
from ingestion.tfrecords import find_tfrecords, is_tfrecord_file, read_tfrecords
from ingestion.walking import list_folder, shown

KAGGLE = "kaggle"
KAGGLE_DATASET = "paultimothymooney/chest-xray-pneumonia"
MANIFEST_NAME = "manifest.csv"
_MANIFEST_SUFFIXES = (".csv", ".tsv")
_KINDS = "a folder, a .zip, a .csv manifest, or the word kaggle"


class Layout(NamedTuple):
    """How a folder holds labelled images: by which means, and in which file or folder."""

    kind: Literal["manifest", "tfrecords", "folder"]
    place: Path


def open_source(
    source: str, work_dir: Path, settings: DataSettings, *, one_class: bool = False
) -> Source:
    """List the images of a source, whatever kind it is of.

    A folder is read by its `manifest.csv` where it has one, as TFRecords where it has those, by its
    split and class folders, or by the only other file that has the columns of a manifest. All of
    them may be a few folders deeper.

    Args:
        source: Path of a folder, a zip of one or a CSV manifest, or "kaggle".
        work_dir: Folder for what has to be unpacked; made where missing, and
            reused by the next run.
        settings: Gives `max_archive_bytes`.
        one_class: Whether images of one class are enough.

    Returns:
        The source, marked as synthetic where the notice of a drawn set is with it.

    Raises:
        InputError: There is no such source, or it cannot be used as it is.
    """
    opened = _open(source, work_dir, settings, one_class)
    warnings = (*opened.warnings, *patient_warnings(opened.images))
    return dataclasses.replace(opened, warnings=warnings)


def _open(source: str, work_dir: Path, settings: DataSettings, one_class: bool) -> Source:
    if source == KAGGLE:
        opened = _open_folder(fetch_kaggle(), work_dir, one_class)
        return dataclasses.replace(opened, kind=KAGGLE, description=f"Kaggle, {KAGGLE_DATASET}")
    path = existing_path(source, _KINDS)
    if path.is_dir():
        return _open_folder(path, work_dir, one_class)
    if is_manifest_name(path):
        return read_manifest(path)
    if is_archive(path):
        folder = unpack_archive(path, work_dir, settings.max_archive_bytes)
        opened = _open_folder(folder, work_dir, one_class)
        return dataclasses.replace(opened, kind="zip", description=shown(path))
    if is_tfrecord_file(path):
        raise InputError(
            f"expected {_KINDS}, got the single TFRecord file {shown(path)}; give the folder that "
            "holds it"
        )
    raise InputError(
        f"expected {_KINDS}, got the file {shown(path)} of an unknown kind "
        f"({path.suffix or 'no suffix'}); put images into class folders, or list them in a "
        "manifest"
    )


def existing_path(source: str, expected: str) -> Path:
    """Return the path of an existing file or folder.

    Args:
        source: As a user gives it; `~` is the home folder.
        expected: What the path may be, for the message.

    Raises:
        InputError: There is no such file or folder, it cannot be reached, or it is neither.
    """
    try:
        path = Path(source).expanduser()
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            f"expected {expected}, got {shown(source)}, which does not exist; check the path"
        ) from error
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"expected {expected}, got {shown(source)}: {reason}; check the path and its "
            "permissions"
        ) from error
    if not (path.is_dir() or path.is_file()):
        raise InputError(
            f"expected {expected}, got {shown(source)}, a pipe or a device; save its content to a "
            "file first"
        )
    return path


def is_manifest_name(path: Path) -> bool:
    """Return whether a file's name ends like that of a CSV manifest."""
    return path.suffix.lower() in _MANIFEST_SUFFIXES


def is_archive(path: Path) -> bool:
    """Return whether a file is a zip, or is called one."""
    return path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)


def find_layout(folder: Path) -> Layout | None:
    """Return how a folder holds labelled images, complete or not, or None where it holds none.

    What merely wraps the content, such as the folder that a zip was made of, is looked into.

    Raises:
        InputError: It cannot be read, or holds records, splits, classes or manifests twice.
    """
    for place in inner_folders(folder):
        files = [path for path, is_folder in list_folder(place) if not is_folder]
        for path in files:
            if path.name.lower() == MANIFEST_NAME:
                return Layout("manifest", path)
        if find_tfrecords(place):
            return Layout("tfrecords", place)
        if is_layout_root(place):
            return Layout("folder", place)
        manifests = [path for path in files if is_manifest_name(path) and is_manifest(path)]
        if len(manifests) > 1:
            raise InputError(
                f"expected one manifest in {shown(place)}, got "
                f"{', '.join(shown(path.name) for path in manifests)}; join them into one, with a "
                "column `split` where they are the splits"
            )
        if manifests:
            return Layout("manifest", manifests[0])
    return None


def _open_folder(folder: Path, work_dir: Path, one_class: bool) -> Source:
    layout = find_layout(folder)
    if layout is None or layout.kind == "folder":
        source = read_folder(folder, one_class=one_class)
    elif layout.kind == "manifest":
        source = read_manifest(layout.place)
    else:
        source = read_tfrecords(layout.place, work_dir)
    # The notice is beside the folder `chest_xray` of a drawn set, and either may be given.
    places = [folder.absolute().parent, *inner_folders(folder)]
    drawn = any(os.path.isfile(place / NOTICE_FILE) for place in places)
    return dataclasses.replace(source, synthetic=drawn)


def fetch_kaggle() -> Path:
    """Fetch the public chest X-rays, or find them in the library's cache, and return the folder.

    Raises:
        InputError: The data set cannot be fetched.
    """
    # Imported where needed: it is slow to import and reads the environment when it is.
    import kagglehub

    try:
        return Path(kagglehub.dataset_download(KAGGLE_DATASET))
    except Exception as error:  # Network, permission and disk errors of several libraries.
        raise InputError(
            f"expected to fetch {KAGGLE_DATASET} from Kaggle, got {type(error).__name__}: "
            f"{one_line(error)}; check the network and the Kaggle credentials, or download the set "
            "with a browser and give the zip with --data"
        ) from error
