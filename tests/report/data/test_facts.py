import pytest

from contract import features
from ingestion.tfrecord_file import encode_example, write_gzip_records
from report.data.facts import count_by, read_facts, read_images
from tests.report.made_records import encode_picture, make_facts, write_split


def test_facts_are_read_as_they_were_written(tmp_path):
    records = [make_facts("a"), make_facts("b", "viral", height=50), make_facts("c", "unknown")]
    write_split(tmp_path / "split", records, num_files=1)
    assert read_facts(tmp_path / "split") == records


def test_all_files_of_a_split_are_read(tmp_path):
    records = [make_facts(f"image {number}") for number in range(5)]
    write_split(tmp_path / "split", records, num_files=3)
    assert sorted(each.image_id for each in read_facts(tmp_path / "split")) == [
        each.image_id for each in records
    ]


def test_only_the_wanted_images_are_returned(tmp_path):
    records = [make_facts("a"), make_facts("b", width=64), make_facts("c")]
    write_split(tmp_path / "split", records)
    assert read_images(tmp_path / "split", {"b", "absent"}) == {"b": encode_picture(64, 30)}


def test_a_record_without_a_feature_is_an_error(tmp_path):
    write_gzip_records(tmp_path / "part.gz", [encode_example({features.IMAGE_ID: b"a"})])
    with pytest.raises(ValueError, match="expected one value of label"):
        read_facts(tmp_path)


def test_a_name_that_is_no_utf8_is_still_shown(tmp_path):
    values = dict.fromkeys(features.RAW_BYTES_FEATURES, b"x")
    values |= {features.HEIGHT: 1, features.WIDTH: 1, features.LABEL: 0}
    values[features.IMAGE_ID] = b"caf\xe9.png"
    write_gzip_records(tmp_path / "part.gz", [encode_example(values)])
    (record,) = read_facts(tmp_path)
    assert record.image_id == "caf\N{REPLACEMENT CHARACTER}.png"


def test_counts_hold_a_zero_for_what_does_not_occur():
    records = [make_facts("a"), make_facts("b", "viral"), make_facts("c", "viral")]
    counts = count_by(records, lambda record: record.subtype, features.SUBTYPES)
    assert counts == {"normal": 1, "bacterial": 0, "viral": 2, "unknown": 0}
