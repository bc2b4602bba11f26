"""What counts as a site's images, with labels and without."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pydicom
import pydicom.data
import pytest

from contract.errors import InputError
from contract.settings import DataSettings
from serving.site_calibration.site_images import Site, open_site

SETTINGS = DataSettings()


def open_at(path: Path, tmp_path: Path) -> Site:
    return open_site(str(path), tmp_path / "work", SETTINGS)


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content is read later")
    return folder


def facts(site: Site) -> set[tuple[str, str, int | None]]:
    return {(image.name, image.patient, image.label) for image in site.images}


def test_a_plain_folder_has_no_labels_and_patients_where_names_tell_them(tmp_path):
    folder = touch(tmp_path / "site", "a.png", "ward/b.dcm", "ward/person7_virus_8.jpeg", ".hidden")
    site = open_at(folder, tmp_path)
    assert not site.is_labelled
    assert facts(site) == {
        ("a.png", "a.png", None),
        ("ward/b.dcm", "ward/b.dcm", None),
        ("ward/person7_virus_8.jpeg", "person7", None),
    }
    assert all(image.path.is_file() for image in site.images)


@pytest.mark.parametrize("layout", ["{}", "chest_xray/test/{}"])
def test_class_folders_are_labels_and_all_splits_count(tmp_path, layout):
    names = [layout.format(name) for name in ("NORMAL/a.png", "PNEUMONIA/b.png")]
    site = open_at(touch(tmp_path / "site", *names), tmp_path)
    assert site.is_labelled
    assert sorted(image.label for image in site.images) == [0, 1]


def test_a_folder_with_one_class_is_not_taken_for_unlabelled(tmp_path):
    folder = touch(tmp_path / "site", "NORMAL/a.png")
    with pytest.raises(InputError, match="class folder PNEUMONIA"):
        open_at(folder, tmp_path)


def test_a_zip_is_either(tmp_path):
    for number, names in enumerate((["x/a.png"], ["NORMAL/a.png", "PNEUMONIA/b.png"])):
        folder = touch(tmp_path / f"site{number}", *names)
        archive = tmp_path / f"site{number}.zip"
        with zipfile.ZipFile(archive, "w") as opened:
            for name in names:
                opened.write(folder / name, name)
        site = open_at(archive, tmp_path)
        assert (site.is_labelled, len(site.images)) == (number == 1, len(names))


def test_a_manifest_is_labelled_by_its_column(tmp_path):
    folder = touch(tmp_path / "site", "a.png", "b.png")
    manifest = folder / "manifest.csv"
    manifest.write_text("path,patient_id\na.png,p1\nb.png,\n")
    assert facts(open_at(folder, tmp_path)) == {("a.png", "p1", None), ("b.png", "b.png", None)}
    manifest.write_text("path,label,patient_id\na.png,normal,p1\nb.png,pneumonia,p2\n")
    assert facts(open_at(manifest, tmp_path)) == {("a.png", "p1", 0), ("b.png", "p2", 1)}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("file\na.png\n", "expected the columns"),
        ("path,label\na.png,normal\n", "patient_id"),
        ("path\n", "got none"),
        ("path\n\xff\n", "UTF-8"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_why(tmp_path, content, told):
    path = tmp_path / "list.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=told):
        open_at(path, tmp_path)


def test_what_is_no_source_says_so(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        open_at(tmp_path / "nowhere", tmp_path)
    touch(tmp_path, "one.png")
    with pytest.raises(InputError, match="give the folder"):
        open_at(tmp_path / "one.png", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no visible file"):
        open_at(tmp_path / "empty", tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_says_so(tmp_path):
    folder = touch(tmp_path / "site", "a.png")
    folder.chmod(0)
    with pytest.raises(InputError, match="permissions"):
        open_at(folder, tmp_path)
    folder.chmod(0o700)


def test_files_and_lists_of_other_systems_are_read_as_at_ingestion(tmp_path):
    folder = touch(tmp_path / "site", "a/1.png", "a/Thumbs.db", "Icon\r", "b/2.png")
    site = open_at(folder, tmp_path)
    assert [image.name for image in site.images] == ["a/1.png", "b/2.png"]
    (folder / "list.csv").write_text(
        "Path;Patient ID;\r\na\\1.png;p1;\r\n;;\r\na\\Thumbs.db;;\r\nB\\2.PNG;unknown;\r\n"
    )
    site = open_at(folder / "list.csv", tmp_path)
    assert all(image.path.is_file() for image in site.images)
    assert facts(site) == {("a/1.png", "p1", None), ("B/2.PNG", "B/2.PNG", None)}


@pytest.mark.parametrize("around", ["", "site/", "a/b/"])
def test_a_list_or_class_folders_are_found_in_a_zip_of_a_folder(tmp_path, around):
    for number, names in enumerate(
        (["manifest.csv", "x.png"], ["NORMAL/a.png", "PNEUMONIA/b.png"])
    ):
        folder = touch(tmp_path / f"site{number}", *names)
        if number == 0:
            (folder / "manifest.csv").write_text("path\nx.png\n")
        archive = tmp_path / f"site{number}.zip"
        with zipfile.ZipFile(archive, "w") as opened:
            for name in names:
                opened.write(folder / name, around + name)
        site = open_at(archive, tmp_path)
        assert (site.is_labelled, len(site.images)) == (number == 1, number + 1)


def test_images_of_one_dicom_patient_have_one_patient(tmp_path):
    dataset = pydicom.dcmread(pydicom.data.get_testdata_file("CT_small.dcm"))
    (tmp_path / "site").mkdir()
    for number in range(2):
        dataset.save_as(tmp_path / "site" / f"{number}.dcm")
    patients = {image.patient for image in open_at(tmp_path / "site", tmp_path).images}
    assert len(patients) == 1
    assert patients.pop().startswith("dicom-")
