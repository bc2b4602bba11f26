"""A folder of TFRecords that already follow the feature contract.

Their images are unpacked into files first, and from there on are like those of
any other source: verified, hashed, split, checked for duplicates and described.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeVar

from contract import features
from contract.errors import InputError
from ingestion.patients import is_missing
from ingestion.records import SPLIT_NAMES, Source, SourceImage, split_of
from ingestion.tfrecord_file import decode_example, read_records
from ingestion.unpacking import fingerprint_files, folder_name, unpack_once
from ingestion.walking import list_folder, shown

_INDEX = "index.json"
# records.tfrecord, records.tfrecord.gz, xray.tfrecord-00000-of-00001, and what TFX writes:
# data_tfrecord-00000-of-00001.gz
_NAME = re.compile(r".*[._]tfrecords?(-\d+-of-\d+)?(\.gz)?", re.IGNORECASE)
_SUBTYPES_OF = {
    features.NORMAL: (features.NORMAL,),
    features.PNEUMONIA: features.PNEUMONIA_SUBTYPES,
}
# Computed from the image in any case, so records that are older than the feature will do.
_COMPUTED = (features.SHARPNESS_GROUP,)
_Value = TypeVar("_Value", bytes, int)


class _RecordImage(NamedTuple):
    """A record's picture, and the fields of its `SourceImage` after the path."""

    image_id: str
    encoded: bytes
    facts: tuple[str | int | bool, ...]


def is_tfrecord_file(path: Path) -> bool:
    """Return whether a file is called a TFRecord file, or begins with a record."""
    if _NAME.fullmatch(path.name):
        return True
    try:
        # A pipe would wait for a writer. Of other files, a few bytes show that they are none.
        return path.is_file() and next(read_records(path), None) is not None
    except (InputError, OSError):
        return False


def find_tfrecords(folder: Path) -> dict[str, list[Path]]:
    """Return TFRecord files by split, with "" for those directly in `folder`.

    Args:
        folder: Holds TFRecord files, by name or by content, or split folders of them, such as
            `train` or TFX's `Split-train`.

    Raises:
        InputError: There are files both in `folder` and in the subfolders, or one of the folders
            cannot be read.
    """
    found: dict[str, list[Path]] = {}
    flat = _tfrecord_files(folder)
    for path, is_folder in list_folder(folder):
        split = split_of(path.name) if is_folder else None
        if split and (files := _tfrecord_files(path)):
            found.setdefault(split, []).extend(files)
    if flat and found:
        raise InputError(
            f"expected TFRecords either in {shown(folder)} or in its split folders, got both "
            f"({flat[0].name} and {', '.join(found)}); move them to one place"
        )
    return {"": flat} if flat else found


def read_tfrecords(folder: Path, work_dir: Path) -> Source:
    """List the images of a folder of TFRecords, after unpacking them under `work_dir`.

    Records in split folders get that folder's split; others keep the
    `source_split` that they carry.

    Args:
        folder: As for `find_tfrecords`, with at least one file.
        work_dir: Folder for intermediate files.

    Raises:
        InputError: A file is truncated or damaged, or a record does not follow
            `contract.features`.
    """
    files = find_tfrecords(folder)
    unpacked = unpack_once(
        work_dir,
        folder_name(folder, "records"),
        fingerprint_files([path for paths in files.values() for path in paths]),
        lambda target: _unpack(files, target),
    )
    rows = json.loads((unpacked / _INDEX).read_text(encoding="utf-8"))
    images = tuple(SourceImage(str(unpacked / name), *facts) for name, *facts in rows)
    return Source("tfrecords", shown(folder), images)


def _tfrecord_files(folder: Path) -> list[Path]:
    return [
        path for path, is_folder in list_folder(folder) if not is_folder and is_tfrecord_file(path)
    ]


