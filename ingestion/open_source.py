"""Find out what a source is, and list its images."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path

from contract.errors import InputError
from contract.settings import DataSettings
from ingestion.archive import unpack_archive
from ingestion.folder import read_folder
from ingestion.kaggle import DATASET, fetch_kaggle
from ingestion.manifest import read_manifest
from ingestion.records import Source
from ingestion.synthetic import NOTICE_FILE
from ingestion.tfrecord_file import SUFFIXES
from ingestion.tfrecords import find_tfrecords, read_tfrecords

KAGGLE = "kaggle"
MANIFEST_NAME = "manifest.csv"
_KINDS = "a folder, a .zip, a .csv manifest, or the word kaggle"


def open_source(
    source: str, work_dir: Path, settings: DataSettings, *, one_class: bool = False
) -> Source:
    """List the images of a source, whatever kind it is of.

    A folder is read by its `manifest.csv` where it has one, as TFRecords where
    it has those, and by its split and class folders otherwise.

    Args:
        source: Path of a folder, a zip of one or a CSV manifest, or "kaggle".
        work_dir: Folder for what has to be unpacked; made where missing, and
            reused by the next run.
        settings: Gives `max_archive_bytes`.
        one_class: Whether images of one class are enough.

    Returns:
        The source, marked as synthetic where the notice of a drawn set lies with it.

    Raises:
        InputError: There is no such source, or it cannot be used as it is.
    """
    if source == KAGGLE:
        opened = _open_folder(fetch_kaggle(), work_dir, one_class)
        return dataclasses.replace(opened, kind=KAGGLE, description=f"Kaggle, {DATASET}")
    path = Path(source).expanduser()
    if not path.exists():
        raise InputError(f"expected {_KINDS}, got {source}, which does not exist; check the path")
    if path.is_dir():
        return _open_folder(path, work_dir, one_class)
    if path.suffix.lower() == ".csv":
        return read_manifest(path)
    if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        folder = unpack_archive(path, work_dir, settings.max_archive_bytes)
        opened = _open_folder(folder, work_dir, one_class)
        return dataclasses.replace(opened, kind="zip", description=str(path))
    if path.name.endswith(SUFFIXES):
        raise InputError(
            f"expected {_KINDS}, got the single TFRecord file {path}; give the folder that holds it"
        )
    raise InputError(
        f"expected {_KINDS}, got the file {path} of an unknown kind "
        f"({path.suffix or 'no suffix'}); put images into class folders, or list them in a "
        "manifest"
    )


def _open_folder(folder: Path, work_dir: Path, one_class: bool) -> Source:
    source = _read_folder_by_content(folder, work_dir, one_class)
    # The notice lies beside the folder `chest_xray` of a drawn set, and either may be given.
    drawn = any((place / NOTICE_FILE).is_file() for place in (folder, folder.absolute().parent))
    return dataclasses.replace(source, synthetic=drawn)


def _read_folder_by_content(folder: Path, work_dir: Path, one_class: bool) -> Source:
    try:
        if (folder / MANIFEST_NAME).is_file():
            return read_manifest(folder / MANIFEST_NAME)
        if find_tfrecords(folder):
            return read_tfrecords(folder, work_dir)
    except PermissionError as error:
        raise InputError(
            f"expected a readable folder, got {folder}: {error.strerror}; fix its permissions"
        ) from error
    return read_folder(folder, one_class=one_class)
