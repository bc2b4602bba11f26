"""Measure the nuisance features of all records of some splits."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from contract import features
from contract.errors import InputError
from contract.facts import Measured
from contract.progress import report_progress
from ingestion.nuisance_statistics import image_statistics
from ingestion.tfrecord_file import decode_example, read_records

_CHUNK_IMAGES = 256  # read at a time: encoded images of a chunk are held in memory
# Decoders leave Python's lock: two threads halve the time of large originals, where decoding is
# nearly all of it, and change nothing for small images.
_MAX_THREADS = 8


def measure_records(
    folders: Mapping[str, Path], num_records: Mapping[str, int]
) -> dict[str, Measured]:
    """Measure every record of some splits, and report the progress.

    Args:
        folders: By split, a folder of TFRecord files that follow the feature contract.
        num_records: By split, the records in it; for the progress.

    Returns:
        By split, in the records' order.

    Raises:
        InputError: A file is damaged, or an image cannot be decoded.
    """
    total = sum(num_records[split] for split in folders)
    num_threads = min(len(os.sched_getaffinity(0)), _MAX_THREADS)
    measured: dict[str, Measured] = {}
    num_done = 0
    with ThreadPoolExecutor(num_threads) as pool:
        for split, folder in folders.items():
            records = _read(folder)
            rows: list[tuple[dict[str, float], int, str]] = []
            while chunk := list(itertools.islice(records, _CHUNK_IMAGES)):
                rows += pool.map(_measure, chunk)
                report_progress("Looking for shortcuts", num_done + len(rows), total, "image")
            num_done += len(rows)
            measured[split] = Measured(
                [image for image, _, _ in rows],
                np.array([label for _, label, _ in rows], np.int64),
                [patient for _, _, patient in rows],
            )
    return measured


def _read(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.iterdir()):
        yield from read_records(path)


def _measure(record: bytes) -> tuple[dict[str, float], int, str]:
    example = decode_example(record)

    def value(name: str) -> bytes | int | float:
        (single,) = example[name]  # the schema has been checked: every feature is a scalar
        return single

    encoded, height, width = (
        value(name) for name in (features.IMAGE_BYTES, features.HEIGHT, features.WIDTH)
    )
    assert isinstance(encoded, bytes)
    try:
        image = image_statistics(encoded, int(height), int(width))
    except ValueError as error:
        raise InputError(
            f"{value(features.IMAGE_ID)!r}: {error}; convert the source again"
        ) from error
    patient_id = value(features.PATIENT_ID)
    assert isinstance(patient_id, bytes)
    return image, int(value(features.LABEL)), patient_id.decode(errors="replace")
