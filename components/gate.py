"""The gate node: the last word on whether a model may be pushed."""

# No `from __future__ import annotations`: TFX reads the component's annotations as objects.

import logging
from pathlib import Path

from tfx.components.evaluator import constants
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import Artifact
from tfx.types.standard_artifacts import ModelBlessing, ModelEvaluation

from components.external_artifact import ExternalEvaluationReport
from contract.settings import GateSettings
from evaluation.external import ExternalReport
from evaluation.gate import FAILED, REPORT_FILE, TOO_SMALL, GateReport, describe, judge
from evaluation.tfma_results import read_evaluation

BLESSED_PROPERTY = constants.ARTIFACT_PROPERTY_BLESSED_KEY  # 1 or 0; what a Pusher reads

_LOGGER = logging.getLogger(__name__)

# Which models were compared; copied from the Evaluator's blessing.
_PASSED_ON_TEXTS = (
    constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY,
    constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY,
)
_PASSED_ON_NUMBERS = (
    constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY,
    constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY,
)


def decide(
    evaluation: Artifact,
    evaluator_blessing: Artifact,
    blessing: Artifact,
    settings: GateSettings,
    external: ExternalReport | None = None,
    *,
    synthetic: bool = False,
) -> GateReport:
    """Judge an evaluation and write the verdict into `blessing`.

    Args:
        evaluation: ModelEvaluation, as the Evaluator wrote it.
        evaluator_blessing: ModelBlessing of the Evaluator. Some stores hand integers back as
            floats: 1.0 counts as 1.
        blessing: ModelBlessing to fill: the custom property `blessed`, TFX's BLESSED or
            NOT_BLESSED file, and `gate.json`.
        settings: The bounds.
        external: Figures on external sets, where there are bounds for one.
        synthetic: Whether the records were drawn.

    Returns:
        The contents of `gate.json`.
    """
    report = judge(
        read_evaluation(evaluation.uri),
        settings,
        evaluator_blessed=evaluator_blessing.get_custom_property(BLESSED_PROPERTY) == 1,
        external={name: each.metrics for name, each in external.sets.items()} if external else None,
    ).model_copy(update={"synthetic": synthetic})
    folder = Path(blessing.uri)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / REPORT_FILE).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    verdict_file = (
        constants.BLESSED_FILE_NAME if report.blessed else constants.NOT_BLESSED_FILE_NAME
    )
    (folder / verdict_file).touch()
    blessing.set_int_custom_property(
        BLESSED_PROPERTY,
        constants.BLESSED_VALUE if report.blessed else constants.NOT_BLESSED_VALUE,
    )
    _pass_on(evaluator_blessing, blessing)
    _log(report)
    return report


def _pass_on(source: Artifact, target: Artifact) -> None:
    for name in _PASSED_ON_TEXTS:
        if source.has_custom_property(name):
            target.set_string_custom_property(name, source.get_string_custom_property(name))
    for name in _PASSED_ON_NUMBERS:
        if source.has_custom_property(name):
            target.set_int_custom_property(name, source.get_int_custom_property(name))


def _log(report: GateReport) -> None:
    _LOGGER.info("The gate %s the model", "blesses" if report.blessed else "refuses")
    for check in report.checks:
        level = logging.WARNING if check.verdict in (FAILED, TOO_SMALL) else logging.INFO
        _LOGGER.log(level, "%s", describe(check))


@component
def ModelGate(  # noqa: N802 - TFX names the node after the function
    evaluation: InputArtifact[ModelEvaluation],
    evaluator_blessing: InputArtifact[ModelBlessing],
    blessing: OutputArtifact[ModelBlessing],
    settings: Parameter[str],
    code_version: Parameter[str],
    external_evaluation: InputArtifact[ExternalEvaluationReport] = None,
    synthetic: Parameter[int] = 0,
) -> None:
    """Bless a model, or not; see `decide`.

    Args:
        evaluation: The Evaluator's figures.
        evaluator_blessing: The Evaluator's verdict.
        blessing: The gate's verdict, for the Pusher.
        settings: `GateSettings.model_dump_json()`.
        code_version: Version of the project's code, in the cache key.
        external_evaluation: The model on external sets, where there are bounds for one.
        synthetic: 1 where the records were drawn.
    """
    del code_version
    decide(
        evaluation,
        evaluator_blessing,
        blessing,
        GateSettings.model_validate_json(settings),
        ExternalReport.read(Path(external_evaluation.uri)) if external_evaluation else None,
        synthetic=bool(synthetic),
    )
