"""Going back to an earlier model, by the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.push_folder import push, pushed_versions, version_dir
from serving.rollback import main


@pytest.fixture
def push_dir(tmp_path: Path) -> Path:
    """A folder with the versions 1 (old), 2 (new)."""
    folder = tmp_path / "pneumonia"
    for name in ("old", "new"):
        push(make_model(tmp_path / name, name), folder)
    return folder


def make_model(folder: Path, content: str) -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text(content)
    (folder / "variables" / "variables.index").write_text(content)
    return folder


def content(push_dir: Path, version: int) -> str:
    return (version_dir(push_dir, version) / "saved_model.pb").read_text()


def test_the_version_before_serves_again(push_dir, capsys):
    assert main(["--model-dir", str(push_dir)]) == 0
    assert pushed_versions(push_dir) == [1, 2, 3]
    assert content(push_dir, 3) == "old"
    assert "Version 1 serves again, as version 3" in capsys.readouterr().out


def test_going_back_twice_comes_to_where_it_began(push_dir):
    main(["--model-dir", str(push_dir)])
    main(["--model-dir", str(push_dir)])
    assert content(push_dir, 4) == "new"


def test_a_version_can_be_named(push_dir, tmp_path):
    push(make_model(tmp_path / "newest", "newest"), push_dir)
    assert main(["--model-dir", str(push_dir), "--to", "1"]) == 0
    assert content(push_dir, 4) == "old"


def test_a_copy_of_what_serves_is_passed_over(push_dir, tmp_path):
    main(["--model-dir", str(push_dir)])  # 1 old, 2 new, 3 old
    push(make_model(tmp_path / "other", "other"), push_dir)  # 4
    main(["--model-dir", str(push_dir), "--to", "4"])
    assert pushed_versions(push_dir) == [1, 2, 3, 4]
    main(["--model-dir", str(push_dir)])
    assert content(push_dir, 5) == "old"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--to", "7"], "got 7: "),
        (["--to", "2"], "there is nothing to do"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(push_dir, arguments, told, capsys):
    assert main(["--model-dir", str(push_dir), *arguments]) == 2
    assert told in capsys.readouterr().err
    assert pushed_versions(push_dir) == [1, 2]


@pytest.mark.parametrize("num_models", [0, 1])
def test_without_an_earlier_model_it_says_so(tmp_path, num_models, capsys):
    folder = tmp_path / "pneumonia"
    for _ in range(num_models):
        push(make_model(tmp_path / "only", "only"), folder)
    assert main(["--model-dir", str(folder)]) == 2
    assert "an earlier, different model" in capsys.readouterr().err
