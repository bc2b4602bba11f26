"""A folder in the well-known layout: class folders, inside split folders or alone."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from contract import features
from contract.errors import InputError
from ingestion.dicom_patient import dicom_patient
from ingestion.file_names import NameFacts, parse_file_name
from ingestion.patients import has_too_many, is_missing
from ingestion.records import Source, SourceImage, label_of, split_of
from ingestion.walking import list_folder, shown, walk

_MAX_DEPTH = 4  # folders around the layout, e.g. download/chest_xray/chest_xray
_WELL_KNOWN = "chest_xray"
_LAYOUT = "{train,val,test}/{NORMAL,PNEUMONIA}/ or {NORMAL,PNEUMONIA}/"
_MAX_MEAN_IMAGES = 10  # in folders of one patient each; wards, years and scanners have more
_NAMED = 5  # images or folders in a message


@dataclasses.dataclass(frozen=True, slots=True)
class _Found:
    """An image file: where it is, and what its name and its folders say."""

    path: Path
    image_id: str
    label: int
    split: str
    folders: tuple[str, ...]  # below the class folder
    facts: NameFacts
    dicom_patient: str | None


def read_folder(folder: Path, *, one_class: bool = False) -> Source:
    """List the images of a folder in the well-known layout.

    The layout is `{train,val,test}/{NORMAL,PNEUMONIA}/*`, where `val` and `test` may be missing, or
    just `{NORMAL,PNEUMONIA}/*`, also with the splits inside the class folders. `split_of` and
    `label_of` say which other words are known. The layout may be a few folders deeper
    (`chest_xray/`). Every file below a class folder counts as an image, but for what
    `ingestion.walking` passes over; whether it is one shows when it is read.

    The patient is the DICOM tag PatientID; else what the names of public sets say; else the folder,
    where there are folders of few images each below the class folders. Names that repeat over
    folders, such as the `IM-0001-0001` of OsiriX and Horos, are not patients.

    The patients of `train` and `test` were numbered apart in the public set (`person1` is one child
    in `train` and another in `test`), so patients known from names get the prefix `test/` in a
    `test` folder.

    Args:
        folder: An existing folder.
        one_class: Whether one class folder is enough.

    Raises:
        InputError: The folder holds nothing, has not this layout, a class folder is missing or
            empty, or a folder cannot be read.
    """
    root = _find_root(folder)
    warnings: list[str] = []
    found: list[_Found] = []
    loops: list[Path] = []
    split_folders = _named_folders(root, split_of)
    if split_folders:
        warnings += _passed_over(root, root, split_of)
    for split, split_folder in (split_folders or {"": root}).items():
        found.extend(_read_classes(root, split_folder, split, one_class, loops))
        warnings += _passed_over(root, split_folder, label_of)
    images, patient_warnings = _with_patients(found)
    warnings += _loop_warnings(root, loops) + _name_warnings(root, found) + patient_warnings
    return Source("folder", shown(folder), tuple(images), tuple(warnings))


def inner_folders(folder: Path) -> Iterator[Path]:
    """Yield a folder, and the ones inside it that merely wrap what it holds, from the outside in.

    A folder wraps another that is the only one in it, or the well-known `chest_xray`.

    Raises:
        InputError: One of them cannot be read.
    """
    for _ in range(_MAX_DEPTH):
        yield folder
        inner = [path for path, is_folder in list_folder(folder) if is_folder]
        well_known = [path for path in inner if path.name.lower() == _WELL_KNOWN]
        if not well_known and len(inner) != 1:
            return
        folder = (well_known or inner)[0]


def is_layout_root(folder: Path) -> bool:
    """Return whether split or class folders are directly in a folder, complete or not.

    Raises:
        InputError: It cannot be read, or names a split or a class twice.
    """
    return bool(_named_folders(folder, split_of) or _named_folders(folder, label_of))


def _find_root(folder: Path) -> Path:
    entries = list_folder(folder)
    if not entries:
        raise InputError(
            f"expected a folder with {_LAYOUT}, got the empty folder {shown(folder)}; "
            "check the path, or that the download or the copy was complete"
        )
    for candidate in inner_folders(folder):
        if is_layout_root(candidate):
            return candidate
    found = ", ".join(shown(path.name) for path, _ in entries[:8])
    fix = "rename the folders to this layout, or list the files in a CSV manifest"
    if zips := [path for path, _ in entries if path.suffix.lower() == ".zip"]:
        fix = f"unpack {shown(zips[0].name)} and give the folder, or give that zip itself"
    raise InputError(
        f"expected {shown(folder)} to hold {_LAYOUT}, TFRecords or a manifest.csv, got: {found}; "
        f"{fix}"
    )


def _named_folders(folder: Path, meaning: Callable[[str], str | None]) -> dict[str, Path]:
    """Return the folders whose name has a meaning, by the contract's word for it."""
    named: dict[str, Path] = {}
    for path, is_folder in list_folder(folder):
        word = meaning(path.name) if is_folder else None
        if word is None:
            continue
        if word in named:
            raise InputError(
                f"expected one folder for {word!r} in {shown(folder)}, got {named[word].name} and "
                f"{path.name}; merge them"
            )
        named[word] = path
    return named


def _passed_over(root: Path, folder: Path, meaning: Callable[[str], str | None]) -> list[str]:
    """Return a warning that names the entries beside the layout, where there are any."""
    others = [
        shown(path.relative_to(root).as_posix()) + ("/" if is_folder else "")
        for path, is_folder in list_folder(folder)
        if not (is_folder and meaning(path.name))
    ]
    if not others:
        return []
    return [f"outside the expected layout and not used: {', '.join(others[:8])}"]


