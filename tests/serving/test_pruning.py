"""Deleting old versions: which ones go, what prevents it, and what a reader sees."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from pathlib import Path

import pytest

from serving.pruning import prune, served_versions
from serving.push_folder import content_digest, pushed_versions, roll_back, version_dir


@pytest.fixture
def push_dir(tmp_path: Path) -> Path:
    """Eight versions, each another model."""
    folder = tmp_path / "serving" / "pneumonia"
    for number in range(1, 9):
        model = folder / str(number)
        (model / "variables").mkdir(parents=True)
        (model / "saved_model.pb").write_text(f"model {number}")
        (model / "variables" / "variables.index").write_text("index")
    return folder


def _serve(push_dir: Path, text: str) -> Path:
    path = push_dir.parent / "models.config"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_newest_stay(push_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert prune(push_dir, 3) == [1, 2, 3, 4, 5]
    assert sorted(os.listdir(push_dir)) == ["6", "7", "8"]  # nothing hidden is left either
    assert f"Deleted old versions of {push_dir}: 1, 2, 3, 4, 5; the newest 3 stay" in caplog.text


def test_nothing_is_pruned_where_there_are_not_more(push_dir: Path) -> None:
    assert prune(push_dir, 8) == []
    assert prune(push_dir / "absent", 2) == []
    assert pushed_versions(push_dir) == list(range(1, 9))


def test_pinned_versions_stay_beside_the_newest(push_dir: Path) -> None:
    assert prune(push_dir, 2, pinned=(3, 8, 99)) == [1, 2, 4, 5, 6]
    assert pushed_versions(push_dir) == [3, 7, 8]


def test_fewer_than_two_would_be_no_way_back(push_dir: Path) -> None:
    with pytest.raises(ValueError, match="at least 2 versions, got 1"):
        prune(push_dir, 1)
    assert len(pushed_versions(push_dir)) == 8


def test_a_rollback_after_the_fewest_were_kept_goes_to_the_other_one(push_dir: Path) -> None:
    prune(push_dir, 2)
    earlier = content_digest(version_dir(push_dir, 7))
    assert roll_back(push_dir) == (7, 9)
    assert content_digest(version_dir(push_dir, 9)) == earlier
    # And forth again, though the fewest are kept once more.
    assert prune(push_dir, 2) == [7]
    assert roll_back(push_dir) == (8, 10)


def test_what_the_server_is_told_to_serve_stays(push_dir: Path, repository: Path) -> None:
    config = repository / "serving" / "deploy" / "config" / "models.config"
    shutil.copy(config, push_dir.parent)
    assert served_versions(push_dir) == {1}
    assert prune(push_dir, 2) == [2, 3, 4, 5, 6]
    assert pushed_versions(push_dir) == [1, 7, 8]


def test_labels_and_policies_of_this_model_count_and_of_others_do_not(push_dir: Path) -> None:
    _serve(
        push_dir,
        """model_config_list {
          config {
            name: "chest" base_path: "/models/pneumonia"
            model_version_policy { specific { versions: 2 versions: 6 } }
            version_labels { key: "stable" value: 2 }
            version_labels { key: "canary" value: 4 }
          }
          config { name: "pneumonia" version_labels { key: "old" value: 1 } }
          config { name: "hand" base_path: "/models/hand" version_labels { key: "a" value: 3 } }
        }""",
    )
    assert served_versions(push_dir) == {1, 2, 4, 6}
    assert prune(push_dir, 2) == [3, 5]


def test_where_the_servers_file_cannot_be_read_nothing_is_deleted(
    push_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = _serve(push_dir, "model_config_list: [oops")
    assert prune(push_dir, 2) == []
    assert len(pushed_versions(push_dir)) == 8
    assert "No version was deleted" in caplog.text
    assert str(path) in caplog.text


def test_incomplete_versions_are_left_and_do_not_count(push_dir: Path) -> None:
    (push_dir / "8" / "saved_model.pb").unlink()
    assert prune(push_dir, 2) == [1, 2, 3, 4, 5]
    assert sorted(os.listdir(push_dir)) == ["6", "7", "8"]


def test_what_a_killed_call_has_left_is_deleted(push_dir: Path) -> None:
    left = push_dir / ".pruned-x1" / "1"
    left.parent.mkdir()
    (push_dir / "1").rename(left)
    assert prune(push_dir, 8) == []
    assert not left.parent.exists()


def test_a_reader_sees_a_version_whole_or_not_at_all(
    push_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    delete = shutil.rmtree

    def look_and_delete(folder: Path, **options: bool) -> None:
        # As TF Serving lists the folder, at the moment before files go.
        seen.append(sorted(name for name in os.listdir(push_dir) if not name.startswith(".")))
        delete(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", look_and_delete)
    assert prune(push_dir, 6) == [1, 2]
    assert seen == [["2", "3", "4", "5", "6", "7", "8"], ["3", "4", "5", "6", "7", "8"]]


def test_two_at_once_delete_each_version_once(push_dir: Path) -> None:
    start, pruned = threading.Barrier(4), []

    def run() -> None:
        start.wait()
        pruned.extend(prune(push_dir, 2))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(pruned) == [1, 2, 3, 4, 5, 6]
    assert sorted(os.listdir(push_dir)) == ["7", "8"]
