from __future__ import annotations

import unicodedata

import pytest

from ingestion.file_finder import FileFinder, is_absolute_on_windows


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("form_on_disk", ["NFC", "NFD"])
def test_accents_are_found_composed_or_not_in_folders_and_files(tmp_path, form, form_on_disk):
    name = "Köln/Müller/é.png"
    touch(tmp_path, unicodedata.normalize(form_on_disk, name))
    assert FileFinder(tmp_path).find(unicodedata.normalize(form, name)).is_file()


@pytest.mark.parametrize(
    "written", ["a\\1.PNG", ".\\A\\1.png", "x\\..\\a\\1.png", "a/1.png", "A/1.Png", "a\\\\1.png"]
)
def test_separators_and_capitals_of_windows_are_found(tmp_path, written):
    touch(tmp_path, "a/1.png", "x/2.png")
    assert FileFinder(tmp_path).find(written).samefile(tmp_path / "a/1.png")


def test_the_same_accents_go_before_the_same_letters(tmp_path):
    touch(tmp_path, unicodedata.normalize("NFD", "é.png"), unicodedata.normalize("NFD", "É.png"))
    found = FileFinder(tmp_path).find(unicodedata.normalize("NFC", "É.png"))
    assert unicodedata.normalize("NFC", found.name) == "É.png"


def test_what_exists_is_taken_as_written_and_what_does_not_has_no_other_name(tmp_path):
    touch(tmp_path, "a\\b.png", "a/b.png", "c.png", "C.png")
    finder = FileFinder(tmp_path)
    assert finder.find("a\\b.png") == tmp_path / "a\\b.png"
    assert finder.find("C.PNG") == tmp_path / "C.PNG"  # two fit: none is guessed
    assert finder.find("no/such.png") == tmp_path / "no/such.png"
    assert finder.find(str(tmp_path / "c.png")) == tmp_path / "c.png"
    assert finder.find("/no/such.png").as_posix() == "/no/such.png"


def test_a_drive_or_a_server_is_absolute_on_windows():
    assert all(map(is_absolute_on_windows, ["C:\\x", "c:/x", "\\\\server\\share\\x"]))
    assert not any(map(is_absolute_on_windows, ["x\\y", "/x/y", "x:y", "//x/y", ""]))
