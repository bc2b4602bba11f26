from __future__ import annotations

import os

import pytest

from contract.errors import InputError
from ingestion.walking import has_leftover, is_leftover, list_folder, shown, walk

LEFTOVERS = [
    ".DS_Store",
    "._scan.png",
    ".ipynb_checkpoints",
    "__MACOSX",
    "Icon\r",
    "Thumbs.db",
    "THUMBS.DB",
    "Desktop.ini",
    "~$list.csv",
    "@eaDir",
    "#recycle",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
    "DICOMDIR",
    "scan.png:Zone.Identifier",
]


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def names(walked, folder):
    return [path.relative_to(folder).as_posix() for path in walked.files]


@pytest.mark.parametrize("name", LEFTOVERS)
def test_leftovers_of_any_system_are_passed_over_as_files_and_as_folders(tmp_path, name):
    assert is_leftover(name)
    touch(tmp_path / "as_file", "a.png", f"b/{name}")
    touch(tmp_path / "as_folder", "a.png", f"b/{name}/c.png")
    for folder in ("as_file", "as_folder"):
        assert names(walk(tmp_path / folder), tmp_path / folder) == ["a.png"]
    assert has_leftover(["x", name, "y.png"])


@pytest.mark.parametrize("name", ["thumbs.png", "Icon.png", "@home.png", "MACOSX", "desktop"])
def test_names_like_theirs_are_not(name):
    assert not is_leftover(name)
    assert not has_leftover(["..", ".", name])


def test_files_come_folder_by_folder_and_by_name(tmp_path):
    touch(tmp_path, "z.png", "f/b/2.png", "f/a.png", "f/b/1", "f/c.txt")
    assert names(walk(tmp_path), tmp_path) == ["f/a.png", "f/b/1", "f/b/2.png", "f/c.txt", "z.png"]


def test_links_are_followed_but_not_in_circles(tmp_path):
    folder = touch(tmp_path / "in", "a/1.png")
    touch(tmp_path / "elsewhere", "2.png")
    (folder / "a/up").symlink_to(folder)
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "itself").symlink_to("itself")
    (folder / "broken").symlink_to("nowhere")
    walked = walk(folder)
    # What leads nowhere is a file here, which is rejected with its reason when it is read.
    assert names(walked, folder) == ["a/1.png", "broken", "itself", "linked/2.png"]
    assert walked.loops == [folder / "a/up"]


@pytest.mark.parametrize("place", ["", "a", "a/b"])
def test_a_folder_that_cannot_be_read_is_named_with_the_remedy_at_any_depth(
    tmp_path, monkeypatch, place
):
    folder = touch(tmp_path / "in", "a/b/1.png")
    scandir = os.scandir

    def refuse(path):
        if os.fspath(path) == os.fspath(folder / place):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=rf"got {folder / place}: Permission denied; fix its perm"):
        walk(folder)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        list_folder(tmp_path / "nowhere")


def test_names_that_are_no_utf8_can_be_shown_and_written(tmp_path):
    with open(os.fsencode(tmp_path) + b"/r\xf6ntgen.png", "wb") as file:
        file.write(b"x")
    (path,) = walk(tmp_path).files
    assert shown(path.name) == r"r\xf6ntgen.png"
    shown(path).encode("utf-8")
    assert shown("Müller.png") == "Müller.png"
