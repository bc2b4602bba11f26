"""The Evaluator node: what reaches TFX's executor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow_model_analysis as tfma
from tfx.components.evaluator import executor as tfx_evaluator
from tfx.types import Artifact, Channel, standard_artifacts

from components.evaluator import BaselineAwareExecutor, Evaluator, create_evaluator


def _baseline(present: float | None) -> Artifact:
    artifact = standard_artifacts.Model()
    if present is not None:
        artifact.set_float_custom_property("baseline_present", present)
    return artifact


@pytest.mark.parametrize(
    ("baselines", "is_compared"),
    [
        ([_baseline(1.0)], True),
        ([_baseline(0.0)], False),
        ([_baseline(None)], False),
    ],
)
def test_a_baseline_reaches_tfx_only_where_it_says_it_is_there(
    monkeypatch: pytest.MonkeyPatch, baselines: list[Artifact], is_compared: bool
) -> None:
    received: dict[str, Any] = {}

    def remember(self: object, input_dict: dict[str, Any], *others: object) -> None:
        received.update(input_dict)

    monkeypatch.setattr(tfx_evaluator.Executor, "Do", remember)
    inputs = {
        "model": [standard_artifacts.Model()],
        "examples": [standard_artifacts.Examples()],
        "baseline_model": baselines,
    }
    BaselineAwareExecutor().Do(inputs, {}, {})
    assert ("baseline_model" in received) == is_compared
    assert {"model", "examples"} <= received.keys()
    assert "baseline_model" in inputs  # the caller's inputs stay as they are


def test_what_a_lost_worker_was_writing_is_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def evaluate(self: object, inputs: object, outputs: Any, properties: object) -> None:
        for name in ("beam-temp-metrics-1f/part", "metrics-00000-of-00001"):
            file = tmp_path / name
            file.parent.mkdir(exist_ok=True)
            file.touch()

    monkeypatch.setattr(tfx_evaluator.Executor, "Do", evaluate)
    evaluation = standard_artifacts.ModelEvaluation()
    evaluation.uri = str(tmp_path)
    BaselineAwareExecutor().Do({}, {"evaluation": [evaluation]}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["metrics-00000-of-00001"]


def _node(code_version: str) -> Evaluator:
    return create_evaluator(
        examples=Channel(type=standard_artifacts.Examples),
        model=Channel(type=standard_artifacts.Model),
        baseline_model=Channel(type=standard_artifacts.Model),
        eval_config=tfma.EvalConfig(model_specs=[tfma.ModelSpec(label_key="label")]),
        example_splits=["test"],
        code_version=code_version,
    )


def test_the_node_has_a_plain_id_and_tfx_outputs() -> None:
    node = _node("1")
    assert node.id == "Evaluator"
    assert set(node.outputs) == {"evaluation", "blessing"}


def test_the_code_version_is_in_what_the_cache_key_holds() -> None:
    assert _node("1").exec_properties["code_version"] == "1"
    assert _node("2").exec_properties != _node("1").exec_properties
