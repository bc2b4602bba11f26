from __future__ import annotations

import gzip
import os

import pytest

from contract.errors import InputError
from ingestion.tfrecord_file import encode_example, write_gzip_records
from ingestion.tfrecords import find_tfrecords, read_tfrecords


def _values(image_id="a.jpeg", **changes):
    return {
        "image_bytes": b"bytes of " + image_id.encode(),
        "image_id": image_id.encode(),
        "height": 30,
        "width": 40,
        "size_group": b"under_500_px",
        "sharpness_group": b"soft",
        "label": 1,
        "subtype": b"viral",
        "patient_id": b"p1",
        "source_split": b"",
        "pixel_sha256": b"0" * 64,
    } | changes


def _write(path, *records):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_gzip_records(path, [encode_example(record) for record in records])
    return path


def test_flat_records_keep_the_facts_that_they_carry(tmp_path):
    folder = tmp_path / "in"
    _write(folder / "1.tfrecord.gz", _values(), _values("b.jpeg", source_split=b"test"))
    plain = folder / "2.tfrecord"
    packed = _write(
        tmp_path / "x.tfrecord.gz", _values("c", label=0, subtype=b"normal", patient_id=b"c")
    )
    plain.write_bytes(gzip.decompress(packed.read_bytes()))

    source = read_tfrecords(folder, tmp_path / "work")

    assert source.kind == "tfrecords"
    assert [
        (i.image_id, i.label, i.subtype, i.patient_id, i.source_split, i.patient_known)
        for i in source.images
    ] == [
        ("a.jpeg", 1, "viral", "p1", "", True),
        ("b.jpeg", 1, "viral", "p1", "test", True),
        ("c", 0, "normal", "c", "", False),
    ]
    assert [i.path.read_bytes() for i in source.images] == [
        b"bytes of a.jpeg",
        b"bytes of b.jpeg",
        b"bytes of c",
    ]


def test_records_of_before_the_sharpness_group_are_taken(tmp_path):
    _write(tmp_path / "in/1.tfrecord.gz", _without("sharpness_group"))
    (image,) = read_tfrecords(tmp_path / "in", tmp_path / "work").images
    assert image.image_id == "a.jpeg"


def test_split_folders_decide_the_split(tmp_path):
    for split in ("train", "val", "test"):
        _write(tmp_path / f"in/{split}/1.tfrecord.gz", _values(split, source_split=b""))
    source = read_tfrecords(tmp_path / "in", tmp_path / "work")
    assert {i.image_id: i.source_split for i in source.images} == {
        "train": "train",
        "val": "validation",
        "test": "test",
    }


def test_records_are_unpacked_once(tmp_path):
    _write(tmp_path / "in/1.tfrecord.gz", _values())
    (image,) = read_tfrecords(tmp_path / "in", tmp_path / "work").images
    image.path.write_bytes(b"witness")
    (image,) = read_tfrecords(tmp_path / "in", tmp_path / "work").images
    assert image.path.read_bytes() == b"witness"


def test_no_records_are_found_elsewhere(tmp_path, write_pictures):
    write_pictures(tmp_path, ["train/NORMAL/a.jpeg"])
    assert find_tfrecords(tmp_path) == {}


def test_records_in_both_places_are_refused(tmp_path):
    _write(tmp_path / "1.tfrecord.gz", _values())
    _write(tmp_path / "test/1.tfrecord.gz", _values("b"))
    with pytest.raises(InputError, match="got both"):
        find_tfrecords(tmp_path)


def _without(name):
    values = _values()
    del values[name]
    return values


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            _without("pixel_sha256"),
            "expected the contract's features, got height.*: pixel_sha256 missing",
        ),
        (_values(label=b"1"), "expected one int in label, got 1 values of bytes"),
        (_values(subtype=5), "expected one bytes in subtype, got 1 values of int"),
        (_values(label=2), "expected label from 0 to 1, got 2"),
        (_values(subtype=b"fungal"), "expected subtype among bacterial, viral, unknown .*'fungal'"),
        (_values(label=0), "expected subtype among normal for the label normal, got 'viral'"),
        (_values(source_split=b"holdout"), "expected source_split among .*'holdout'"),
        (_values(patient_id=b""), "expected a patient_id, got an empty one"),
        (_values(patient_id=b"\xff"), "expected UTF-8 in patient_id"),
        (_values("b.jpeg"), r"expected each image_id once, got 'b\.jpeg' again"),
    ],
)
def test_records_that_do_not_follow_the_contract_are_refused(tmp_path, record, message):
    _write(tmp_path / "in/1.tfrecord.gz", _values("b.jpeg"), record)
    with pytest.raises(InputError, match=rf"1\.tfrecord\.gz, record 2: {message}"):
        read_tfrecords(tmp_path / "in", tmp_path / "work")


def test_records_of_something_else_are_refused(tmp_path):
    write_gzip_records(tmp_path / "1.tfrecord.gz", [b"this is a text"])
    with pytest.raises(InputError, match=r"expected a tf\.train\.Example, got other bytes"):
        read_tfrecords(tmp_path, tmp_path / "work")


def test_truncated_file_is_refused(tmp_path):
    path = _write(tmp_path / "1.tfrecord.gz", _values(), _values("b"))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="expected a complete TFRecord file"):
        read_tfrecords(tmp_path, tmp_path / "work")


def test_files_without_records_are_refused(tmp_path):
    _write(tmp_path / "1.tfrecord.gz")
    with pytest.raises(InputError, match="expected at least one record"):
        read_tfrecords(tmp_path, tmp_path / "work")


@pytest.mark.parametrize(
    "name",
    [
        "xray.tfrecord-00000-of-00001",
        "data_tfrecord-00000-of-00001.gz",
        "1.TFRecords",
        "part-0",
        "a.gz",
    ],
)
def test_records_are_known_by_content_whatever_their_name(tmp_path, name):
    path = tmp_path / "in/Split-train" / name
    packed = _write(path, _values())
    assert find_tfrecords(tmp_path / "in") == {"train": [path]}
    assert read_tfrecords(tmp_path / "in", tmp_path / "work").images[0].source_split == "train"
    packed.write_bytes(gzip.decompress(packed.read_bytes()))
    assert find_tfrecords(tmp_path / "in") == {"train": [path]}
    assert read_tfrecords(tmp_path / "in", tmp_path / "again").images[0].image_id == "a.jpeg"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a,b\n",
        b"\x89PNG\r\n" * 20,
        gzip.compress(b"text" * 100, mtime=0),
        b"\x1f\x8b",
        bytes(64),
    ],
)
def test_other_files_are_no_records(tmp_path, content):
    (tmp_path / "part-0").write_bytes(content)
    os.mkfifo(tmp_path / "pipe")
    assert find_tfrecords(tmp_path) == {}


@pytest.mark.parametrize("word", [b"unknown", b"nan", b"-"])
def test_a_record_whose_patient_is_a_word_for_nobody_is_refused(tmp_path, word):
    _write(tmp_path / "in/1.tfrecord.gz", _values(patient_id=word))
    with pytest.raises(InputError, match=r"record 1: expected a patient_id, got '.*names nobody"):
        read_tfrecords(tmp_path / "in", tmp_path / "work")


def test_a_split_that_a_record_carries_may_be_any_known_word(tmp_path):
    records = [_values(f"{n}", source_split=word) for n, word in enumerate([b"Training", b"valid"])]
    _write(tmp_path / "in/1.tfrecord.gz", *records)
    source = read_tfrecords(tmp_path / "in", tmp_path / "work")
    assert [image.source_split for image in source.images] == ["train", "validation"]
