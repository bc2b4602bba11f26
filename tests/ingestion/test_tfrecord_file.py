from __future__ import annotations

import gzip

import pytest

from contract.errors import InputError
from ingestion.tfrecord_file import read_records, write_gzip_records

_RECORDS = [b"first", b"", bytes(range(256)) * 50]


@pytest.fixture
def packed(tmp_path):
    path = tmp_path / "a.tfrecord.gz"
    assert write_gzip_records(path, _RECORDS) == 3
    return path


def test_records_come_back(packed):
    assert list(read_records(packed)) == _RECORDS


def test_plain_files_are_read_too(packed, tmp_path):
    plain = tmp_path / "a.tfrecord"
    plain.write_bytes(gzip.decompress(packed.read_bytes()))
    assert list(read_records(plain)) == _RECORDS


def test_known_bytes_of_the_format(tmp_path):
    # What tf.io.TFRecordWriter writes for the same record.
    path = tmp_path / "a.tfrecord.gz"
    write_gzip_records(path, [b"x"])
    assert gzip.decompress(path.read_bytes()).hex() == "01000000000000000175de4178503daa61"


def test_equal_records_give_equal_files(packed, tmp_path):
    again = tmp_path / "other-name.tfrecord.gz"
    write_gzip_records(again, _RECORDS)
    assert again.read_bytes() == packed.read_bytes()


def test_no_records_give_a_valid_empty_file(tmp_path):
    path = tmp_path / "a.tfrecord.gz"
    assert write_gzip_records(path, []) == 0
    assert list(read_records(path)) == []
    assert gzip.decompress(path.read_bytes()) == b""


@pytest.mark.parametrize("cut", [1, 8, 30, 100])
def test_truncated_gzip_is_refused(packed, cut):
    packed.write_bytes(packed.read_bytes()[:-cut])
    with pytest.raises(
        InputError, match=r"expected a complete TFRecord file, got .*a\.tfrecord\.gz"
    ):
        list(read_records(packed))


@pytest.mark.parametrize("cut", [1, 4, 100, 12_800, 12_810])
def test_truncated_plain_file_is_refused(packed, tmp_path, cut):
    plain = tmp_path / "a.tfrecord"
    plain.write_bytes(gzip.decompress(packed.read_bytes())[:-cut])
    with pytest.raises(InputError, match="broken record 3: it is truncated; copy or write"):
        list(read_records(plain))


@pytest.mark.parametrize(
    ("at", "what"), [(0, "length"), (9, "length"), (12, "bytes"), (18, "bytes")]
)
def test_flipped_bits_are_found(packed, tmp_path, at, what):
    data = bytearray(gzip.decompress(packed.read_bytes()))
    data[at] ^= 4
    plain = tmp_path / "a.tfrecord"
    plain.write_bytes(data)
    with pytest.raises(InputError, match=f"broken record 1: the checksum of its {what} is wrong"):
        list(read_records(plain))


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(b"this is a text of some length")
    with pytest.raises(InputError, match="broken record 1"):
        list(read_records(path))
    path = tmp_path / "a.tfrecord.gz"
    path.write_bytes(b"this is no gzip")
    with pytest.raises(InputError, match="broken record 1"):
        list(read_records(path))
