"""The gate node: what it writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tfx.types import Artifact, Channel, standard_artifacts

from components import gate
from components.external_artifact import ExternalEvaluationReport
from components.gate import ModelGate, decide
from contract.settings import GateSettings
from evaluation.external import ExternalReport
from evaluation.gate import Evaluation, GateReport
from evaluation.slice_metrics import OVERALL, slice_metrics_from_counts
from tests.report.external.made_sets import make_set


def _evaluation(tp: int) -> Evaluation:
    overall = slice_metrics_from_counts(
        tp=tp, fp=20, tn=180, fn=400 - tp, auc=0.98,
        mean_probability=0.6, brier=0.04, log_loss=0.2,
    )  # fmt: skip
    return Evaluation(candidate={OVERALL: overall}, baseline=None, tfma_ok=True)


@pytest.fixture
def artifacts(tmp_path: Path) -> tuple[Artifact, Artifact, Artifact]:
    evaluation = standard_artifacts.ModelEvaluation()
    evaluation.uri = str(tmp_path / "evaluation")
    evaluator_blessing = standard_artifacts.ModelBlessing()
    evaluator_blessing.set_int_custom_property("blessed", 1)
    evaluator_blessing.set_string_custom_property("current_model", "/models/7")
    evaluator_blessing.set_int_custom_property("current_model_id", 7)
    blessing = standard_artifacts.ModelBlessing()
    blessing.uri = str(tmp_path / "blessing")
    return evaluation, evaluator_blessing, blessing


@pytest.mark.parametrize(
    ("tp", "blessed", "verdict_file"), [(390, 1, "BLESSED"), (370, 0, "NOT_BLESSED")]
)
def test_the_verdict_stands_in_property_file_and_report(
    artifacts: tuple[Artifact, Artifact, Artifact],
    monkeypatch: pytest.MonkeyPatch,
    tp: int,
    blessed: int,
    verdict_file: str,
) -> None:
    evaluation, evaluator_blessing, blessing = artifacts
    monkeypatch.setattr(gate, "read_evaluation", {evaluation.uri: _evaluation(tp)}.__getitem__)
    report = decide(evaluation, evaluator_blessing, blessing, GateSettings())
    folder = Path(blessing.uri)
    assert {path.name for path in folder.iterdir()} == {verdict_file, "gate.json"}
    assert blessing.get_custom_property("blessed") == blessed
    assert GateReport.model_validate_json((folder / "gate.json").read_text()) == report
    assert blessing.get_string_custom_property("current_model") == "/models/7"
    assert blessing.get_int_custom_property("current_model_id") == 7
    assert not blessing.has_custom_property("baseline_model")
    assert not report.synthetic
    assert decide(*artifacts, GateSettings(), synthetic=True).synthetic


@pytest.mark.parametrize(("evaluator_blessed", "blessed"), [(1.0, 1), (0.0, 0), (None, 0)])
def test_the_evaluators_blessing_is_needed_and_may_be_a_float(
    artifacts: tuple[Artifact, Artifact, Artifact],
    monkeypatch: pytest.MonkeyPatch,
    evaluator_blessed: float | None,
    blessed: int,
) -> None:
    evaluation, _, blessing = artifacts
    monkeypatch.setattr(gate, "read_evaluation", lambda path: _evaluation(390))
    evaluator_blessing = standard_artifacts.ModelBlessing()
    if evaluator_blessed is not None:
        evaluator_blessing.set_float_custom_property("blessed", evaluator_blessed)
    decide(evaluation, evaluator_blessing, blessing, GateSettings())
    assert blessing.get_custom_property("blessed") == blessed


def test_failed_and_unjudged_checks_are_warnings_in_the_log(
    artifacts: tuple[Artifact, Artifact, Artifact],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(gate, "read_evaluation", lambda path: _evaluation(370))
    decide(*artifacts, GateSettings())
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "failed: recall (overall); 0.9250, at least 0.9500, n = 400" in warnings
    assert any(line.startswith("too small: slice_recall (subtype=viral)") for line in warnings)


def test_the_node_has_a_plain_id_and_its_settings_are_in_the_cache_key() -> None:
    node = ModelGate(
        evaluation=Channel(type=standard_artifacts.ModelEvaluation),
        evaluator_blessing=Channel(type=standard_artifacts.ModelBlessing),
        settings=GateSettings(min_recall=0.9).model_dump_json(),
        code_version="1",
    )
    assert node.id == "ModelGate"
    assert '"min_recall":0.9' in node.exec_properties["settings"]
    assert node.exec_properties["code_version"] == "1"


def test_the_node_reads_external_figures_where_it_is_given_some(
    artifacts: tuple[Artifact, Artifact, Artifact],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(gate, "read_evaluation", lambda path: _evaluation(390))
    external = ExternalEvaluationReport()
    external.uri = str(tmp_path / "external")
    ExternalReport(sets={"adults": make_set()}).write(tmp_path / "external")
    evaluation, evaluator_blessing, blessing = artifacts

    def run(**bounds: float) -> GateReport:
        node = ModelGate(
            evaluation=Channel(type=standard_artifacts.ModelEvaluation),
            evaluator_blessing=Channel(type=standard_artifacts.ModelBlessing),
            external_evaluation=Channel(type=ExternalEvaluationReport),
            settings=GateSettings.model_validate(
                {"external": {"adults": bounds}}
            ).model_dump_json(),
            code_version="1",
        )
        node.executor_spec.executor_class().Do(
            {
                "evaluation": [evaluation],
                "evaluator_blessing": [evaluator_blessing],
                "external_evaluation": [external],
            },
            {"blessing": [blessing]},
            node.exec_properties,
        )
        return GateReport.model_validate_json((Path(blessing.uri) / "gate.json").read_text())

    assert run(min_recall=0.5).blessed
    refused = run(min_recall=0.9)
    assert not refused.blessed
    (check,) = refused.with_verdict("failed")
    assert (check.name, check.slice, check.value) == ("external_recall", "external=adults", 0.75)
