"""What the gate leaves, from its real rules."""

from __future__ import annotations

from contract.settings import GateSettings
from evaluation.gate import Evaluation, GateReport, judge
from evaluation.slice_metrics import OVERALL, slice_metrics_from_counts
from serving.servability.report import ServabilityReport

# Not the slices that are too small to judge, nor what passed.
REFUSAL = (
    "REFUSED: failed: recall (overall); 0.9250, at least 0.9500, n = 400; "
    "failed: recall_lower_bound (overall); 0.8950, lower 95% bound at least 0.9000, n = 400"
)


VETO = "REFUSED: failed: serving: a fresh process was ended by SIGSEGV"


def servability_report(*, blessed: bool) -> ServabilityReport:
    """Return what a fresh process leaves, or what is left of one that crashed; see `VETO`."""
    if not blessed:
        reasons = ("a fresh process was ended by SIGSEGV",)
        return ServabilityReport(blessed=False, reasons=reasons, num_images=16, max_difference=1e-5)
    return ServabilityReport(
        blessed=True, num_images=16, num_answers=64, max_difference=1e-5, largest_difference=1e-7,
        largest_difference_from_training=2e-7, load_s=1.5, first_answer_s=0.4, later_answer_s=0.02,
    )  # fmt: skip


def gate_report(*, blessed: bool) -> GateReport:
    """Judge a model that passes all bounds, or misses those of recall; see `REFUSAL`."""
    tp = 390 if blessed else 370
    overall = slice_metrics_from_counts(
        tp=tp, fp=20, tn=180, fn=400 - tp, auc=0.98,
        mean_probability=0.6, brier=0.04, log_loss=0.2,
    )  # fmt: skip
    evaluation = Evaluation(candidate={OVERALL: overall}, baseline=None, tfma_ok=True)
    report = judge(evaluation, GateSettings())
    assert report.blessed == blessed
    return report
