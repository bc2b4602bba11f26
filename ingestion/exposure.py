"""How bright the images of a split are."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from contract import features
from ingestion.images import decode_grey
from ingestion.sharpness import THUMBNAIL_PX, make_thumbnail
from ingestion.tfrecord_file import decode_example, read_records

_CHUNK_IMAGES = 256  # read at a time: encoded images of a chunk are held in memory
_MAX_THREADS = 8  # decoders leave Python's lock


def measure_mean_greys(folder: Path) -> dict[str, float]:
    """Return the mean grey level of each image's thumbnail, in [0, 255], by image id.

    Args:
        folder: Gzipped TFRecord files of raw records.

    Raises:
        InputError: A file is damaged.
        ValueError: An image cannot be decoded.
    """
    greys: dict[str, float] = {}
    records = _read(folder)
    with ThreadPoolExecutor(min(len(os.sched_getaffinity(0)), _MAX_THREADS)) as pool:
        while chunk := list(itertools.islice(records, _CHUNK_IMAGES)):
            greys.update(pool.map(_measure, chunk))
    return greys


def _read(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.iterdir()):
        yield from read_records(path)


def _measure(record: bytes) -> tuple[str, float]:
    example = decode_example(record)
    (encoded,), (image_id,) = example[features.IMAGE_BYTES], example[features.IMAGE_ID]
    assert isinstance(encoded, bytes)
    assert isinstance(image_id, bytes)
    thumbnail = make_thumbnail(decode_grey(encoded, 2 * THUMBNAIL_PX))
    # Names of files need not be UTF-8; the report's other parts read them so, too.
    return image_id.decode(errors="replace"), float(thumbnail.mean())
