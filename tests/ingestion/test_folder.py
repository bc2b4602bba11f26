from __future__ import annotations

import os

import pydicom
import pydicom.data
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
        warning.startswith("2 of 4 images have a file name without a patient")
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


def test_a_zip_inside_the_folder_is_named_with_what_to_do(tmp_path):
    (tmp_path / "chest_xray.ZIP").write_bytes(b"x")
    with pytest.raises(InputError, match=r"got: chest_xray\.ZIP; unpack chest_xray\.ZIP and give"):
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


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [("train", "valid", "test"), ("Training", "dev", "Testing"), ("Split-train", "eval", "TEST ")],
)
def test_other_words_for_the_splits_are_known(tmp_path, write_pictures, train, validation, test):
    names = [name for split in (train, validation, test) for name in _in(split)]
    source = read_folder(write_pictures(tmp_path, names))
    assert {image.image_id.split("/")[0]: image.source_split for image in source.images} == {
        train: "train",
        validation: "validation",
        test: "test",
    }
    assert not any("not used" in warning for warning in source.warnings)


def test_two_folders_for_one_split_are_refused(tmp_path, write_pictures):
    write_pictures(tmp_path, [*_in("val"), *_in("valid")])
    with pytest.raises(InputError, match=r"expected one folder for 'validation'.*val and valid"):
        read_folder(tmp_path)


def test_splits_inside_class_folders_are_splits(tmp_path, write_pictures):
    names = [
        f"{label}/{split}/a.png" for label in ("NORMAL", "PNEUMONIA") for split in ("Train", "Test")
    ]
    source = read_folder(write_pictures(tmp_path, names))
    assert [(image.image_id, image.source_split) for image in source.images] == [
        ("NORMAL/Test/a.png", "test"),
        ("NORMAL/Train/a.png", "train"),
        ("PNEUMONIA/Test/a.png", "test"),
        ("PNEUMONIA/Train/a.png", "train"),
    ]


@pytest.mark.parametrize(
    "name", ["IM-0001-000{}.png", "IM-000{0}-0001.png", "{}.png", "person1_virus_{}.png"]
)
@pytest.mark.parametrize("below", ["", "study/series/"])
def test_a_name_that_repeats_over_folders_is_no_patient_but_the_folder_is(
    tmp_path, write_pictures, name, below
):
    names = [
        f"{label}/{label[0]}{patient}/{below}{name.format(number)}"
        for label in ("NORMAL", "PNEUMONIA")
        for patient in range(30)
        for number in range(1, 4)
    ]
    source = read_folder(write_pictures(tmp_path, names))
    assert {(i.image_id.split("/")[1], i.patient_id) for i in source.images} == {
        (f"{letter}{patient}",) * 2 for letter in "NP" for patient in range(30)
    }
    assert all(image.patient_known for image in source.images)
    assert any("these 60 folders counts as one patient" in warning for warning in source.warnings)


def test_folders_of_patients_are_found_below_those_of_hospitals(tmp_path, write_pictures):
    names = [
        f"{label}/hospital/P{patient}/{number}.png"
        for label in ("NORMAL", "PNEUMONIA")
        for patient in range(8)
        for number in range(2)
    ]
    source = read_folder(write_pictures(tmp_path, names))
    assert {i.patient_id for i in source.images} == {f"hospital/P{n}" for n in range(8)}


def test_folders_of_many_images_are_no_patients(tmp_path, write_pictures):
    names = [
        f"{label}/{ward}/{n}.png"
        for label in ("NORMAL", "PNEUMONIA")
        for ward in "ab"
        for n in range(12)
    ]
    source = read_folder(write_pictures(tmp_path, names))
    assert {image.patient_id for image in source.images} == set(names)


