"""The artifact of the ExternalEvaluation node, apart from what makes it, which needs TensorFlow."""

from __future__ import annotations

from tfx.types import Artifact


class ExternalEvaluationReport(Artifact):
    """Holds `evaluation.external.REPORT_FILE`."""

    TYPE_NAME = "pneumonia.ExternalEvaluationReport"