def _read_classes(
    root: Path, folder: Path, split: str, one_class: bool, loops: list[Path]
) -> Iterator[_Found]:
    class_folders = _named_folders(folder, label_of)
    for label, label_name in enumerate(features.LABELS):
        if label_name not in class_folders:
            if one_class and class_folders:
                continue
            raise InputError(
                f"expected a class folder {label_name.upper()} in {shown(folder)}, got none; "
                "each split needs images of both classes"
            )
        class_folder = class_folders[label_name]
        walked = walk(class_folder)
        loops += walked.loops
        if not walked.files:
            raise InputError(
                f"expected images in {shown(class_folder)}, got an empty class folder; "
                "each split needs images of both classes"
            )
        for path in walked.files:
            folders = tuple(shown(part) for part in path.relative_to(class_folder).parts[:-1])
            inner_split = split_of(folders[0]) if folders and not split else None
            yield _Found(
                path=path,
                image_id=shown(path.relative_to(root).as_posix()),
                label=label,
                split=inner_split or split,
                folders=folders[1:] if inner_split else folders,
                facts=parse_file_name(path.name),
                dicom_patient=dicom_patient(path),
            )


def _with_patients(found: Sequence[_Found]) -> tuple[list[SourceImage], list[str]]:
    """Return the images with their patients, and what a user must know about these."""
    patient_folders = _patient_folders(found)
    images = []
    by_folder: set[str] = set()
    num_by_folder = 0
    for each in found:
        patient = each.dicom_patient
        if patient is None:
            folder = patient_folders.get((each.split, each.folders))
            name = folder or each.facts.patient_id
            if name and each.split == features.TEST and (folder or each.facts.numbered_by_split):
                name = f"{features.TEST}/{name}"
            patient = name or None
            if folder and name:
                by_folder.add(name)
                num_by_folder += 1
        subtype = features.NORMAL
        if features.LABELS[each.label] == features.PNEUMONIA:
            subtype = each.facts.subtype or features.UNKNOWN
        images.append(
            SourceImage(
                location=str(each.path),
                image_id=each.image_id,
                label=each.label,
                subtype=subtype,
                patient_id=patient or each.image_id,
                source_split=each.split,
                patient_known=patient is not None,
            )
        )
    warnings = _patient_warnings(images)
    if by_folder:
        warnings.append(
            f"{num_by_folder} images are in folders below the class folders, and each of these "
            f"{len(by_folder)} folders counts as one patient: "
            f"{', '.join(sorted(by_folder)[:_NAMED])}{', ...' if len(by_folder) > _NAMED else ''}"
        )
    return images, warnings


def _patient_folders(found: Sequence[_Found]) -> dict[tuple[str, tuple[str, ...]], str]:
    """Return which folders below class folders are a patient each, and the patient's name.

    Returns:
        By split and folders below the class folder; empty where the folders are not patients, since
        they hold too many images.
    """
    places: defaultdict[str, set[tuple[str, int, tuple[str, ...]]]] = defaultdict(set)
    for each in found:
        if each.folders and not each.dicom_patient:
            places[each.path.name].add((each.split, each.label, each.folders))
    repeated = {place for where in places.values() if len(where) > 1 for place in where}
    candidates = [
        each
        for each in found
        if each.folders
        and not each.dicom_patient
        and (not each.facts.patient_id or (each.split, each.label, each.folders) in repeated)
    ]
    # A tree may go hospital/patient/study: the outermost folders that can be patients are.
    for depth in range(1, max((len(each.folders) for each in candidates), default=0) + 1):
        sizes = Counter((each.split, each.folders[:depth]) for each in candidates)
        if len(candidates) <= _MAX_MEAN_IMAGES * len(sizes) and not any(
            has_too_many(size, len(found)) for size in sizes.values()
        ):
            return {
                (each.split, each.folders): "/".join(each.folders[:depth])
                for each in candidates
                if not is_missing(each.folders[min(depth, len(each.folders)) - 1])
            }
    return {}


def _patient_warnings(images: Sequence[SourceImage]) -> list[str]:
    warnings = []
    nameless = sum(not image.patient_known for image in images)
    if nameless:
        warnings.append(
            f"{nameless} of {len(images)} images have a file name without a patient: each counts "
            "as a separate patient, so images of one person can be in different splits; a CSV "
            "manifest with a patient_id column prevents that"
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
            f"folder's label: {', '.join(misplaced[:_NAMED])}"
        )
    return warnings


def _name_warnings(root: Path, found: Sequence[_Found]) -> list[str]:
    escaped = [each.image_id for each in found if _has_bytes(each.path.relative_to(root))]
    if not escaped:
        return []
    return [
        f"{len(escaped)} file names are not in UTF-8, and are listed with escapes: "
        f"{', '.join(escaped[:_NAMED])}"
    ]


def _has_bytes(path: Path) -> bool:
    """Return whether a name holds bytes that are not UTF-8, which Python keeps as surrogates."""
    return any("\udc80" <= character <= "\udcff" for character in str(path))


def _loop_warnings(root: Path, loops: Sequence[Path]) -> list[str]:
    if not loops:
        return []
    names = ", ".join(shown(path.relative_to(root).as_posix()) for path in loops[:_NAMED])
    return [f"links to a folder that they are in, not followed: {names}"]
