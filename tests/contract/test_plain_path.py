"""Folders whose names libraries would take for patterns."""

from __future__ import annotations

import os

import pytest

from contract.errors import InputError
from contract.plain_path import plain_path

ODD = ["out [1]", "a*b", "what?", "{SPAN}", "back\\slash", os.fsdecode(b"r\xf6ntgen")]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("name", ["out", "out (1)", "Ergebnis ä", "a b"])
def test_a_plain_folder_is_taken_as_it_is(tmp_path, name, cache):
    assert plain_path(tmp_path / name) == tmp_path / name
    assert not cache.exists()


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("below", ["", "runs/1"])
def test_another_is_reached_by_one_link_in_every_run(tmp_path, name, below, cache):
    folder = tmp_path / name / below
    link = plain_path(folder)
    assert link.resolve() == folder
    assert link.is_relative_to(cache)
    assert not set("*?[]{}\\") & set(str(link))
    assert str(link).encode("utf-8")
    assert plain_path(folder) == link
    assert plain_path(tmp_path / f"{name} 2") != link


def test_a_link_that_leads_elsewhere_is_put_right(tmp_path):
    link = plain_path(tmp_path / "out [1]")
    link.unlink()
    link.symlink_to(tmp_path)
    assert plain_path(tmp_path / "out [1]") == link
    assert link.resolve() == tmp_path / "out [1]"


def test_without_a_cache_the_folder_for_temporary_files_is_used(tmp_path, monkeypatch, cache):
    cache.write_text("no folder")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    assert plain_path(tmp_path / "out [1]").is_relative_to(tmp_path / "temporary")


def test_without_any_place_for_a_link_the_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache [1]"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary [1]"))
    with pytest.raises(InputError, match=r"expected a folder without any of .* \[ "):
        plain_path(tmp_path / "out [1]")


def test_a_folder_that_is_not_there_yet_is_reached_when_it_is(tmp_path):
    link = plain_path(tmp_path / "out [1]")
    (tmp_path / "out [1]").mkdir()
    (link / "file").write_text("x")
    assert (tmp_path / "out [1]" / "file").read_text() == "x"


def test_what_is_below_one_folder_shares_its_link(tmp_path, cache):
    paths = [plain_path(tmp_path / "out [1]" / name) for name in ("", "serving/1", "serving/2")]
    assert paths[1:] == [paths[0] / "serving/1", paths[0] / "serving/2"]
    assert len(list(cache.rglob("*"))) == 2  # the folder of links, and one in it
    assert plain_path(paths[1]) == paths[1]
