from __future__ import annotations

import pytest

from contract.errors import InputError
from ingestion.folder import read_folder

_BOTH = ["NORMAL/IM-0001-0001.jpeg", "PNEUMONIA/person1_virus_6.jpeg"]


def _in(split, names=_BOTH):
    return [f"{split}/{name}" for name in names]


def _by_id(source):
    return {image.image_id: image for image in source.images}


def test_split_and_class_folders_become_facts(tmp_path, write_pictures):
    names = [
        *_in("train"),
        *_in("val", ["NORMAL/IM-0002-0001.jpeg", "PNEUMONIA/person2_bacteria_1.jpeg"]),
    ]
    images = _by_id(read_folder(write_pictures(tmp_path, names)))

    assert set(images) == set(names)
    viral = images["train/PNEUMONIA/person1_virus_6.jpeg"]
    assert (viral.label, viral.subtype, viral.patient_id) == (1, "viral", "person1")
    assert (viral.source_split, viral.patient_known) == ("train", True)
    assert viral.path == tmp_path / "train/PNEUMONIA/person1_virus_6.jpeg"
    normal = images["val/NORMAL/IM-0002-0001.jpeg"]
    assert (normal.label, normal.subtype, normal.source_split) == (0, "normal", "validation")


def test_class_folders_alone_have_no_split(tmp_path, write_pictures):
    source = read_folder(write_pictures(tmp_path, _BOTH))
    assert {image.source_split for image in source.images} == {""}
    assert len(source.images) == 2


@pytest.mark.parametrize("around", ["chest_xray", "chest_xray/chest_xray", "download", "a/b"])
def test_layout_is_found_inside_other_folders(tmp_path, write_pictures, around):
    write_pictures(tmp_path / around, _in("train"))
    assert set(_by_id(read_folder(tmp_path))) == set(_in("train"))


def test_layout_of_the_public_download_is_read_once(tmp_path, write_pictures):
    write_pictures(tmp_path / "chest_xray", _in("train"))
    write_pictures(tmp_path / "chest_xray/chest_xray", _in("train"))
    write_pictures(tmp_path / "chest_xray/__MACOSX", _in("train"))
    (tmp_path / "chest_xray/train/NORMAL/.DS_Store").write_bytes(b"x")
    (tmp_path / "chest_xray/.DS_Store").write_bytes(b"x")

    source = read_folder(tmp_path)

    assert set(_by_id(source)) == set(_in("train"))
    assert source.warnings == ("outside the expected layout and not used: chest_xray/",)


def test_names_of_folders_are_read_in_any_case(tmp_path, write_pictures):
    names = ["Train/normal/IM-0001-0001.jpeg", "Train/Pneumonia/person1_virus_1.jpeg"]
    source = read_folder(write_pictures(tmp_path, names))
    assert {(image.source_split, image.label) for image in source.images} == {
        ("train", 0),
        ("train", 1),
    }


def test_files_below_a_class_folder_all_count(tmp_path, write_pictures):
    write_pictures(tmp_path, [*_BOTH, "NORMAL/ward/a.jpeg"])
    (tmp_path / "NORMAL/notes.txt").write_text("not an image")
    assert {"NORMAL/ward/a.jpeg", "NORMAL/notes.txt"} <= set(_by_id(read_folder(tmp_path)))


def test_patients_of_a_test_folder_are_kept_apart_and_counted(tmp_path, write_pictures):
    names = [*_in("train"), *_in("test"), "test/PNEUMONIA/person77_virus_1.jpeg"]
    source = read_folder(write_pictures(tmp_path, names))
    images = _by_id(source)

    assert images["test/PNEUMONIA/person1_virus_6.jpeg"].patient_id == "test/person1"
    assert images["train/PNEUMONIA/person1_virus_6.jpeg"].patient_id == "person1"
    assert any(warning.startswith("2 patient names occur") for warning in source.warnings)


def test_names_without_a_patient_make_each_image_its_own_and_say_so(tmp_path, write_pictures):
    source = read_folder(write_pictures(tmp_path, [*_BOTH, "NORMAL/a.jpeg", "PNEUMONIA/a.jpeg"]))
    nameless = [image for image in source.images if not image.patient_known]

    assert {image.patient_id for image in nameless} == {"NORMAL/a.jpeg", "PNEUMONIA/a.jpeg"}
    assert nameless[1].subtype == "unknown"
    assert any(
        warning.startswith("2 of 4 images have a file name that tells no patient")
        for warning in source.warnings
    )


def test_pneumonia_name_in_a_normal_folder_is_reported(tmp_path, write_pictures):
    source = read_folder(write_pictures(tmp_path, [*_BOTH, "NORMAL/person9_virus_1.jpeg"]))
    assert _by_id(source)["NORMAL/person9_virus_1.jpeg"].subtype == "normal"
    assert any("NORMAL/person9_virus_1.jpeg" in warning for warning in source.warnings)


def test_a_class_of_its_own_is_reported_as_not_used(tmp_path, write_pictures):
    source = read_folder(write_pictures(tmp_path, [*_in("train"), "train/COVID/a.jpeg"]))
    assert len(source.images) == 2
    assert source.warnings == ("outside the expected layout and not used: train/COVID/",)


def test_empty_folder_is_refused(tmp_path):
    (tmp_path / ".DS_Store").write_bytes(b"x")
    with pytest.raises(InputError, match=r"got the empty folder .*check the path"):
        read_folder(tmp_path)


def test_other_layout_is_refused_and_named(tmp_path, write_pictures):
    write_pictures(tmp_path, ["healthy/a.jpeg", "sick/a.jpeg"])
    with pytest.raises(InputError, match=r"NORMAL,PNEUMONIA.*got: healthy, sick; rename"):
        read_folder(tmp_path)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_missing_class_folder_is_refused(tmp_path, write_pictures, split):
    write_pictures(tmp_path, _in("train"))
    write_pictures(tmp_path, _in(split))
    (tmp_path / split / "NORMAL/IM-0001-0001.jpeg").unlink()
    (tmp_path / split / "NORMAL").rmdir()
    with pytest.raises(InputError, match=rf"expected a class folder NORMAL in .*{split}, got none"):
        read_folder(tmp_path)


def test_one_class_folder_is_enough_where_that_is_asked_for(tmp_path, write_pictures):
    write_pictures(tmp_path, ["NORMAL/a.png"])
    assert [image.label for image in read_folder(tmp_path, one_class=True).images] == [0]
    (tmp_path / "PNEUMONIA").mkdir()
    with pytest.raises(InputError, match="empty class folder"):
        read_folder(tmp_path, one_class=True)


def test_a_split_without_any_class_folder_is_refused_in_any_case(tmp_path, write_pictures):
    write_pictures(tmp_path, ["train/NORMAL/a.png", "val/other/b.png"])
    with pytest.raises(InputError, match="expected a class folder NORMAL"):
        read_folder(tmp_path, one_class=True)


def test_empty_class_folder_is_refused(tmp_path, write_pictures):
    write_pictures(tmp_path, _in("train"))
    (tmp_path / "train/PNEUMONIA/person1_virus_6.jpeg").unlink()
    with pytest.raises(InputError, match=r"got an empty class folder; each split needs"):
        read_folder(tmp_path)


def test_two_folders_for_one_class_are_refused(tmp_path, write_pictures):
    write_pictures(tmp_path, [*_BOTH, "normal/a.jpeg"])
    with pytest.raises(InputError, match=r"expected one folder for 'normal'.*merge them"):
        read_folder(tmp_path)
