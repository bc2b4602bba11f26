"""Versions in the push folder, and pushing into it."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from contract.errors import InputError
from serving import push_folder
from serving.push_folder import (
    NOTHING_PUSHED,
    content_digest,
    next_version,
    push,
    push_fingerprint,
    pushed_versions,
    version_dir,
    version_folders,
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


def test_leading_zeros_are_allowed_as_in_file_system_storage_path_source_test(
    tmp_path: Path,
) -> None:
    # SpecificVersionsLeadingZeros: the folder 00017 is version 17.
    padded, plain = _push(tmp_path, "00017"), _push(tmp_path, "30")
    assert pushed_versions(tmp_path) == [17, 30]
    assert version_dir(tmp_path, 17) == padded
    assert version_dir(tmp_path, 30) == plain
    assert version_dir(tmp_path, 31) == tmp_path / "31"
    assert next_version(tmp_path) == 31


def test_of_two_folders_of_one_number_the_last_name_counts(tmp_path: Path) -> None:
    # file_system_storage_path_source.cc goes through the names in their order.
    _push(tmp_path, "0007")
    last = _push(tmp_path, "7")
    assert version_folders(tmp_path) == {7: last}


@pytest.mark.parametrize("name", ["latest", ".incoming-3", "-3", "3.5", "٣", "v3", str(2**63)])
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


def test_versions_count_up_from_one(tmp_path: Path) -> None:
    push_dir = tmp_path / "serving" / "pneumonia"
    first, second = _push(tmp_path, "a"), _push(tmp_path, "b", b"other")
    assert push(first, push_dir) == (1, True)
    assert push(second, push_dir) == (2, True)
    assert pushed_versions(push_dir) == [1, 2]
    assert content_digest(version_dir(push_dir, 2)) == content_digest(second)


def test_pushing_the_newest_model_again_changes_nothing(tmp_path: Path) -> None:
    model, other = _push(tmp_path, "a"), _push(tmp_path, "b", b"other")
    push_dir = tmp_path / "serving"
    push(model, push_dir)
    before = push_fingerprint(push_dir)
    assert push(model, push_dir) == (1, False)
    assert push_fingerprint(push_dir) == before
    # Going back to an older model is a new version: the newest is what servers load.
    push(other, push_dir)
    assert push(model, push_dir) == (3, True)


def test_the_number_of_an_incomplete_version_is_not_reused(tmp_path: Path) -> None:
    push_dir = tmp_path / "serving"
    (push_dir / "5").mkdir(parents=True)
    assert push(_push(tmp_path, "a"), push_dir) == (6, True)


def test_a_version_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_dir = tmp_path / "serving"
    seen: list[list[str]] = []

    def copy_and_look(source: str, destination: str, **options: bool) -> str:
        copied = shutil.copy2(source, destination, **options)
        seen.append([name for name in os.listdir(push_dir) if not name.startswith(".")])
        return copied

    copy_tree = shutil.copytree

    def copy_tree_and_look(source: Path, destination: Path, *inner: object) -> object:
        # copytree calls itself for folders inside, with all its arguments.
        return copy_tree(source, destination, *(inner or (False, None, copy_and_look)))

    monkeypatch.setattr(shutil, "copytree", copy_tree_and_look)
    push(_push(tmp_path, "a"), push_dir)
    assert seen == [[], []]  # after each of the two files
    assert os.listdir(push_dir) == ["1"]


def test_a_copy_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_dir = tmp_path / "serving"

    def fail(copy: Path, push_dir: Path) -> int:
        raise OSError("no space left on device")

    monkeypatch.setattr(push_folder, "_rename_to_next_version", fail)
    with pytest.raises(OSError, match="no space left"):
        push(_push(tmp_path, "a"), push_dir)
    assert os.listdir(push_dir) == []


def test_a_server_of_another_user_can_read_a_version(tmp_path: Path) -> None:
    model = _push(tmp_path, "a")
    for path in [model, *model.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    push(model, tmp_path / "serving")
    for path in (tmp_path / "serving" / "1").rglob("*"):
        assert path.stat().st_mode & 0o004
    assert (tmp_path / "serving" / "1").stat().st_mode & 0o005 == 0o005


def test_pushes_at_the_same_time_get_a_number_each(tmp_path: Path) -> None:
    push_dir = tmp_path / "serving"
    models = [_push(tmp_path, f"m{index}", f"model {index}".encode()) for index in range(8)]
    start = threading.Barrier(len(models))

    def push_with_the_others(model: Path) -> None:
        start.wait()
        push(model, push_dir)

    threads = [threading.Thread(target=push_with_the_others, args=(m,)) for m in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pushed_versions(push_dir) == list(range(1, 9))
    pushed = {content_digest(version_dir(push_dir, number)) for number in range(1, 9)}
    assert pushed == {content_digest(model) for model in models}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    in_the_way = tmp_path / "serving"
    in_the_way.write_text("a file where the folder should be")
    with pytest.raises(InputError, match=f"got {in_the_way}"):
        push(_push(tmp_path, "a"), in_the_way)


def test_a_folder_without_a_saved_model_is_not_pushed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(FileNotFoundError, match=r"expected saved_model\.pb"):
        push(tmp_path / "a", tmp_path / "serving")
    assert not (tmp_path / "serving").exists()
