from __future__ import annotations

import zipfile

import pytest

from contract.errors import InputError
from contract.settings import DataSettings
from ingestion import open_source as module
from ingestion.open_source import open_source
from ingestion.synthetic import NOTICE_FILE
from ingestion.tfrecord_file import write_gzip_records

_SETTINGS = DataSettings()
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