def test_names_of_the_public_set_hold_in_folders_of_batches(tmp_path, write_pictures):
    names = [f"PNEUMONIA/batch{n % 3}/person{n // 2}_virus_{n}.png" for n in range(12)]
    source = read_folder(write_pictures(tmp_path, [*names, *_BOTH[:1]]))
    assert _by_id(source)["PNEUMONIA/batch0/person0_virus_0.png"].patient_id == "person0"
    assert len({image.patient_id for image in source.images}) == 7


def test_a_folder_whose_name_names_nobody_is_no_patient(tmp_path, write_pictures):
    names = [f"{label}/unknown/{n}.png" for label in ("NORMAL", "PNEUMONIA") for n in range(3)]
    source = read_folder(write_pictures(tmp_path, names))
    assert not any(image.patient_known for image in source.images)


def test_the_tag_of_dicom_files_goes_before_names_and_folders(tmp_path, write_pictures):
    write_pictures(tmp_path, _BOTH)
    dataset = pydicom.dcmread(pydicom.data.get_testdata_file("CT_small.dcm"))
    for number, patient in enumerate(["4711", "4711", "4712", ""]):
        dataset.PatientID = patient
        folder = tmp_path / "PNEUMONIA" / f"folder{number}"
        folder.mkdir()
        dataset.save_as(folder / f"person{number}_virus_1.dcm")
    images = _by_id(read_folder(tmp_path))
    first, second, third, fourth = (
        images[f"PNEUMONIA/folder{n}/person{n}_virus_1.dcm"].patient_id for n in range(4)
    )
    assert first == second != third
    assert first.startswith("dicom-")
    assert fourth == "person3"


def test_the_newest_release_numbers_patients_over_all_splits(tmp_path, write_pictures):
    names = [
        "train/NORMAL/NORMAL-1003233-0001.jpeg",
        "train/PNEUMONIA/BACTERIA-1008087-0001.jpeg",
        "train/PNEUMONIA/VIRUS-1008087-0002.jpeg",
        "test/NORMAL/NORMAL-1003234-0001.jpeg",
        "test/PNEUMONIA/VIRUS-1008088-0002.jpeg",
    ]
    images = _by_id(read_folder(write_pictures(tmp_path, names)))
    assert [(images[name].patient_id, images[name].subtype) for name in names] == [
        ("1003233", "normal"),
        ("1008087", "bacterial"),
        ("1008087", "viral"),
        ("1003234", "normal"),
        ("1008088", "viral"),
    ]


def test_a_name_that_is_no_utf8_is_listed_with_escapes(tmp_path, write_pictures):
    write_pictures(tmp_path, _BOTH)
    with open(os.fsencode(tmp_path / "NORMAL") + b"/r\xf6ntgen.png", "wb") as file:
        file.write(b"x")
    source = read_folder(tmp_path)
    image = _by_id(source)[r"NORMAL/r\xf6ntgen.png"]
    assert image.path.is_file()
    assert image.patient_id == r"NORMAL/r\xf6ntgen.png"
    assert any(
        r"1 file names are not in UTF-8, and are listed with escapes: NORMAL/r\xf6" in w
        for w in source.warnings
    )


def test_a_link_in_a_circle_is_listed_and_ends_nothing(tmp_path, write_pictures):
    write_pictures(tmp_path, _BOTH)
    (tmp_path / "NORMAL/again").symlink_to(tmp_path / "NORMAL")
    source = read_folder(tmp_path)
    assert len(source.images) == 2
    assert any(
        w == "links to a folder that they are in, not followed: NORMAL/again"
        for w in source.warnings
    )


def test_leftovers_of_other_systems_are_no_images(tmp_path, write_pictures):
    write_pictures(tmp_path, _BOTH)
    for name in ("Thumbs.db", "desktop.ini", "Icon\r", "._a.png"):
        (tmp_path / "NORMAL" / name).write_bytes(b"\xd0\xcf")
        (tmp_path / name).write_bytes(b"\xd0\xcf")
    source = read_folder(tmp_path)
    assert set(_by_id(source)) == set(_BOTH)
    assert source.warnings == ()
