"""Two runs in one folder."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from contract.errors import InputError
from pipeline.folder_lock import locked_folder

HOLD = """
import sys
from pathlib import Path
from pipeline.folder_lock import locked_folder
with locked_folder(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path, repository):
    """Return a process that holds the lock of a folder, under its path."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "out")],
        cwd=repository,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.communicate()


def enter(folder):
    with locked_folder(folder):
        pass


def test_a_second_run_is_refused_with_who_has_the_folder(tmp_path, holder):
    with pytest.raises(
        InputError,
        match=rf"out: another run works in this folder \(process {holder.pid} on .*since",
    ):
        enter(tmp_path / "out")
    enter(tmp_path / "another")


def test_another_path_to_the_folder_is_the_same_folder(tmp_path, holder):
    (tmp_path / "link").symlink_to("out")
    for path in (tmp_path / "link", tmp_path / "x" / ".." / "out"):
        with pytest.raises(InputError, match="another run works"):
            enter(path)


def test_a_run_that_is_killed_leaves_the_folder_free(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert (tmp_path / "out" / ".lock").exists()
    enter(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_one_run_after_the_other_and_a_failure_between(tmp_path):
    enter(tmp_path / "new" / "out")
    with pytest.raises(KeyError), locked_folder(tmp_path / "new" / "out"):
        raise KeyError
    enter(tmp_path / "new" / "out")
    assert list((tmp_path / "new" / "out").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_may_be_all_that_can_be_written(tmp_path):
    (tmp_path / "closed" / "out").mkdir(parents=True)
    (tmp_path / "closed").chmod(0o500)
    try:
        enter(tmp_path / "closed" / "out")
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_the_lock_stays_with_the_name_while_the_folder_is_replaced(tmp_path):
    with locked_folder(tmp_path / "out", replaced=True):
        assert not (tmp_path / "out").exists()
        for _ in range(2):
            with (
                pytest.raises(InputError, match="another run works"),
                locked_folder(tmp_path / "out", replaced=True),
            ):
                pass
            (tmp_path / "out").mkdir(exist_ok=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_that_lost_its_name_is_no_lock(tmp_path, monkeypatch):
    opened = []
    real_open = os.open

    def open_and_lose(path, *arguments):
        descriptor = real_open(path, *arguments)
        if not opened:
            os.unlink(path)  # as the run before does, in the middle
        opened.append(descriptor)
        return descriptor

    monkeypatch.setattr(os, "open", open_and_lose)
    with locked_folder(tmp_path / "out"):
        assert len(opened) == 2
        assert (tmp_path / "out" / ".lock").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="expected a folder that can be written"):
        enter(tmp_path / "file" / "out")
