from __future__ import annotations

import pytest

from contract.errors import InputError
from ingestion.unpacking import fingerprint_files, unpack_once


def _fill_with(text, calls):
    def fill(folder):
        calls.append(text)
        (folder / "content").write_text(text)

    return fill


def test_finished_folder_is_reused_until_the_fingerprint_changes(tmp_path):
    calls: list[str] = []
    first = unpack_once(tmp_path, "x", "one", _fill_with("a", calls))
    unpack_once(tmp_path, "x", "one", _fill_with("b", calls))
    assert calls == ["a"]
    second = unpack_once(tmp_path, "x", "two", _fill_with("c", calls))
    assert calls == ["a", "c"]
    assert first == second == tmp_path / "x"
    assert (second / "content").read_text() == "c"


def test_half_done_work_is_thrown_away(tmp_path):
    (tmp_path / ".x.partial").mkdir()
    (tmp_path / ".x.partial/old").write_text("half")
    (tmp_path / "x").mkdir()
    (tmp_path / "x/no-marker").write_text("half")

    folder = unpack_once(tmp_path, "x", "one", _fill_with("a", []))

    assert sorted(path.name for path in folder.iterdir()) == [".complete", "content"]


def test_failure_leaves_nothing_that_looks_finished(tmp_path):
    def fail(folder):
        (folder / "content").write_text("half")
        raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        unpack_once(tmp_path, "x", "one", fail)
    assert list(tmp_path.iterdir()) == []


def test_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"expected a work folder that can be written, got .*file"):
        unpack_once(tmp_path / "file", "x", "one", _fill_with("a", []))


def test_fingerprint_follows_name_size_and_time(tmp_path):
    path = tmp_path / "a"
    path.write_text("1")
    before = fingerprint_files([path])
    assert fingerprint_files([path]) == before
    path.write_text("12")
    assert fingerprint_files([path]) != before
