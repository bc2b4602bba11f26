"""A CSV manifest: `path,label,patient_id` and, where known, `subtype` and `split`."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from contract import features
from contract.errors import InputError
from ingestion.records import SPLIT_NAMES, Source, SourceImage

_REQUIRED = ("path", "label", "patient_id")
_OPTIONAL = ("subtype", "split")
_SUBTYPE_NAMES = {
    "bacterial": features.BACTERIAL,
    "bacteria": features.BACTERIAL,
    "viral": features.VIRAL,
    "virus": features.VIRAL,
    "unknown": features.UNKNOWN,
    "": features.UNKNOWN,
}
_NORMAL_SUBTYPE_NAMES = ("", features.NORMAL)


def read_manifest(manifest: Path) -> Source:
    """List the images of a CSV manifest in UTF-8 with a header line.

    Columns, in any order: `path`, relative to the manifest's folder; `label`,
    normal or pneumonia; `patient_id`; optionally `subtype`, bacterial (or
    bacteria), viral (or virus), unknown or empty; optionally `split`, train,
    val, validation, test or empty. Words may be in any case.

    A listed file that is missing is no error here: it is rejected, with its
    reason, when it is to be read.

    Raises:
        InputError: The file is no such CSV; the message names line and value.
    """
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = [column.strip().lower() for column in reader.fieldnames or ()]
            _check_columns(manifest, columns)
            reader.fieldnames = columns
            lines: dict[Path, int] = {}
            images: list[SourceImage] = []
            for row in reader:
                image = _read_row(manifest, reader.line_num, row)
                if image.path in lines:
                    raise _wrong(
                        manifest,
                        reader.line_num,
                        f"each path once, got {row['path']!r}, which line {lines[image.path]} has",
                        "remove one of the lines",
                    )
                lines[image.path] = reader.line_num
                images.append(image)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"expected a CSV manifest in UTF-8, got {manifest}: {error}; export it again"
        ) from error
    except OSError as error:
        raise InputError(
            f"expected a readable manifest, got {manifest}: {error.strerror}; fix its permissions"
        ) from error
    if not images:
        raise InputError(
            f"expected a line for each image in {manifest}, got none below the header; list the "
            "images"
        )
    extra = [column for column in columns if column not in _REQUIRED + _OPTIONAL]
    warnings = (f"columns of the manifest not used: {', '.join(extra)}",) if extra else ()
    return Source("manifest", str(manifest), tuple(images), warnings)


def _check_columns(manifest: Path, columns: list[str]) -> None:
    missing = [column for column in _REQUIRED if column not in columns]
    if missing:
        raise InputError(
            f"expected the columns {', '.join(_REQUIRED)} in {manifest}, got "
            f"{', '.join(columns) or 'no header'}: {', '.join(missing)} missing; add them to the "
            "header, separated by commas"
        )
    if len(set(columns)) < len(columns):
        raise InputError(
            f"expected each column once in {manifest}, got {', '.join(columns)}; remove the copy"
        )


def _read_row(manifest: Path, line: int, row: Mapping[str | None, str | None]) -> SourceImage:
    if None in row or None in row.values():
        raise _wrong(
            manifest,
            line,
            "as many values as the header has columns, got another number",
            "quote values that contain commas",
        )
    values = {name: (value or "").strip() for name, value in row.items() if name is not None}
    path = values["path"]
    if not path:
        raise _wrong(manifest, line, "a path, got none", "fill it in, or remove the line")
    label = values["label"].lower()
    if label not in features.LABELS:
        raise _wrong(
            manifest,
            line,
            f"a label among {', '.join(features.LABELS)}, got {values['label']!r}",
            "correct the label, or remove the line",
        )
    if not values["patient_id"]:
        raise _wrong(
            manifest,
            line,
            "a patient_id, got none",
            "fill it in: images are split by patient",
        )
    split = values.get("split", "").lower()
    if split and split not in SPLIT_NAMES:
        raise _wrong(
            manifest,
            line,
            f"a split among {', '.join(SPLIT_NAMES)} or nothing, got {values['split']!r}",
            "correct it, or leave it empty",
        )
    return SourceImage(
        path=manifest.parent / path,
        image_id=Path(path).as_posix(),
        label=features.LABELS.index(label),
        subtype=_subtype(manifest, line, label, values.get("subtype", "")),
        patient_id=values["patient_id"],
        source_split=SPLIT_NAMES[split] if split else "",
    )


def _subtype(manifest: Path, line: int, label: str, written: str) -> str:
    name = written.lower()
    if label == features.NORMAL:
        if name in _NORMAL_SUBTYPE_NAMES:
            return features.NORMAL
        expected = "no subtype for the label normal"
    elif name in _SUBTYPE_NAMES:
        return _SUBTYPE_NAMES[name]
    else:
        expected = f"a subtype among {', '.join(filter(None, _SUBTYPE_NAMES))} or nothing"
    raise _wrong(manifest, line, f"{expected}, got {written!r}", "correct the label or the subtype")


def _wrong(manifest: Path, line: int, expected_and_got: str, fix: str) -> InputError:
    return InputError(f"{manifest}, line {line}: expected {expected_and_got}; {fix}")
