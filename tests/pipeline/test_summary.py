"""Tests of `pipeline.summary`, and that docs/summary.md says what it holds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from contract.errors import InputError
from evaluation.slice_metrics import slice_metrics_from_predictions
from pipeline.summary import (
    FILE_NAME,
    SplitMetrics,
    Summary,
    notice_for,
    parse_summary,
    read_summary,
    to_json,
    write_summary,
)

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "summary.md"


def fields_by_part() -> dict[str, set[str]]:
    schema = Summary.model_json_schema()
    parts = {"Summary": schema} | schema["$defs"]
    return {name: set(part["properties"]) for name, part in parts.items() if "properties" in part}


def documented_fields() -> dict[str, set[str]]:
    sections = DOCUMENT.read_text(encoding="utf-8").split("\n## ")[1:]
    return {
        section.splitlines()[0].strip(): set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
        for section in sections
    }


def test_the_document_names_every_field_and_no_other() -> None:
    assert documented_fields() == fields_by_part()


def test_links_of_the_document_lead_somewhere() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    links = set(re.findall(r"\]\(#(\w+)\)", text))
    assert links
    assert links <= {name.lower() for name in fields_by_part()}


def test_a_run_is_accepted_and_survives_json(blessed_summary: Summary) -> None:
    assert Summary.model_validate_json(blessed_summary.model_dump_json()) == blessed_summary


def test_a_run_on_a_cluster_has_the_same_schema_with_less_in_it(
    blessed_summary: Summary,
) -> None:
    fields = ("verdict", "run_id", "ended", "versions", "gate", "pushed_model")
    short = Summary.model_validate({name: getattr(blessed_summary, name) for name in fields})
    assert short.sentence == blessed_summary.sentence
    assert short.metrics is None
    assert parse_summary(to_json(short), "s3://runs/1/summary.json") == short


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"selected": "other"}, "expected selected to be one of ['cnn_deep'], got 'other'"),
        ({"timings_s": {"Convert": 1.0}}, "expected the key 'total', got ['Convert']"),
        ({"timings_s": {"total": -1.0}}, "greater than or equal to 0"),
        ({"timings_s": {"total": float("nan")}}, "finite number"),
        ({"extra": 1}, "Extra inputs are not permitted"),
        ({"schema_version": 3}, "Input should be 2"),
        ({"verdict": "refused"}, "and none where it is refused, got refused and path="),
        ({"pushed_model": None}, "expected a pushed model where the verdict is blessed"),
    ],
)
def test_a_run_that_cannot_be_is_refused(
    summary_fields: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        Summary.model_validate(summary_fields | change)


def test_figures_per_slice_are_taken_as_they_are_computed() -> None:
    computed = slice_metrics_from_predictions(
        [0, 1, 1, 0],
        [0.1, 0.9, 0.4, 0.2],
        threshold=0.5,
        slices={"subtype": ["normal", "viral", "viral", "normal"]},
    )
    split = SplitMetrics.from_slices(computed)
    assert list(split.slices) == ["subtype=normal", "subtype=viral"]
    assert (split.overall.n, split.overall.positives) == (4, 2)
    assert split.overall == computed["overall"]
    assert split.slices["subtype=normal"].recall.value is None
    with pytest.raises(ValueError, match="expected a slice 'overall', got \\['subtype=viral'\\]"):
        SplitMetrics.from_slices({"subtype=viral": computed["subtype=viral"]})


def test_drawn_images_are_said_to_mean_nothing() -> None:
    assert "mean nothing" in notice_for(True)
    assert "mean nothing" not in notice_for(False)


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
    assert written["metrics"]["test"]["slices"]["subtype=normal"]["recall"]["value"] is None
    assert written["schema_version"] == 2
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

    monkeypatch.setattr("pipeline.summary.os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_summary(blessed_summary.model_copy(update={"num_gpus": 3}), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [FILE_NAME]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected a run's summary, got No such file or directory"),
        ("{", "got no JSON: Expecting property name"),
        ("[]", "got a problem in the file: Input should be"),
        ('{"schema_version": 7}', "got schema version 7"),
        ('{"schema_version": 1}', "got version 1 of an earlier release"),
    ],
)
def test_another_file_is_no_summary(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / FILE_NAME
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_summary(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "How to fix" in str(caught.value)
