from __future__ import annotations

import pytest

from contract.errors import InputError
from ingestion.conversion_folder import prepare_partial, publish


def test_complete_folder_takes_the_place_of_an_older_one(tmp_path):
    output = tmp_path / "out"
    for content in ("old", "new"):
        partial = prepare_partial(output)
        (partial / "dataset_card.json").write_text(content)
        publish(partial, output)
    assert (output / "dataset_card.json").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_leftovers_of_an_interrupted_conversion_are_thrown_away(tmp_path):
    (prepare_partial(tmp_path / "out") / "half").write_text("x")
    assert list(prepare_partial(tmp_path / "out").iterdir()) == []


def test_files_of_somebody_else_are_never_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="expected an empty folder or an earlier conversion"):
        prepare_partial(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_a_folder_that_a_system_left_something_in_is_empty(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.DS_Store").write_bytes(b"x")
    assert prepare_partial(tmp_path / "out").is_dir()


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_place_that_cannot_be_written_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("x")
    with pytest.raises(
        InputError, match=r"expected a folder that can be written, got .*file.*choose"
    ):
        prepare_partial(tmp_path / name)


def test_folder_without_permission_is_refused(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(InputError, match="Permission denied; choose another output folder"):
        prepare_partial(tmp_path / "out")
