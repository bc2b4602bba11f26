from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import InputError
from ingestion.tfrecord_file import (
    decode_example,
    encode_example,
    map_folder,
    read_folder,
    read_records,
    write_gzip_records,
)

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
    with pytest.raises(
        InputError, match="broken record 3 at byte 37: it is truncated; copy or write"
    ):
        list(read_records(plain))


@pytest.mark.parametrize(
    ("at", "what"), [(0, "length"), (9, "length"), (12, "bytes"), (18, "bytes")]
)
def test_flipped_bits_are_found(packed, tmp_path, at, what):
    data = bytearray(gzip.decompress(packed.read_bytes()))
    data[at] ^= 4
    plain = tmp_path / "a.tfrecord"
    plain.write_bytes(data)
    with pytest.raises(
        InputError, match=f"broken record 1 at byte 0: the checksum of its {what} is wrong"
    ):
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


def test_a_folder_is_read_in_the_order_of_its_files(tmp_path):
    for name, numbers in {"b.gz": [3], "a.gz": [1, 2]}.items():
        records = [encode_example({"n": number, "t": b"caf\xe9"}) for number in numbers]
        write_gzip_records(tmp_path / name, records)
    found = list(read_folder(tmp_path))
    assert [record.number("n") for record in found] == [1, 2, 3]
    assert {record.text("t") for record in found} == {"caf\N{REPLACEMENT CHARACTER}"}
    assert {record.data("t") for record in found} == {b"caf\xe9"}
    assert found[0].serialized == encode_example({"t": b"caf\xe9", "n": 1})


@pytest.mark.parametrize(("values", "got"), [({}, "got 0 "), ({"n": b"1"}, r"got 1 \(bytes\)")])
def test_a_value_that_is_not_as_expected_names_its_record(tmp_path, values, got):
    write_gzip_records(tmp_path / "a.gz", [encode_example({"n": 0}), encode_example(values)])
    first, second = read_folder(tmp_path)
    assert first.number("n") == 0
    with pytest.raises(InputError, match=rf"one value of n, .* record 2 of .*a\.gz, {got}"):
        second.number("n")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"expected records in .*absent, got none"):
        list(read_folder(tmp_path / "absent"))


def test_a_function_is_mapped_over_all_records_in_order(tmp_path):
    for name, first in {"a.gz": 0, "b.gz": 300}.items():
        records = [encode_example({"n": number}) for number in range(first, first + 300)]
        write_gzip_records(tmp_path / name, records)
    assert list(map_folder(lambda record: record.number("n"), tmp_path)) == list(range(600))


def test_a_folder_of_other_records_is_refused(tmp_path):
    write_gzip_records(tmp_path / "a.gz", [b"this is a text"])
    with pytest.raises(InputError, match=r"record 1 of .*a\.gz: not a tf\.train\.Example"):
        list(read_folder(tmp_path))


@given(
    st.dictionaries(st.text(max_size=8), st.binary(max_size=30) | st.integers(-(2**63), 2**63 - 1))
)
def test_values_come_back(values):
    decoded = decode_example(encode_example(values))
    assert decoded == {name: [value] for name, value in values.items()}


def test_order_of_features_does_not_matter():
    assert encode_example({"a": 1, "b": b"2"}) == encode_example({"b": b"2", "a": 1})


def test_known_bytes_of_an_example():
    # Written by hand from the wire format of protocol buffers and the fields' numbers.
    assert encode_example({"k": 5}).hex() == "0a0c0a0a0a016b12051a030a0105"


def test_feature_without_a_value_is_an_empty_list():
    assert decode_example(bytes.fromhex("0a070a050a016b1200")) == {"k": []}


def test_other_bytes_are_no_example():
    with pytest.raises(ValueError, match=r"not a tf\.train\.Example"):
        decode_example(b"this is a text")
