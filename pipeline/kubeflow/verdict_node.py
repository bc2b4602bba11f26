"""The node that makes a refusal the state of the run.

KFP ends a run as failed only if one of its tasks failed, and a gate that refuses a model has done
its work well. Without this node, a list of runs would not show the refusal.
"""

# No `from __future__ import annotations`: TFX reads the component's annotations as objects.

from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import InfraBlessing, ModelBlessing, PushedModel

from evaluation.gate import REPORT_FILE, GateReport
from pipeline.verdict import Verdict as Record
from serving.push_record import PUSHED_PROPERTY
from serving.servability.report import ServabilityReport


class RefusedError(Exception):
    """The gate, or the check of the serving, refused the model."""


@component
def Verdict(  # noqa: N802 - TFX names the node after the function
    pushed_model: InputArtifact[PushedModel],
    blessing: InputArtifact[ModelBlessing],
    infra_blessing: InputArtifact[InfraBlessing],
) -> None:
    """Fail where the model was not pushed, with the checks that it failed.

    Args:
        pushed_model: What Pusher recorded.
        blessing: The gate's verdict, with its report.
        infra_blessing: That of the check of the serving, with its report.

    Raises:
        RefusedError: The model was refused.
    """
    # Some stores hand integers back as floats: 1.0 counts as 1.
    if pushed_model.get_custom_property(PUSHED_PROPERTY) == 1:
        return
    report = GateReport.model_validate_json(
        (Path(blessing.uri) / REPORT_FILE).read_text(encoding="utf-8")
    )
    servability = ServabilityReport.read(Path(infra_blessing.uri))
    record = Record(verdict="refused", gate=report, servability=servability)
    raise RefusedError(record.sentence)
