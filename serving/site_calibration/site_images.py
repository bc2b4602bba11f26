"""The images of a site, with labels where it has them."""

from __future__ import annotations

import csv
import dataclasses
import zipfile
from pathlib import Path

from contract.errors import InputError
from contract.settings import DataSettings
from ingestion.archive import unpack_archive
from ingestion.file_names import parse_file_name
from ingestion.folder import has_class_folders
from ingestion.open_source import MANIFEST_NAME, open_source
from ingestion.records import Source
from ingestion.tfrecords import find_tfrecords
from serving.client_images import find_images


@dataclasses.dataclass(frozen=True, slots=True)
class SiteImage:
    """One image file of a site.

    Attributes:
        path: Where the file lies.
        name: What to call it in lists: relative to the source.
        patient: Equal for all images of one patient; the image's name where nothing names one.
        label: 1 is pneumonia, 0 is normal, None is unknown.
    """

    path: Path
    name: str
    patient: str
    label: int | None


@dataclasses.dataclass(frozen=True)
class Site:
    """All images of a site.

    Attributes:
        images: At least one.
        is_labelled: Whether all have a label.
        warnings: What to know about how they were read.
    """

    images: tuple[SiteImage, ...]
    is_labelled: bool
    warnings: tuple[str, ...] = ()


def open_site(source: str, work_dir: Path, settings: DataSettings) -> Site:
    """List the images of a site.

    A labelled source is what ingestion opens: class folders, a manifest, TFRecords, or a zip of
    them; images of all splits are taken. An unlabelled one is a folder or a zip of images in any
    arrangement, or a CSV file with the column `path` and, if wanted, `patient_id`.

    Args:
        source: Path of a folder, a zip or a CSV file.
        work_dir: Folder for what has to be unpacked.
        settings: Gives `max_archive_bytes`.

    Raises:
        InputError: There is no such source, or it cannot be used as it is.
    """
    path = Path(source).expanduser()
    if not path.exists():
        raise InputError(
            f"expected a folder, a .zip or a .csv file of images, got {source}, which does not "
            "exist; check the path"
        )
    if path.is_file() and path.suffix.lower() == ".csv":
        return _from_csv(path, work_dir, settings)
    if path.is_file() and (path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)):
        return _from_folder(
            unpack_archive(path, work_dir, settings.max_archive_bytes), work_dir, settings
        )
    if path.is_dir():
        return _from_folder(path, work_dir, settings)
    raise InputError(
        f"expected a folder, a .zip or a .csv file of images, got the file {path}; give the folder "
        "that holds it"
    )


def _from_folder(folder: Path, work_dir: Path, settings: DataSettings) -> Site:
    if (folder / MANIFEST_NAME).is_file():
        return _from_csv(folder / MANIFEST_NAME, work_dir, settings)
    if has_class_folders(folder) or find_tfrecords(folder):
        return _labelled(open_source(str(folder), work_dir, settings))
    images = []
    for path in find_images([folder]):
        name = path.relative_to(folder).as_posix()
        images.append(SiteImage(path, name, parse_file_name(path.name).patient_id or name, None))
    return Site(tuple(images), is_labelled=False)


def _from_csv(path: Path, work_dir: Path, settings: DataSettings) -> Site:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = [column.strip().lower() for column in reader.fieldnames or ()]
            if "label" in columns or "path" not in columns:
                # What is wrong with other columns, ingestion says.
                return _labelled(open_source(str(path), work_dir, settings))
            reader.fieldnames = columns
            names = [
                ((row["path"] or "").strip(), (row.get("patient_id") or "").strip())
                for row in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"expected a readable CSV file in UTF-8, got {path}: {error}; export it again"
        ) from error
    images = tuple(
        SiteImage(path.parent / name, name, patient or name, None)
        for name, patient in names
        if name
    )
    if not images:
        raise InputError(f"expected a line for each image in {path}, got none; list the images")
    return Site(images, is_labelled=False)


def _labelled(source: Source) -> Site:
    images = tuple(
        SiteImage(image.path, image.image_id, image.patient_id, image.label)
        for image in source.images
    )
    warnings = source.warnings
    if source.synthetic:
        warnings = ("the images are drawn by a program: no figure means anything", *warnings)
    return Site(images, is_labelled=True, warnings=warnings)
