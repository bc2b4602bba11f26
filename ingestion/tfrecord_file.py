"""Files of raw records: the one place that writes them and reads them.

A record is a `tf.train.Example` that follows `contract.features`. TensorFlow writes it; the files
are read here, because TensorFlow's reader takes a gzip file that was cut off between two of its
records, or within the last eight bytes, for a complete one. The format is that of
tensorflow/core/lib/io/record_writer.h: a record's length (uint64), the length's checksum, the
bytes and their checksum, all little-endian. A checksum is a masked CRC-32C.

TensorFlow is imported by the first record that is written or parsed: what needs the names of files
alone does without.
"""

from __future__ import annotations

import gzip
import io
import itertools
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import google_crc32c

from contract.errors import InputError

_MASK_DELTA = 0xA282EAD8
_LENGTH_BYTES = 8
_CRC_BYTES = 4
_GZIP_START = b"\x1f\x8b"
_AGAIN = "convert the source again"
_FIX = "copy or write the file again"
_CHUNK_RECORDS = 256  # read at a time: their encoded images are held in memory
_MAX_THREADS = 8
_Value = TypeVar("_Value", bytes, int)
_Result = TypeVar("_Result")


class RawRecord:
    """One record of a file, parsed; its image stays encoded.

    Args:
        serialized: The `tf.train.Example`.
        place: Where it comes from, for errors.

    Raises:
        InputError: It is no `tf.train.Example`.
    """

    def __init__(self, serialized: bytes, place: str) -> None:
        self.serialized = serialized
        self._place = place
        try:
            self._values = decode_example(serialized)
        except ValueError as error:
            raise InputError(f"expected records, got {place}: {error}; {_FIX}") from error

    def data(self, name: str) -> bytes:
        """Return the one value of a bytes feature; raises `InputError` where there is none."""
        return self._single(name, bytes)

    def text(self, name: str) -> str:
        """Return the one value of a bytes feature as text; raises `InputError` likewise.

        Names of files need not be UTF-8: what is not gets replacement characters.
        """
        return self.data(name).decode(errors="replace")

    def number(self, name: str) -> int:
        """Return the one value of an integer feature; raises `InputError` likewise."""
        return self._single(name, int)

    def _single(self, name: str, kind: type[_Value]) -> _Value:
        values = self._values.get(name, [])
        if len(values) != 1 or not isinstance(values[0], kind):
            got = ", ".join(type(value).__name__ for value in values[:3]) or "none"
            raise InputError(
                f"expected one value of {name}, of type {kind.__name__}, in {self._place}, got "
                f"{len(values)} ({got}); {_AGAIN}"
            )
        return values[0]


def read_folder(folder: Path) -> Iterator[RawRecord]:
    """Yield all records of a folder of TFRecord files, such as a split, one in memory at a time.

    Args:
        folder: Gzipped or plain TFRecord files, and nothing else.

    Yields:
        Records in their order, of files in the order of their names.

    Raises:
        InputError: There is no such folder, or a file is damaged or holds something else.
    """
    if not folder.is_dir():
        raise InputError(
            f"expected records in {folder}, got none: there is no such folder; {_AGAIN}"
        )
    for path in sorted(folder.iterdir()):
        for number, serialized in enumerate(read_records(path), start=1):
            yield RawRecord(serialized, f"record {number} of {path}")


def map_folder(function: Callable[[RawRecord], _Result], folder: Path) -> Iterator[_Result]:
    """Yield what a function returns for all records of a folder, in the records' order.

    Args:
        function: Called in several threads; decoders leave Python's lock. Two halve the time of
            large originals, where decoding is nearly all of it.
        folder: As for `read_folder`.

    Raises:
        InputError: As for `read_folder`; and whatever `function` raises.
    """
    records = read_folder(folder)
    with ThreadPoolExecutor(min(len(os.sched_getaffinity(0)), _MAX_THREADS)) as pool:
        while chunk := list(itertools.islice(records, _CHUNK_RECORDS)):
            yield from pool.map(function, chunk)


