from __future__ import annotations

from pathlib import Path

import pytest
from tfx.types import standard_artifacts

from pipeline.kubeflow.verdict_node import RefusedError, Verdict
from tests.pipeline.kubeflow.gate_reports import REFUSAL, VETO, gate_report, servability_report


def _run(tmp_path: Path, pushed: float | None, *, blessed: bool, is_servable: bool = True) -> None:
    """Run the node's executor, as a pod does."""
    pushed_model = standard_artifacts.PushedModel()
    if isinstance(pushed, int):
        pushed_model.set_int_custom_property("pushed", pushed)
    elif pushed is not None:
        pushed_model.set_float_custom_property("pushed", pushed)
    blessing = standard_artifacts.ModelBlessing()
    blessing.uri = str(tmp_path)
    (tmp_path / "gate.json").write_text(gate_report(blessed=blessed).model_dump_json())
    infra_blessing = standard_artifacts.InfraBlessing()
    infra_blessing.uri = str(tmp_path / "infra")
    servability_report(blessed=is_servable).write(tmp_path / "infra")
    executor = Verdict.EXECUTOR_SPEC.executor_class()
    inputs = {
        "pushed_model": [pushed_model],
        "blessing": [blessing],
        "infra_blessing": [infra_blessing],
    }
    executor.Do(inputs, {}, {})


@pytest.mark.parametrize("pushed", [1, 1.0])
def test_a_pushed_model_passes(tmp_path: Path, pushed: float) -> None:
    _run(tmp_path, pushed, blessed=True)


@pytest.mark.parametrize("pushed", [0, 0.0, None])
def test_a_model_that_was_not_pushed_fails_with_its_checks(
    tmp_path: Path, pushed: float | None
) -> None:
    with pytest.raises(RefusedError) as caught:
        _run(tmp_path, pushed, blessed=False)
    assert str(caught.value) == REFUSAL


def test_a_veto_of_the_serving_is_told_as_that(tmp_path: Path) -> None:
    with pytest.raises(RefusedError) as caught:
        _run(tmp_path, 0, blessed=True, is_servable=False)
    assert str(caught.value) == VETO
