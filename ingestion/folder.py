"""A folder in the well-known layout: split folders that hold class folders, or class folders only.

Hidden files (names that start with a dot) and `__MACOSX` folders, which
archive programs leave behind, are not part of a source and are passed over.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from contract import features
from contract.errors import InputError
from ingestion.file_names import parse_file_name
from ingestion.records import SPLIT_NAMES, Source, SourceImage

_MAX_DEPTH = 4  # folders around the layout, e.g. download/chest_xray/chest_xray
_LAYOUT = "{train,val,test}/{NORMAL,PNEUMONIA}/ or {NORMAL,PNEUMONIA}/"


def read_folder(folder: Path, *, one_class: bool = False) -> Source:
    """List the images of a folder in the well-known layout.

    The layout is `{train,val,test}/{NORMAL,PNEUMONIA}/*`, where `val` and
    `test` may be missing, or just `{NORMAL,PNEUMONIA}/*`. The names may be in
    any case, and the layout may lie a few folders deeper (`chest_xray/`).
    Every visible file below a class folder counts as an image; whether it is
    one shows when it is read.

    The patients of `train` and `test` were numbered apart in the public set
    (`person1` is one child in `train` and another in `test`), so patients
    that the well-known names tell get the prefix `test/` in a `test` folder.

    Args:
        folder: An existing folder.
        one_class: Whether one class folder is enough.

    Raises:
        InputError: The folder holds nothing, has not this layout, or a class
            folder is missing or empty.
    """
    root = _find_root(folder)
    warnings = []
    images: list[SourceImage] = []
    split_folders = _named_folders(root, SPLIT_NAMES)
    if split_folders:
        for split_name, split_folder in split_folders.items():
            images.extend(_read_classes(root, split_folder, SPLIT_NAMES[split_name], one_class))
            warnings += _passed_over(root, split_folder, features.LABELS)
        warnings = _passed_over(root, root, SPLIT_NAMES) + warnings
    else:
        images.extend(_read_classes(root, root, "", one_class))
        warnings += _passed_over(root, root, features.LABELS)
    warnings += _patient_warnings(images)
    return Source("folder", str(folder), tuple(images), tuple(warnings))


def has_class_folders(folder: Path) -> bool:
    """Return whether a folder has the layout that `read_folder` reads, complete or not.

    Raises:
        InputError: It cannot be read, or names a class twice.
    """
    return _layout_root(folder) is not None


def _layout_root(folder: Path) -> Path | None:
    candidate = folder
    for _ in range(_MAX_DEPTH):
        if _named_folders(candidate, SPLIT_NAMES) or _named_folders(candidate, features.LABELS):
            return candidate
        inner = [entry for entry in _visible(candidate) if entry.is_dir()]
        well_known = [entry for entry in inner if entry.name.lower() == "chest_xray"]
        if not well_known and len(inner) != 1:
            return None
        candidate = (well_known or inner)[0]
    return None


def _find_root(folder: Path) -> Path:
    if not _visible(folder):
        raise InputError(
            f"expected a folder with {_LAYOUT}, got the empty folder {folder}; "
            "check the path, or that the download or the copy was complete"
        )
    root = _layout_root(folder)
    if root is not None:
        return root
    found = ", ".join(entry.name for entry in _visible(folder)[:8])
    raise InputError(
        f"expected {folder} to hold {_LAYOUT}, TFRecords or a manifest.csv, got: {found}; "
        "rename the folders to this layout, or list the files in a CSV manifest"
    )


def _visible(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(
            f"expected a readable folder, got {folder}: {error.strerror}; fix its permissions"
        ) from error
    return [e for e in entries if not e.name.startswith(".") and e.name != "__MACOSX"]


def _named_folders(folder: Path, names: Collection[str]) -> dict[str, Path]:
    """Return the visible folders whose lower-case name is among `names`, by that name."""
    found: dict[str, Path] = {}
    for entry in _visible(folder):
        name = entry.name.lower()
        if name in names and entry.is_dir():
            if name in found:
                raise InputError(
                    f"expected one folder for {name!r} in {folder}, got {found[name].name} and "
                    f"{entry.name}; merge them"
                )
            found[name] = entry
    return found


def _passed_over(root: Path, folder: Path, names: Collection[str]) -> list[str]:
    """Return a warning that names the entries beside the layout, where there are any."""
    others = [
        entry.relative_to(root).as_posix() + ("/" if entry.is_dir() else "")
        for entry in _visible(folder)
        if not (entry.is_dir() and entry.name.lower() in names)
    ]
    if not others:
        return []
    return [f"outside the expected layout and not used: {', '.join(others[:8])}"]


def _read_classes(root: Path, folder: Path, split: str, one_class: bool) -> Iterator[SourceImage]:
    class_folders = _named_folders(folder, features.LABELS)
    for label, label_name in enumerate(features.LABELS):
        if label_name not in class_folders:
            if one_class and class_folders:
                continue
            raise InputError(
                f"expected a class folder {label_name.upper()} in {folder}, got none; "
                "each split needs images of both classes"
            )
        paths = list(_files(class_folders[label_name]))
        if not paths:
            raise InputError(
                f"expected images in {class_folders[label_name]}, got an empty class folder; "
                "each split needs images of both classes"
            )
        for path in paths:
            yield _source_image(root, path, label, split)


def _files(folder: Path) -> Iterator[Path]:
    # os.scandir rather than Path.is_dir: no further system call for each of many thousand files.
    with os.scandir(folder) as scan:
        entries = sorted(scan, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith(".") or entry.name == "__MACOSX":
            continue
        if entry.is_dir():
            yield from _files(Path(entry.path))
        else:
            yield Path(entry.path)


def _source_image(root: Path, path: Path, label: int, split: str) -> SourceImage:
    image_id = path.relative_to(root).as_posix()
    facts = parse_file_name(path.name)
    patient_id = facts.patient_id or image_id
    if facts.patient_id and split == features.TEST:
        patient_id = f"{features.TEST}/{facts.patient_id}"
    subtype = features.NORMAL
    if features.LABELS[label] == features.PNEUMONIA:
        subtype = facts.subtype or features.UNKNOWN
    return SourceImage(path, image_id, label, subtype, patient_id, split, bool(facts.patient_id))


def _patient_warnings(images: list[SourceImage]) -> list[str]:
    warnings = []
    nameless = sum(not image.patient_known for image in images)
    if nameless:
        warnings.append(
            f"{nameless} of {len(images)} images have a file name that tells no patient: each "
            "counts as a patient of its own, so images of one person can fall into different "
            "splits; a CSV manifest with a patient_id column prevents that"
        )
    known = {image.patient_id for image in images if image.patient_known}
    prefix = f"{features.TEST}/"
    collisions = sum(
        patient.startswith(prefix) and patient[len(prefix) :] in known for patient in known
    )
    if collisions:
        warnings.append(
            f"{collisions} patient names occur in the source's test folder and outside it; the "
            "public set numbers the two apart, so they are taken for different patients"
        )
    misplaced = [
        image.image_id
        for image in images
        if features.LABELS[image.label] == features.NORMAL
        and parse_file_name(image.path.name).subtype
    ]
    if misplaced:
        warnings.append(
            f"{len(misplaced)} files in a NORMAL folder have a pneumonia file name, and keep the "
            f"folder's label: {', '.join(misplaced[:5])}"
        )
    return warnings