def _unpack(files: Mapping[str, list[Path]], target: Path) -> None:
    rows: list[list[str | int | bool]] = []
    first_seen: dict[str, Path] = {}
    for split, paths in files.items():
        for path in paths:
            stamp = path.stat().st_mtime_ns
            for number, record in enumerate(read_records(path), start=1):
                try:
                    image = _parse_record(record, split)
                    if image.image_id in first_seen:
                        raise ValueError(
                            f"each {features.IMAGE_ID} once, got {image.image_id!r} again (first "
                            f"in {first_seen[image.image_id]})"
                        )
                except ValueError as error:
                    raise InputError(
                        f"{path}, record {number}: expected {error}; write the records anew by the "
                        "contract in contract/features.py"
                    ) from error
                first_seen[image.image_id] = path
                name = f"{len(rows):08d}"
                (target / name).write_bytes(image.encoded)
                # As old as the records, so that unpacking again gives the same source.
                os.utime(target / name, ns=(stamp, stamp))
                rows.append([name, *image.facts])
    if not rows:
        raise InputError(
            f"expected at least one record in {', '.join(str(p) for p in chain(*files.values()))}, "
            "got none; write the files anew"
        )
    (target / _INDEX).write_text(json.dumps(rows), encoding="utf-8")


def _parse_record(record: bytes, folder_split: str) -> _RecordImage:
    """Return the image of a record, or raise ValueError with "X, got Y"."""
    try:
        decoded = decode_example(record)
    except ValueError as error:
        raise ValueError(f"a tf.train.Example, got other bytes ({error})") from error
    missing = [
        name
        for name in features.RAW_BYTES_FEATURES + features.RAW_INT_FEATURES
        if name not in decoded and name not in _COMPUTED
    ]
    if missing:
        raise ValueError(
            f"the contract's features, got {', '.join(sorted(decoded)) or 'none'}: "
            f"{', '.join(missing)} missing"
        )
    label = _one(decoded, features.LABEL, int)
    if not 0 <= label < len(features.LABELS):
        raise ValueError(f"{features.LABEL} from 0 to {len(features.LABELS) - 1}, got {label}")
    subtype = _text(decoded, features.SUBTYPE)
    subtypes = _SUBTYPES_OF[features.LABELS[label]]
    if subtype not in subtypes:
        raise ValueError(
            f"{features.SUBTYPE} among {', '.join(subtypes)} for the label "
            f"{features.LABELS[label]}, got {subtype!r}"
        )
    own_split = _text(decoded, features.SOURCE_SPLIT)
    split = folder_split or (split_of(own_split) if own_split else "")
    if split is None:
        raise ValueError(
            f"{features.SOURCE_SPLIT} among {', '.join(SPLIT_NAMES)} or empty, got {own_split!r}"
        )
    image_id, patient_id = (
        _text(decoded, name) for name in (features.IMAGE_ID, features.PATIENT_ID)
    )
    for name, value in ((features.IMAGE_ID, image_id), (features.PATIENT_ID, patient_id)):
        if not value:
            raise ValueError(f"a {name}, got an empty one")
    if is_missing(patient_id):
        raise ValueError(f"a {features.PATIENT_ID}, got {patient_id!r}, which names nobody")
    # Records of images without a known patient carry the image's own id as the patient.
    facts = (image_id, label, subtype, patient_id, split, patient_id != image_id)
    return _RecordImage(image_id, _one(decoded, features.IMAGE_BYTES, bytes), facts)


def _one(decoded: Mapping[str, Sequence[object]], name: str, kind: type[_Value]) -> _Value:
    values = decoded[name]
    if len(values) != 1 or not isinstance(values[0], kind):
        kinds = ", ".join(sorted({type(value).__name__ for value in values})) or "nothing"
        raise ValueError(f"one {kind.__name__} in {name}, got {len(values)} values of {kinds}")
    return values[0]


def _text(decoded: Mapping[str, Sequence[object]], name: str) -> str:
    value = _one(decoded, name, bytes)
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"UTF-8 in {name}, got {value[:20]!r}") from error
