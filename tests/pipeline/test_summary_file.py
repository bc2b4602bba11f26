"""Tests of `pipeline.summary_file`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contract.errors import InputError
from pipeline.summary_file import FILE_NAME, read_summary, write_summary
from pipeline.summary_schema import Summary


def test_what_is_written_is_read_back(
    tmp_path: Path, blessed_summary: Summary, refused_summary: Summary
) -> None:
    path = tmp_path / FILE_NAME
    for summary in (blessed_summary, refused_summary):
        write_summary(summary, path)
        assert read_summary(path) == summary
    assert [entry.name for entry in tmp_path.iterdir()] == [FILE_NAME]


def test_undefined_figures_are_null_in_strict_json(
    tmp_path: Path, blessed_summary: Summary
) -> None:
    path = tmp_path / FILE_NAME
    write_summary(blessed_summary, path)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    written = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert written["metrics"]["test"]["slices"]["subtype=normal"]["recall"] is None
    assert written["schema_version"] == 1
    assert written["gate"]["checks"][0]["verdict"] == "passed"


def test_a_setting_that_json_cannot_hold_is_refused_and_the_old_file_stays(
    tmp_path: Path, blessed_summary: Summary
) -> None:
    path = tmp_path / FILE_NAME
    write_summary(blessed_summary, path)
    before = path.read_bytes()
    broken = blessed_summary.model_copy(update={"settings": {"rate": float("nan")}})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_summary(broken, path)
    assert path.read_bytes() == before


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, blessed_summary: Summary, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / FILE_NAME
    write_summary(blessed_summary, path)
    before = path.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.summary_file.os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_summary(blessed_summary.model_copy(update={"num_gpus": 3}), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [FILE_NAME]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected a run's summary, got No such file or directory"),
        ("{", "got a problem in the file: Invalid JSON"),
        ('{"schema_version": 7}', "got a problem in schema_version: Input should be 1"),
    ],
)
def test_another_file_is_no_summary(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / FILE_NAME
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_summary(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "How to fix" in str(caught.value)
