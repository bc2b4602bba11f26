"""An external set becomes records of one split, with its bad images counted."""

import json

import pytest

from contract import features
from contract.errors import InputError
from contract.settings import BeamSettings, DataSettings
from ingestion.dataset_card import read_card
from ingestion.external import convert_external
from ingestion.tfrecord_file import decode_example, read_records

ADULTS = [f"NORMAL/{patient:08d}_{visit:03d}.png" for patient in range(6) for visit in range(2)]


@pytest.fixture
def convert(tmp_path):
    def run(source, **settings):
        return convert_external(
            "adults",
            str(source),
            tmp_path / "work",
            tmp_path / "records",
            DataSettings(**settings),
            BeamSettings().pipeline_args,
        )

    return run


def records_of(folder):
    return [
        decode_example(record)
        for path in sorted(folder.rglob("*.tfrecord.gz"))
        for record in read_records(path)
    ]


def test_every_image_is_judged_whatever_its_split_and_patients_are_kept(
    convert, tmp_path, write_pictures
):
    splits = {"train": "IM-0001-0001", "val": "IM-0002-0001", "test": "IM-0003-0001"}
    names = [f"{split}/NORMAL/{stem}.jpeg" for split, stem in splits.items()]
    names += [f"{split}/PNEUMONIA/person{n}_virus_1.jpeg" for n, split in enumerate(splits)]
    card = convert(write_pictures(tmp_path / "set", names))
    assert card.splits[features.TEST].images == len(names) == card.num_images
    assert {path.parent.name for path in (tmp_path / "records").rglob("*.gz")} == {"test"}
    found = {record["image_id"][0].decode(): record for record in records_of(tmp_path / "records")}
    assert set(found) == set(names)
    assert found["train/PNEUMONIA/person0_virus_1.jpeg"]["patient_id"] == [b"person0"]


def test_images_of_one_class_are_enough_and_named_patients_are_counted(
    convert, tmp_path, write_pictures
):
    card = convert(write_pictures(tmp_path / "set", ADULTS))
    assert (card.num_images, card.num_patients, card.num_images_without_patient) == (12, 6, 0)
    assert card.splits[features.TEST].by_label == {"normal": 12, "pneumonia": 0}


def test_unreadable_images_are_left_out_with_their_reasons(convert, tmp_path, write_pictures):
    folder = write_pictures(tmp_path / "set", ADULTS)
    (folder / ADULTS[0]).write_bytes(b"no picture")
    card = convert(folder, max_rejected_fraction=0.2)
    assert [each.image_id for each in card.rejected] == [ADULTS[0]]
    assert card.rejected[0].reason
    assert card.num_images == len(ADULTS) - 1
    assert read_card(tmp_path / "records") == card


def test_too_many_unreadable_images_stop_the_run_and_the_set_is_named(
    convert, tmp_path, write_pictures
):
    folder = write_pictures(tmp_path / "set", ADULTS)
    (folder / ADULTS[0]).write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"external set adults: .* unreadable images"):
        convert(folder)


def test_a_source_that_is_not_there_is_named(convert, tmp_path):
    with pytest.raises(InputError, match=r"external set adults: .*does not exist"):
        convert(tmp_path / "nowhere.zip")


def test_a_finished_conversion_is_used_again_and_another_image_changes_the_fingerprint(
    convert, tmp_path, write_pictures, encode_picture
):
    folder = write_pictures(tmp_path / "set", ADULTS)
    first = convert(folder)
    stamp = (tmp_path / "records" / "dataset_card.json").stat().st_mtime_ns
    assert convert(folder) == first
    assert (tmp_path / "records" / "dataset_card.json").stat().st_mtime_ns == stamp
    (folder / "NORMAL" / "new.png").write_bytes(encode_picture(99, "PNG"))
    assert convert(folder).fingerprint != first.fingerprint
    assert json.loads((tmp_path / "records" / "dataset_card.json").read_text())["num_images"] == 13
