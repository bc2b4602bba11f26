"""TFRecord files, plain or gzipped, written and checked without TensorFlow.

A record is its length (uint64), the length's checksum, the bytes and their
checksum, all little-endian. A checksum is a masked CRC-32C; the format and the
mask's constant are those of tensorflow/core/lib/io/record_writer.h.
"""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, cast

import google_crc32c

from contract.errors import InputError

SUFFIXES = (".tfrecord", ".tfrecord.gz")
_MASK_DELTA = 0xA282EAD8
_LENGTH_BYTES = 8
_CRC_BYTES = 4
_GZIP_WRAPPER = 16 + zlib.MAX_WBITS  # zlib's way to ask for a gzip header and trailer
_BLOCK_BYTES = 1 << 19  # large enough that handing a block over costs nothing beside its work
_FIX = "copy or write the file again"


def write_gzip_records(path: Path, records: Iterable[bytes]) -> int:
    """Write `records` to a gzipped TFRecord file and return how many there were.

    Equal records give equal files: no name and no time stands in the header.
    A second thread compresses and writes while the caller makes the next
    records; a block or two of them is held in memory.
    """
    # Encoded images hardly shrink. Huffman coding alone takes a third of the time of the
    # fastest search for repetitions, which would save a tenth of the size.
    compressor = zlib.compressobj(
        zlib.Z_BEST_SPEED, zlib.DEFLATED, _GZIP_WRAPPER, strategy=zlib.Z_HUFFMAN_ONLY
    )
    count = 0
    block = bytearray()
    with path.open("wb") as file, ThreadPoolExecutor(max_workers=1) as executor:

        def compress_and_write(data: bytes) -> None:
            file.write(compressor.compress(data))

        writing = executor.submit(compress_and_write, b"")
        for record in records:
            length = struct.pack("<Q", len(record))
            block += b"".join((length, _masked_crc(length), record, _masked_crc(record)))
            count += 1
            if len(block) >= _BLOCK_BYTES:
                writing.result()
                writing = executor.submit(compress_and_write, bytes(block))
                block.clear()
        writing.result()
        compress_and_write(bytes(block))
        file.write(compressor.flush())
    return count


def read_records(path: Path) -> Iterator[bytes]:
    """Yield the records of a TFRecord file, each with its checksum verified.

    Args:
        path: A `.tfrecord` file, or a `.tfrecord.gz` file.

    Raises:
        InputError: The file is truncated, damaged or no TFRecord file.
    """
    number = 0
    with _open(path) as file:
        while True:
            number += 1
            try:
                record = _read_record(file)
            except (ValueError, EOFError, OSError, zlib.error) as error:
                raise InputError(
                    f"expected a complete TFRecord file, got {path} with a broken record "
                    f"{number}: {error}; {_FIX}"
                ) from error
            if record is None:
                return
            yield record


def _open(path: Path) -> BinaryIO:
    if path.name.endswith(".gz"):
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
