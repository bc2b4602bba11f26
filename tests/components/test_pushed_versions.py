"""Versions in the push folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.pushed_versions import (
    NOTHING_PUSHED,
    content_digest,
    next_version,
    push_fingerprint,
    pushed_versions,
    version_dir,
)


def _push(push_dir: Path, name: str, content: bytes = b"model") -> Path:
    folder = push_dir / name
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(content)
    (folder / "variables" / "variables.index").write_bytes(b"index")
    return folder


def test_a_missing_folder_has_no_versions(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert pushed_versions(absent) == []
    assert next_version(absent) == 1
    assert push_fingerprint(absent) == NOTHING_PUSHED


def test_versions_are_ordered_as_integers(tmp_path: Path) -> None:
    for name in ("10", "9", "1"):
        _push(tmp_path, name)
    assert pushed_versions(tmp_path) == [1, 9, 10]
    assert next_version(tmp_path) == 11


@pytest.mark.parametrize("name", ["latest", ".incoming-3", "-3", "03", "3.5", "٣", "v3"])
def test_other_names_are_ignored(tmp_path: Path, name: str) -> None:
    _push(tmp_path, "2")
    _push(tmp_path, name)
    assert pushed_versions(tmp_path) == [2]
    assert next_version(tmp_path) == 3


def test_an_incomplete_version_is_ignored_but_its_number_stays_taken(tmp_path: Path) -> None:
    _push(tmp_path, "2")
    (tmp_path / "3").mkdir()
    (tmp_path / "4").write_text("a file, not a version")
    assert pushed_versions(tmp_path) == [2]
    assert next_version(tmp_path) == 4


def test_the_fingerprint_names_the_newest_version_and_follows_its_content(tmp_path: Path) -> None:
    _push(tmp_path, "1")
    first = push_fingerprint(tmp_path)
    assert first.startswith("1-")
    _push(tmp_path, "2", b"other")
    second = push_fingerprint(tmp_path)
    assert second.startswith("2-")
    (version_dir(tmp_path, 2) / "saved_model.pb").write_bytes(b"changed")
    assert push_fingerprint(tmp_path) not in (first, second)


def test_the_digest_is_of_names_and_bytes_and_not_of_the_place(tmp_path: Path) -> None:
    one, same = _push(tmp_path / "a", "1"), _push(tmp_path / "b", "7")
    assert content_digest(one) == content_digest(same)
    (same / "variables" / "variables.index").rename(same / "variables" / "renamed.index")
    assert content_digest(one) != content_digest(same)
