"""Write and read `OUTPUT/summary.json`."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pydantic import ValidationError

from contract.errors import InputError
from pipeline.summary_schema import SCHEMA_VERSION, Summary

FILE_NAME = "summary.json"


def write_summary(summary: Summary, path: Path) -> None:
    """Write a summary as JSON; a reader sees the old file or the whole new one.

    Args:
        summary: What to write.
        path: The file; its folder exists.

    Raises:
        ValueError: A setting is NaN or infinite, which JSON has no word for.
        OSError: The file cannot be written.
    """
    text = json.dumps(summary.model_dump(), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_summary(path: Path) -> Summary:
    """Read a summary that `write_summary` wrote.

    Raises:
        InputError: The file cannot be read, or does not follow this schema version.
    """
    try:
        return Summary.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: expected a run's summary, got {error.strerror}. "
            "How to fix: give the output folder of a run that has ended."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(
            f"{path}: expected a summary of schema version {SCHEMA_VERSION}, got a problem in "
            f"{place}: {first['msg']}. How to fix: run the pipeline again with this version."
        ) from error