def read_records(path: Path) -> Iterator[bytes]:
    """Yield the serialised records of a TFRecord file, each with its checksum verified.

    Args:
        path: A plain or a gzipped file, whatever its name is.

    Raises:
        InputError: The file is truncated, damaged or no TFRecord file; the message gives the
            record's number and its offset, uncompressed.
    """
    number, offset = 0, 0
    with _open(path) as file:
        while True:
            number += 1
            try:
                record = _read_record(file)
            except (ValueError, EOFError, OSError, zlib.error) as error:
                raise InputError(
                    f"expected a complete TFRecord file, got {path} with a broken record "
                    f"{number} at byte {offset}: {error}; {_FIX}"
                ) from error
            if record is None:
                return
            offset += _LENGTH_BYTES + len(record) + 2 * _CRC_BYTES
            yield record


def write_gzip_records(path: Path, records: Iterable[bytes]) -> int:
    """Write serialised records to a gzipped TFRecord file and return how many there were.

    Equal records give equal files: the header holds neither name nor time.

    Raises:
        tf.errors.OpError: The file cannot be written.
    """
    import tensorflow as tf

    # Encoded images hardly shrink. Huffman coding alone takes a third of the time of the
    # fastest search for repetitions, which would save a tenth of the size.
    options = tf.io.TFRecordOptions(
        compression_type="GZIP",
        compression_level=zlib.Z_BEST_SPEED,
        compression_strategy=zlib.Z_HUFFMAN_ONLY,
    )
    count = 0
    with tf.io.TFRecordWriter(str(path), options) as writer:
        for record in records:
            writer.write(record)
            count += 1
    return count


def encode_example(values: Mapping[str, bytes | int]) -> bytes:
    """Return a serialised `tf.train.Example` with one value for each feature.

    Args:
        values: Bytes become a `bytes_list`, integers an `int64_list`, of length one.

    Returns:
        Bytes that are equal for equal `values`, whatever their order.
    """
    import tensorflow as tf

    example = tf.train.Example()
    for name, value in values.items():
        feature = example.features.feature[name]
        if isinstance(value, bytes):
            feature.bytes_list.value.append(value)
        else:
            feature.int64_list.value.append(value)
    encoded: bytes = example.SerializeToString(deterministic=True)
    return encoded


def decode_example(serialized: bytes) -> dict[str, list[bytes] | list[int] | list[float]]:
    """Return the features of a serialised `tf.train.Example`.

    Raises:
        ValueError: `serialized` is not a `tf.train.Example`.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        example: Any = tf.train.Example.FromString(serialized)
    except DecodeError as error:
        raise ValueError(f"not a tf.train.Example: {error}") from error
    decoded = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        decoded[name] = list(getattr(feature, kind).value) if kind else []
    return decoded


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        is_gzipped = file.read(len(_GZIP_START)) == _GZIP_START
    if is_gzipped:
        return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, gzip.open(path, "rb"))))
    return path.open("rb")


def _read_record(file: BinaryIO) -> bytes | None:
    header = file.read(_LENGTH_BYTES + _CRC_BYTES)
    if not header:
        return None
    if len(header) < _LENGTH_BYTES + _CRC_BYTES:
        raise ValueError("it is truncated")
    length = header[:_LENGTH_BYTES]
    if _masked_crc(length) != header[_LENGTH_BYTES:]:
        raise ValueError("the checksum of its length is wrong")
    (num_bytes,) = struct.unpack("<Q", length)
    body = file.read(num_bytes + _CRC_BYTES)
    if len(body) < num_bytes + _CRC_BYTES:
        raise ValueError("it is truncated")
    record = body[:num_bytes]
    if _masked_crc(record) != body[num_bytes:]:
        raise ValueError("the checksum of its bytes is wrong")
    return record


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    rotated = ((crc >> 15) | (crc << 17)) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + _MASK_DELTA) & 0xFFFFFFFF)
