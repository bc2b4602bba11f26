"""Files and folders that the client is given."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from contract.errors import InputError
from serving.client.images import ReadyImage, find_images, name_images, prepare_image
from serving.client.outcomes import Failure
from tests.serving.client.pictures import encode


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode())


def test_folders_are_searched_by_name_and_files_stay_where_they_stand(tmp_path):
    write(tmp_path, "z.png", "f/b/2.png", "f/a.png", "f/b/1", "f/c.txt")
    missing = tmp_path / "missing.png"
    found = find_images([tmp_path / "z.png", tmp_path / "f", missing])
    inside = ["f/a.png", "f/b/1", "f/b/2.png", "f/c.txt"]
    assert found == [tmp_path / "z.png", *(tmp_path / name for name in inside), missing]


def test_hidden_files_are_no_part_of_a_folder_unless_they_are_named(tmp_path):
    write(tmp_path, "a.png", ".hidden.png", ".cache/b.png", "__MACOSX/c.png")
    assert find_images([tmp_path]) == [tmp_path / "a.png"]
    assert find_images([tmp_path / ".hidden.png"]) == [tmp_path / ".hidden.png"]


def test_links_lead_to_files_but_not_in_circles(tmp_path):
    write(tmp_path, "f/a.png")
    (tmp_path / "f" / "circle").symlink_to(tmp_path / "f")
    (tmp_path / "f" / "link.png").symlink_to("a.png")
    found = find_images([tmp_path / "f"])
    assert [path.name for path in found] == ["a.png", "circle", "link.png"]  # the link is a failure
    outcomes = [prepare_image(path.name, path, 10**6) for path in found]
    assert [type(each) for each in outcomes] == [ReadyImage, Failure, ReadyImage]


def test_an_empty_folder_is_told(tmp_path):
    write(tmp_path, ".hidden")
    with pytest.raises(InputError, match="got no visible file"):
        find_images([tmp_path])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_cannot_be_read_is_told(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    with pytest.raises(InputError, match="Permission denied"):
        find_images([folder])


def test_leftovers_of_other_systems_are_passed_over_and_odd_names_can_be_printed(tmp_path):
    write(tmp_path, "Thumbs.db", "sub/desktop.ini", os.fsdecode(b"r\xf6ntgen.png"))
    found = find_images([tmp_path])
    ((name, path),) = name_images(found)
    assert name == str(tmp_path / r"r\xf6ntgen.png")
    assert isinstance(prepare_image(name, path, 10**6), ReadyImage)


def test_a_pipe_fails_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (path,) = find_images([tmp_path])
    failure = prepare_image("pipe", path, 10**6)
    assert isinstance(failure, Failure)
    assert "a pipe" in failure.reason
