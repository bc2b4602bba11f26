"""How a run ended, and why: one record for the terminal, `summary.json` and Kubeflow."""

from __future__ import annotations

from typing import Literal

from evaluation.gate import GateReport, describe
from evaluation.slice_metrics import Record
from serving.push_record import PushedModel
from serving.servability.report import ServabilityReport

Outcome = Literal["blessed", "refused", "broken"]


class Verdict(Record):
    """The verdict on a run's model, with everything behind it.

    Attributes:
        verdict: `blessed` and pushed, `refused` by the gate or by a check of the serving, or
            `broken`: a node failed.
        error: What broke; "" where nothing did.
        gate: The gate's checks; None where the run did not get that far.
        servability: What a fresh process made of the export; None where it was not asked.
        tf_serving_blessed: Whether TensorFlow Serving loaded the export and answered, by TFX's
            InfraValidator; None where it was not asked, or on a cluster.
        pushed_model: Where the model is; None where nothing was pushed.
    """

    verdict: Outcome
    error: str = ""
    gate: GateReport | None = None
    servability: ServabilityReport | None = None
    tf_serving_blessed: bool | None = None
    pushed_model: PushedModel | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the model was refused, one line each; empty where nothing refused it."""
        failed = () if self.gate is None else self.gate.with_verdict("failed")
        vetoes = () if self.servability is None else self.servability.reasons
        reasons = [*map(describe, failed), *(f"failed: serving: {reason}" for reason in vetoes)]
        if self.tf_serving_blessed is False:
            reasons.append(
                "failed: serving: TensorFlow Serving did not load the model or did not answer; see "
                "the log"
            )
        return tuple(reasons)

    @property
    def sentence(self) -> str:
        """The verdict in one line, with what decided it."""
        if self.verdict == "blessed" and self.pushed_model is not None:
            return f"BLESSED: pushed to {self.pushed_model.path}"
        if self.verdict == "refused":
            return f"REFUSED: {'; '.join(self.reasons) or 'Pusher found a blessing missing'}"
        return f"BROKEN: {self.error}"
