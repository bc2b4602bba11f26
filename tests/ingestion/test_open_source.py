from __future__ import annotations

import os
import shutil
import zipfile
from unittest import mock

import kagglehub
import pytest

from contract.errors import InputError
from contract.settings import DataSettings
from ingestion import open_source as module
from ingestion.open_source import fetch_kaggle, open_source
from ingestion.synthetic import NOTICE_FILE
from ingestion.tfrecord_file import encode_example, write_gzip_records

_SETTINGS = DataSettings()
RECORD = {
    "image_bytes": b"bytes",
    "image_id": b"a.jpeg",
    "height": 30,
    "width": 40,
    "size_group": b"under_500_px",
    "sharpness_group": b"soft",
    "label": 1,
    "subtype": b"viral",
    "patient_id": b"p1",
    "source_split": b"",
    "pixel_sha256": b"0" * 64,
}
_NAMES = ["train/NORMAL/IM-0001-0001.jpeg", "train/PNEUMONIA/person1_virus_6.jpeg"]


@pytest.fixture
def folder(tmp_path, write_pictures):
    return write_pictures(tmp_path / "chest_xray", _NAMES)


def _open(source, tmp_path, settings=_SETTINGS):
    return open_source(str(source), tmp_path / "work", settings)


def test_folder(folder, tmp_path):
    source = _open(folder, tmp_path)
    assert (source.kind, source.description, len(source.images)) == ("folder", str(folder), 2)
    assert not source.synthetic


@pytest.mark.parametrize("given", [".", "chest_xray"])
def test_drawn_set_is_known_by_its_notice(folder, tmp_path, given):
    (tmp_path / NOTICE_FILE).write_text("drawn")
    assert _open(tmp_path / given, tmp_path).synthetic


@pytest.mark.parametrize("name", ["set.zip", "set.download"])
def test_zip(folder, tmp_path, name):
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        for path in folder.rglob("*.jpeg"):
            archive.write(path, path.relative_to(tmp_path))
    source = _open(tmp_path / name, tmp_path)
    assert (source.kind, source.description) == ("zip", str(tmp_path / name))
    assert {image.image_id for image in source.images} == set(_NAMES)
    assert all(image.path.is_file() for image in source.images)


