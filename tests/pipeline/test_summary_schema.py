"""Tests of `pipeline.summary_schema`, and that docs/summary.md says what it holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from evaluation.gate import Check as GateCheck
from evaluation.gate import GateReport
from evaluation.slice_metrics import slice_metrics_from_predictions
from pipeline.summary_schema import Candidate, Gate, Metrics, SplitMetrics, Summary, notice_for

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


def test_a_summary_from_before_stresses_and_trials_is_read(summary_fields: dict[str, Any]) -> None:
    required = {name for name, field in Candidate.model_fields.items() if field.is_required()}
    assert required == {
        "name",
        "architecture",
        "parameters",
        "hyperparameters",
        "epochs_run",
        "validation_metrics",
    }
    (candidate,) = summary_fields["candidates"]
    old = Candidate.model_validate({name: candidate[name] for name in required})
    assert old.reaches_target is None  # unknown, which is not false
    assert old.trials == ()
    assert not Summary.model_fields["selection_reason"].is_required()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"selected": "other"}, "expected selected to be one of ['cnn_deep'], got 'other'"),
        ({"timings_s": {"Convert": 1.0}}, "expected the key 'total', got ['Convert']"),
        ({"timings_s": {"total": -1.0}}, "greater than or equal to 0"),
        ({"timings_s": {"total": float("nan")}}, "finite number"),
        ({"extra": 1}, "Extra inputs are not permitted"),
        ({"schema_version": 2}, "Input should be 1"),
        (
            {"gate": {"blessed": False, "baseline_present": False, "checks": []}},
            "expected no pushed model where it was refused",
        ),
    ],
)
def test_a_run_that_cannot_be_is_refused(
    summary_fields: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        Summary.model_validate(summary_fields | change)


@pytest.mark.parametrize(
    ("estimate", "message"),
    [
        ({"value": float("nan")}, "finite number"),
        ({"value": 1.2}, "less than or equal to 1"),
        ({"value": 0.5, "low": 0.6, "high": 0.4}, "expected low <= high, got 0.6 > 0.4"),
    ],
)
def test_a_figure_out_of_range_is_refused(
    summary_fields: dict[str, Any], estimate: dict[str, float], message: str
) -> None:
    metrics = summary_fields["metrics"]["test"]["overall"] | {"recall": estimate}
    with pytest.raises(ValidationError, match=re.escape(message)):
        Metrics.model_validate(metrics)


def test_an_estimate_without_a_value_is_null(summary_fields: dict[str, Any]) -> None:
    undefined = {"value": None, "low": None, "high": None}
    metrics = summary_fields["metrics"]["test"]["overall"] | {"auc": undefined}
    assert Metrics.model_validate(metrics).auc is None


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
    assert split.overall.recall is not None
    assert split.overall.recall.value == 0.5
    assert split.overall.recall.low == computed["overall"].recall.low
    assert split.slices["subtype=normal"].recall is None
    assert split.slices["subtype=viral"].auc is None
    with pytest.raises(ValueError, match="expected a slice 'overall', got \\['subtype=viral'\\]"):
        SplitMetrics.from_slices({"subtype=viral": computed["subtype=viral"]})


def test_a_gate_report_is_taken_as_it_is() -> None:
    check = GateCheck(
        name="recall",
        slice="overall",
        metric="recall",
        value=0.9,
        bound=0.95,
        comparison="at least",
        verdict="failed",
        n=10,
    )
    report = GateReport(blessed=False, baseline_present=True, checks=(check,))
    # Coverage is told in `Decisions`.
    expected = report.model_dump(exclude={"coverage"})
    assert Gate.model_validate(report).model_dump() == expected


def test_drawn_images_are_said_to_mean_nothing() -> None:
    assert "mean nothing" in notice_for(True)
    assert "mean nothing" not in notice_for(False)
