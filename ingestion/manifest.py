"""A CSV manifest: `path,label,patient_id` and, where known, `subtype` and `split`."""

from __future__ import annotations

import codecs
import csv
import dataclasses
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from contract import features
from contract.errors import InputError, one_line
from ingestion.file_finder import FileFinder, is_absolute_on_windows, portable_name
from ingestion.patients import is_missing
from ingestion.records import (
    SPLIT_NAMES,
    SUBTYPE_NAMES,
    Source,
    SourceImage,
    fold_word,
    label_of,
    split_of,
)
from ingestion.walking import has_leftover, shown

_REQUIRED = ("path", "label", "patient_id")
_OPTIONAL = ("subtype", "split")
_JOINED = {name.replace("_", ""): name for name in _REQUIRED + _OPTIONAL}
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_DELIMITERS = (",", ";", "\t")  # Excel writes `;` where the comma is the decimal sign
_SEPARATOR_LINE = re.compile(r"\"?sep=(.)\"?\r?\n", re.IGNORECASE)  # for Excel alone


@dataclasses.dataclass(frozen=True)
class Table:
    """A CSV file without what spreadsheets leave in it: empty rows, empty columns.

    Attributes:
        path: The file.
        columns: Names in lower case, with `_` for spaces and `-`.
        cells: For each row, the number of its last line, counted from 1, and its values without
            spaces around them, in the order of `columns`.
        num_nameless: Columns that have values and no name.
    """

    path: Path
    columns: tuple[str, ...]
    cells: tuple[tuple[int, tuple[str, ...]], ...]
    num_nameless: int

    @property
    def rows(self) -> Iterator[tuple[int, Mapping[str, str]]]:
        """Yield the number of each row's line, and its values by column."""
        for line, values in self.cells:
            yield line, dict(zip(self.columns, values, strict=True))


def read_table(path: Path) -> Table:
    """Read a CSV file with a header, in UTF-8, or in Excel's UTF-16.

    Values are separated by commas, semicolons or tabs, whichever the header has.

    Raises:
        InputError: It cannot be read, is not such a file, or names a column twice.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"expected a readable manifest, got {shown(path)}: {error.strerror or error}; fix its "
            "permissions"
        ) from error
    try:
        text = data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig")
        return _parse_table(path, text)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"expected a CSV manifest in UTF-8, got {shown(path)}: {one_line(error)}; export it "
            "again, in Excel as `CSV UTF-8`"
        ) from error


def _parse_table(path: Path, text: str) -> Table:
    num_skipped = 0
    delimiter = None
    if separator := _SEPARATOR_LINE.match(text):
        delimiter, text, num_skipped = separator[1], text[separator.end() :], 1
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter or _delimiter(text), strict=True
    )
    header: list[str] | None = None
    rows = []
    nameless: set[int] = set()
    for cells in reader:
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        if header is None:
            header = [_column(cell) for cell in cells]
            columns = tuple(filter(None, header))
            if len(set(columns)) < len(columns):
                raise InputError(
                    f"expected each column once in {shown(path)}, got "
                    f"{one_line(', '.join(columns))}; remove the copy"
                )
            num_needed = max(number for number, name in enumerate(header, 1) if name)
            continue
        line = reader.line_num + num_skipped
        if len(cells) < num_needed or any(cells[len(header) :]):
            raise wrong_line(
                path,
                line,
                "as many values as the header has columns, got another number",
                "quote values that contain commas",
            )
        named = list(zip(header, cells, strict=False))
        nameless |= {number for number, (name, cell) in enumerate(named) if cell and not name}
        rows.append((line, tuple(cell for name, cell in named if name)))
    columns = tuple(filter(None, header or ()))
    return Table(path, columns, tuple(rows), len(nameless))


def _column(cell: str) -> str:
    """Return a column's name as `_REQUIRED` and `_OPTIONAL` write it: `Patient ID`, `PatientID`."""
    name = fold_word(cell).replace(" ", "_")
    return _JOINED.get(name.replace("_", ""), name)


def _delimiter(text: str) -> str:
    """Return the delimiter by which most of the required columns are in the header."""

    def num_columns(delimiter: str) -> int:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            header = next((row for row in rows if any(cell.strip() for cell in row)), [])
        except csv.Error:
            return 0
        return len({_column(cell) for cell in header} & set(_REQUIRED))

    return max(_DELIMITERS, key=num_columns)


def read_manifest(manifest: Path) -> Source:
    r"""List the images of a CSV manifest with a header line.

    Columns, in any order: `path`, relative to the manifest's folder; `label`, normal or pneumonia;
    `patient_id`; optionally `subtype`, bacterial (or bacteria), viral (or virus), unknown or empty;
    optionally `split`, as `ingestion.records.split_of` knows it, or empty. Words may be in any
    case. Paths may have `\` between folders, and be written as another system writes them
    (`FileFinder`). What `ingestion.walking` passes over in folders is passed over here, too.

    A listed file that is missing is not an error here: it is rejected, with
    its reason, when it is to be read.

    Raises:
        InputError: The file is not such a CSV; the message names line and value.
    """
    table = read_table(manifest)
    _check_columns(table)
    finder = FileFinder(manifest.parent)
    lines: dict[str, int] = {}
    images: list[SourceImage] = []
    passed_over: list[str] = []
    for line, row in table.rows:
        if is_listed_leftover(row["path"]):
            passed_over.append(row["path"])
            continue
        image = _read_row(manifest, line, row, finder)
        if image.location in lines:
            raise wrong_line(
                manifest,
                line,
                f"each path once, got {one_line(row['path'])!r}, which line "
                f"{lines[image.location]} has",
                "remove one of the lines",
            )
        lines[image.location] = line
        images.append(image)
    if not images:
        raise InputError(
            f"expected a line for each image in {shown(manifest)}, got none below the header; list "
            "the images"
        )
    return Source("manifest", shown(manifest), tuple(images), tuple(_warnings(table, passed_over)))