def test_zip_past_the_limit(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("train/NORMAL/a", b"\0" * 1000)
    with pytest.raises(InputError, match="at most 999 bytes"):
        _open(tmp_path / "set.zip", tmp_path, DataSettings(max_archive_bytes=999))


@pytest.mark.parametrize("given", ["manifest.csv", "."])
def test_manifest_or_a_folder_with_one(folder, tmp_path, given):
    (folder / "manifest.csv").write_text(f"path,label,patient_id\n{_NAMES[0]},normal,anna\n")
    source = _open(folder / given, tmp_path)
    assert source.kind == "manifest"
    assert [image.patient_id for image in source.images] == ["anna"]


def test_tfrecords(tmp_path):
    (tmp_path / "in").mkdir()
    write_gzip_records(tmp_path / "in/1.tfrecord.gz", [b"no example"])
    with pytest.raises(InputError, match=r"record 1: expected a tf\.train\.Example"):
        _open(tmp_path / "in", tmp_path)
    with pytest.raises(InputError, match=r"single TFRecord file .*; give the folder"):
        _open(tmp_path / "in/1.tfrecord.gz", tmp_path)


def test_kaggle(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "fetch_kaggle", lambda: folder.parent)
    source = _open("kaggle", tmp_path)
    assert source.kind == "kaggle"
    assert source.description == "Kaggle, paultimothymooney/chest-xray-pneumonia"
    assert len(source.images) == 2


def test_missing_path(tmp_path):
    with pytest.raises(InputError, match=r"got .*nowhere, which does not exist; check the path"):
        _open(tmp_path / "nowhere", tmp_path)


def test_empty_folder(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="got the empty folder"):
        _open(tmp_path / "in", tmp_path)


@pytest.mark.parametrize(("name", "suffix"), [("a.tar", ".tar"), ("a", "no suffix")])
def test_unknown_kind_of_file(tmp_path, name, suffix):
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(InputError, match=rf"of an unknown kind \({suffix}\)"):
        _open(tmp_path / name, tmp_path)


def test_zip_that_is_none(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"something")
    with pytest.raises(InputError, match="expected a complete zip"):
        _open(tmp_path / "a.zip", tmp_path)


def _zip_of(folder, archive, prefix=""):
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                opened.write(path, prefix + path.relative_to(folder).as_posix())
    return archive


def _manifest_in(folder):
    (folder / "manifest.csv").write_text(f"path,label,patient_id\n{_NAMES[0]},normal,anna\n")


def _own_list_in(folder):
    (folder / "Hospital 2024.csv").write_text("path;label;patient_id\nscans/1.jpeg;normal;anna\n")
    (folder / "scans").mkdir()
    shutil.copy(folder / _NAMES[0], folder / "scans/1.jpeg")
    shutil.rmtree(folder / "train")


def _records_in(folder):
    write_gzip_records(folder / "part-1.tfrecord.gz", [encode_example(RECORD)])
    shutil.rmtree(folder / "train")


def _split_records_in(folder):
    (folder / "Split-train").mkdir()
    write_gzip_records(folder / "Split-train/anything", [encode_example(RECORD)])
    shutil.rmtree(folder / "train")


def _nothing_in(folder):
    pass


@pytest.mark.parametrize("as_zip", [False, True])
@pytest.mark.parametrize("around", ["", "hospital/", "download/hospital/", "a/b/c/"])
@pytest.mark.parametrize(
    "change", [_manifest_in, _own_list_in, _records_in, _split_records_in, _nothing_in]
)
def test_every_kind_is_found_inside_other_folders_in_a_zip_or_not(
    folder, tmp_path, change, around, as_zip
):
    change(folder)
    outer = tmp_path / "outer"
    shutil.copytree(folder, outer / around, dirs_exist_ok=True)
    given = _zip_of(outer, tmp_path / "outer.zip") if as_zip else outer
    source = _open(given, tmp_path)
    images = 2 if change is _nothing_in else 1
    assert len(source.images) == images
    assert all(image.path.is_file() for image in source.images)
    if as_zip:
        assert (source.kind, source.description) == ("zip", str(given))


@pytest.mark.parametrize("around", ["", "drawn/"])
def test_a_zip_of_a_drawn_set_is_known_by_its_notice(folder, tmp_path, around):
    (folder.parent / NOTICE_FILE).write_text("drawn")
    archive = _zip_of(folder.parent, tmp_path.parent / f"{tmp_path.name}.zip", around)
    assert _open(archive, tmp_path).synthetic


def test_several_manifests_in_one_folder_are_refused_by_name(tmp_path):
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text("path,label,patient_id\n1.png,normal,anna\n")
    with pytest.raises(InputError, match=r"got test\.csv, train\.csv; join them"):
        _open(tmp_path, tmp_path)


def test_a_patient_with_too_many_images_is_warned_of_whatever_the_source(tmp_path):
    rows = "".join(f"{n}.png,normal,{'P' if n < 20 else n}\n" for n in range(40))
    (tmp_path / "manifest.csv").write_text(f"path,label,patient_id\n{rows}")
    (warning,) = _open(tmp_path, tmp_path).warnings
    assert "'P' with 20 of 40" in warning


@pytest.mark.parametrize("name", ["x" * 300, "~nobody-of-this-name/x", "a\0b"])
def test_a_path_that_cannot_be_is_refused_and_named(tmp_path, name):
    with pytest.raises(InputError, match="check the path"):
        open_source(name, tmp_path / "work", _SETTINGS)


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="a pipe or a device"):
        _open(tmp_path / "pipe", tmp_path)


def test_a_folder_whose_name_is_no_utf8_can_be_described(tmp_path, write_pictures):
    folder = tmp_path / os.fsdecode(b"r\xf6ntgen")
    source = _open(write_pictures(folder, _NAMES), tmp_path)
    assert source.description.endswith(r"r\xf6ntgen")
    assert source.description.encode("utf-8")
    assert len(source.images) == 2


@pytest.fixture
def download(monkeypatch):
    """Replace the library's call by one that takes the same arguments and fetches nothing."""
    replacement = mock.create_autospec(kagglehub.dataset_download)
    monkeypatch.setattr(kagglehub, "dataset_download", replacement)
    return replacement


def test_public_set_is_asked_for_by_name(download, tmp_path):
    download.return_value = str(tmp_path)
    assert fetch_kaggle() == tmp_path
    download.assert_called_once_with("paultimothymooney/chest-xray-pneumonia")


def test_refusal_is_told_with_a_way_out(download):
    download.side_effect = ConnectionError("no route to host")
    with pytest.raises(
        InputError, match=r"got ConnectionError: no route to host; check the network .*--data"
    ):
        fetch_kaggle()


def test_what_the_library_says_is_shown_in_one_bounded_line(download):
    download.side_effect = RuntimeError("<html>\x1b[2J\n" + "x" * 10_000)
    with pytest.raises(InputError) as refused:
        fetch_kaggle()
    assert len(str(refused.value)) < 600
    assert str(refused.value).isprintable()
