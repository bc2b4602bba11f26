"""Measure the nuisance features of all records of some splits."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.errors import InputError
from components.ingestion.tf_example import decode_example
from components.ingestion.tfrecord_file import read_records
from components.progress import report_progress
from components.shortcuts.image_statistics import image_statistics
from models import features

MEASURED_SPLITS = (features.TRAIN, features.VALIDATION)  # what a model will be judged on stays shut
_CHUNK_IMAGES = 256  # read at a time: encoded images of a chunk are held in memory
# Decoders leave Python's lock: two threads halve the time of large originals, where decoding is
# nearly all of it, and change nothing for small images.
_MAX_THREADS = 8


def measure_records(
    folders: Mapping[str, Path], num_records: Mapping[str, int]
) -> tuple[list[dict[str, float]], npt.NDArray[np.int64]]:
    """Measure every record of the splits of `MEASURED_SPLITS`, and tell the progress.

    Args:
        folders: By split, a folder of TFRecord files that follow the feature contract.
        num_records: By split, the records in it; for the progress.

    Returns:
        What `image_statistics` says of each record, and the labels, int64 [n].

    Raises:
        InputError: A file is damaged, or an image cannot be decoded.
    """
    statistics: list[dict[str, float]] = []
    labels: list[int] = []
    records = _read([folders[split] for split in MEASURED_SPLITS])
    total = sum(num_records[split] for split in MEASURED_SPLITS)
    num_threads = min(len(os.sched_getaffinity(0)), _MAX_THREADS)
    with ThreadPoolExecutor(num_threads) as pool:
        while chunk := list(itertools.islice(records, _CHUNK_IMAGES)):
            for image, label in pool.map(_measure, chunk):
                statistics.append(image)
                labels.append(label)
            report_progress("Looking for shortcuts", len(labels), total, "image")
    return statistics, np.array(labels, np.int64)


def _read(folders: Sequence[Path]) -> Iterator[bytes]:
    for folder in folders:
        for path in sorted(folder.iterdir()):
            yield from read_records(path)


def _measure(record: bytes) -> tuple[dict[str, float], int]:
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
    return image, int(value(features.LABEL))
