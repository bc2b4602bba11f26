"""The images of a site, with labels where it has them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from contract.errors import InputError
from contract.settings import DataSettings
from ingestion.archive import unpack_archive
from ingestion.dicom_patient import dicom_patient
from ingestion.file_finder import FileFinder
from ingestion.file_names import parse_file_name
from ingestion.manifest import is_listed_leftover, read_path, read_table
from ingestion.open_source import (
    existing_path,
    find_layout,
    is_archive,
    is_manifest_name,
    open_source,
)
from ingestion.patients import is_missing
from ingestion.records import Source
from ingestion.walking import shown, walk

_KINDS = "a folder, a .zip or a .csv file of images"


@dataclasses.dataclass(frozen=True, slots=True)
class SiteImage:
    """One image file of a site.

    Attributes:
        path: Where the file is.
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
    path = existing_path(source, _KINDS)
    if path.is_dir():
        return _from_folder(path, work_dir, settings)
    if is_manifest_name(path):
        return _from_csv(path, work_dir, settings)
    if is_archive(path):
        return _from_folder(
            unpack_archive(path, work_dir, settings.max_archive_bytes), work_dir, settings
        )
    raise InputError(
        f"expected {_KINDS}, got the file {shown(path)}; give the folder that holds it"
    )


def _from_folder(folder: Path, work_dir: Path, settings: DataSettings) -> Site:
    layout = find_layout(folder)
    if layout is not None and layout.kind == "manifest":
        return _from_csv(layout.place, work_dir, settings)
    if layout is not None:
        return _labelled(open_source(str(folder), work_dir, settings))
    walked = walk(folder)
    if not walked.files:
        raise InputError(
            f"expected images in the folder {shown(folder)}, got no visible file; check the path"
        )
    images = []
    for path in walked.files:
        name = shown(path.relative_to(folder).as_posix())
        patient = dicom_patient(path) or parse_file_name(path.name).patient_id or name
        images.append(SiteImage(path, name, patient, None))
    return Site(tuple(images), is_labelled=False)


def _from_csv(path: Path, work_dir: Path, settings: DataSettings) -> Site:
    table = read_table(path)
    if "label" in table.columns or "path" not in table.columns:
        # What is wrong with other columns, ingestion says.
        return _labelled(open_source(str(path), work_dir, settings))
    finder = FileFinder(path.parent)
    images = []
    for line, row in table.rows:
        if not row["path"] or is_listed_leftover(row["path"]):
            continue
        image, name = read_path(path, line, row["path"], finder)
        patient = row.get("patient_id", "")
        images.append(SiteImage(image, name, name if is_missing(patient) else patient, None))
    if not images:
        raise InputError(
            f"expected a line for each image in {shown(path)}, got none; list the images"
        )
    return Site(tuple(images), is_labelled=False)


def _labelled(source: Source) -> Site:
    images = tuple(
        SiteImage(image.path, image.image_id, image.patient_id, image.label)
        for image in source.images
    )
    warnings = source.warnings
    if source.synthetic:
        warnings = ("the images are drawn by a program: no figure means anything", *warnings)
    return Site(images, is_labelled=True, warnings=warnings)