def is_manifest(path: Path) -> bool:
    """Return whether a file is a CSV file with the columns of a manifest."""
    try:
        return set(_REQUIRED) <= set(read_table(path).columns)
    except InputError:
        return False


def read_path(manifest: Path, line: int, written: str, finder: FileFinder) -> tuple[Path, str]:
    """Return where the file of a row is, and its name relative to the manifest.

    Raises:
        InputError: There is no path, or none that this system can have.
    """
    if not written:
        raise wrong_line(manifest, line, "a path, got none", "fill it in, or remove the line")
    if "\0" in written:
        raise wrong_line(
            manifest, line, f"a path, got {one_line(written)!r}", "remove the character NUL from it"
        )
    path = finder.find(written)
    if is_absolute_on_windows(written) and not os.path.lexists(path):
        raise wrong_line(
            manifest,
            line,
            f"a path relative to the manifest's folder, got {one_line(written)!r}, on a drive of "
            "Windows",
            "write where the file is from that folder",
        )
    name = written if path == manifest.parent / written else portable_name(written)
    return path, Path(name).as_posix()


def wrong_line(manifest: Path, line: int, expected_and_got: str, fix: str) -> InputError:
    """Return an error that names the line of a manifest."""
    return InputError(f"{shown(manifest)}, line {line}: expected {expected_and_got}; {fix}")


def is_listed_leftover(written: str) -> bool:
    """Return whether the path of a row is one that folders are read without."""
    path = PurePosixPath(portable_name(written))
    # Folders around the manifest's own may have any name.
    outside = path.is_absolute() or ".." in path.parts
    return has_leftover([path.name] if outside else path.parts)


def _warnings(table: Table, passed_over: Sequence[str]) -> Iterator[str]:
    extra = [column for column in table.columns if column not in _REQUIRED + _OPTIONAL]
    if extra:
        yield f"columns of the manifest not used: {one_line(', '.join(extra))}"
    if table.num_nameless:
        yield f"columns of the manifest without a name, not used: {table.num_nameless}"
    if passed_over:
        yield (
            f"{len(passed_over)} lines of the manifest name hidden files or files of the operating "
            f"system, not used: {one_line(', '.join(passed_over[:5]))}"
        )


def _check_columns(table: Table) -> None:
    missing = [column for column in _REQUIRED if column not in table.columns]
    if missing:
        raise InputError(
            f"expected the columns {', '.join(_REQUIRED)} in {shown(table.path)}, got "
            f"{one_line(', '.join(table.columns)) or 'no header'}: {', '.join(missing)} missing; "
            "add them to the header, separated by commas"
        )


def _read_row(manifest: Path, line: int, row: Mapping[str, str], finder: FileFinder) -> SourceImage:
    path, image_id = read_path(manifest, line, row["path"], finder)
    label = label_of(row["label"])
    if label is None:
        raise wrong_line(
            manifest,
            line,
            f"a label among {', '.join(features.LABELS)}, got {one_line(row['label'])!r}",
            "correct the label, or remove the line",
        )
    patient = row["patient_id"]
    if is_missing(patient):
        got = f"{one_line(patient)!r}, which names nobody" if patient else "none"
        raise wrong_line(
            manifest,
            line,
            f"a patient_id, got {got}",
            "fill it in: images are split by patient, and one word for all unknown patients would "
            "be one patient. Where a patient cannot be known, give each image a different id",
        )
    split = row.get("split", "")
    source_split = "" if is_missing(split) else split_of(split)
    if source_split is None:
        raise wrong_line(
            manifest,
            line,
            f"a split among {', '.join(SPLIT_NAMES)} or nothing, got {one_line(split)!r}",
            "correct it, or leave it empty",
        )
    return SourceImage(
        location=str(path),
        image_id=image_id,
        label=features.LABELS.index(label),
        subtype=_subtype(manifest, line, label, row.get("subtype", "")),
        patient_id=patient,
        source_split=source_split,
    )


def _subtype(manifest: Path, line: int, label: str, written: str) -> str:
    subtype = None if is_missing(written) else SUBTYPE_NAMES.get(fold_word(written), "")
    if label == features.NORMAL:
        if subtype in (None, features.NORMAL):
            return features.NORMAL
        expected = "no subtype for the label normal"
    elif subtype is None:
        return features.UNKNOWN
    elif subtype in features.PNEUMONIA_SUBTYPES:
        return subtype
    else:
        names = [name for name, meant in SUBTYPE_NAMES.items() if meant != features.NORMAL]
        expected = f"a subtype among {', '.join(names)} or nothing"
    raise wrong_line(
        manifest, line, f"{expected}, got {one_line(written)!r}", "correct the label or the subtype"
    )
