"""The gate's rules: from an evaluation to a verdict with every number behind it.

Pure Python, so that each rule can be tried without TFX. `evaluation.tfma_results` reads
an evaluation, `components.gate` is the node.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

from contract import features
from contract.settings import GateSettings
from evaluation.coverage import Coverage, coverage_of_slices
from evaluation.slice_metrics import OVERALL, Record, SliceMetrics, slice_name

PASSED, FAILED, TOO_SMALL = "passed", "failed", "too_small"
Verdict = Literal["passed", "failed", "too_small"]

REPORT_FILE = "gate.json"  # a GateReport, beside the file that names the verdict
EXTERNAL = "external"  # of names of checks and slices: sets from outside the training data

# A drop of exactly the margin passes, whatever the last bit of a difference says.
CHANGE_TOLERANCE = 1e-9


class ThresholdFailure(Record):
    """One bound that TFMA says is not met; value is None where the metric is NaN or missing."""

    metric: str
    slice: str
    is_change: bool
    value: float | None
    message: str = ""


class Evaluation(Record):
    """What TFMA measured and said, as plain data.

    Attributes:
        candidate: Figures by slice name, such as "overall" and "subtype=viral".
        baseline: The same of the earlier model, or None where there was none.
        tfma_ok: Whether TFMA validated the candidate.
        failures: The bounds that it refused.
        missing_slices: Slices that have a bound and no data.
    """

    candidate: dict[str, SliceMetrics]
    baseline: dict[str, SliceMetrics] | None
    tfma_ok: bool
    failures: tuple[ThresholdFailure, ...] = ()
    missing_slices: tuple[str, ...] = ()


class Check(Record):
    """One rule, applied.

    Attributes:
        name: The rule, e.g. "recall_lower_bound".
        slice: Slice that it was applied to.
        metric: Figure that it reads, e.g. "recall"; "validation" for TFMA's own word.
        value: The figure, or None where it is undefined.
        bound: What it is compared with, or None for a rule without a number.
        comparison: How, e.g. "at least".
        verdict: "passed", "failed", or "too_small" to judge, which is neither.
        n: Images that the figure rests on: pneumonia for recall, normal for specificity.
        baseline: The earlier model's figure, for changes.
        note: Why, where the numbers do not say it.
    """

    name: str
    slice: str
    metric: str
    value: float | None
    bound: float | None
    comparison: str
    verdict: Verdict
    n: int
    baseline: float | None = None
    note: str = ""


class GateReport(Record):
    """The verdict.

    Attributes:
        blessed: Whether no check failed.
        baseline_present: Whether there was an earlier model to compare with.
        checks: Every rule.
        coverage: What the model decides on the test split; informative, unless
            `gate.min_coverage` is set. None where the evaluation does not say.
        synthetic: Whether the images were drawn: clinically, the verdict then means nothing.
    """

    blessed: bool
    baseline_present: bool
    checks: tuple[Check, ...]
    coverage: Coverage | None = None
    synthetic: bool = False

    def with_verdict(self, verdict: Verdict) -> tuple[Check, ...]:
        """Return the checks that ended in `verdict`."""
        return tuple(check for check in self.checks if check.verdict == verdict)


def judge(
    evaluation: Evaluation,
    settings: GateSettings,
    *,
    evaluator_blessed: bool = True,
    external: Mapping[str, SliceMetrics] | None = None,
) -> GateReport:
    """Apply every rule to an evaluation.

    The gate can refuse what TFMA validated, and never blesses what TFMA or the Evaluator refused.

    Args:
        evaluation: What was measured.
        settings: The bounds.
        evaluator_blessed: Whether the Evaluator's own blessing says so.
        external: Figures on sets from outside the training data, by name; those without bounds
            in `settings.external` decide nothing.

    Returns:
        The verdict with all checks, also the passed ones and those of slices too small to judge.

    Example:
        >>> from evaluation.slice_metrics import slice_metrics_from_counts
        >>> overall = slice_metrics_from_counts(
        ...     tp=390, fp=20, tn=180, fn=10, auc=0.98,
        ...     mean_probability=None, brier=None, log_loss=None,
        ... )
        >>> evaluation = Evaluation(candidate={"overall": overall}, baseline=None, tfma_ok=True)
        >>> report = judge(evaluation, GateSettings())
        >>> report.blessed
        True
        >>> describe(report.checks[0])
        'passed: recall (overall); 0.9750, at least 0.9500, n = 400'
    """
    overall = evaluation.candidate.get(OVERALL)
    checks = _bounds(overall, settings)
    if evaluation.baseline is not None:
        checks += _changes(overall, evaluation.baseline.get(OVERALL), settings)
    checks = [_with_tfma_failures(check, evaluation.failures) for check in checks]
    checks += [
        _low_at_least("recall", overall, settings.min_recall_lower_bound),
        _low_at_least("specificity", overall, settings.min_specificity_lower_bound),
    ]
    checks += _slice_recalls(evaluation.candidate, settings)
    coverage = coverage_of_slices(evaluation.candidate)
    if settings.min_coverage > 0.0:
        checks.append(_coverage(coverage, settings.min_coverage))
    checks += _external(external or {}, settings)
    checks.append(_tfma(evaluation, evaluator_blessed))
    return GateReport(
        blessed=all(check.verdict != FAILED for check in checks),
        baseline_present=evaluation.baseline is not None,
        checks=tuple(checks),
        coverage=coverage,
    )


def describe(check: Check) -> str:
    """Return a check as one line for people."""
    parts = [f"{check.name} ({check.slice})"]
    if check.bound is not None:
        value = "undefined" if check.value is None else f"{check.value:.4f}"
        parts.append(f"{value}, {check.comparison} {check.bound:.4f}, n = {check.n}")
    if check.baseline is not None:
        parts.append(f"baseline {check.baseline:.4f}")
    if check.note:
        parts.append(check.note)
    return f"{check.verdict.replace('_', ' ')}: " + "; ".join(parts)


def describe_gate(report: GateReport) -> str:
    """Return a gate's verdict as one line for people: how its checks ended."""
    counts = Counter(check.verdict for check in report.checks)
    line = f"of {len(report.checks)} checks, {counts['passed']} passed, {counts['failed']} failed"
    if counts["too_small"]:
        line += f", {counts['too_small']} had too few cases to judge"
    if not report.baseline_present:
        line += "; there is no earlier model to compare with"
    return line


def _bounds(overall: SliceMetrics | None, settings: GateSettings) -> list[Check]:
    return [
        _at_least("recall", "recall", overall, settings.min_recall),
        _at_least("specificity", "specificity", overall, settings.min_specificity),
        _at_least("auc", "auc", overall, settings.min_auc),
    ]


def _at_least(
    name: str, metric: str, metrics: SliceMetrics | None, bound: float, where: str = OVERALL
) -> Check:
    value = _value(metrics, metric)
    return Check(
        name=name,
        slice=where,
        metric=metric,
        value=value,
        bound=bound,
        comparison="at least",
        verdict=PASSED if value is not None and value >= bound else FAILED,
        n=_support(metrics, metric),
        note=_why_undefined(metrics, metric) if value is None else "",
    )


def _changes(
    overall: SliceMetrics | None, before: SliceMetrics | None, settings: GateSettings
) -> list[Check]:
    checks = []
    for metric, max_drop in (("recall", settings.max_recall_drop), ("auc", settings.max_auc_drop)):
        value, earlier = _value(overall, metric), _value(before, metric)
        change = None if value is None or earlier is None else value - earlier
        note = "" if change is not None else "undefined for the candidate or the baseline"
        checks.append(
            Check(
                name=f"{metric}_change",
                slice=OVERALL,
                metric=metric,
                value=change,
                bound=-max_drop,
                comparison="change against the baseline at least",
                verdict=PASSED
                if change is not None and change >= -max_drop - CHANGE_TOLERANCE
                else FAILED,
                n=_support(overall, metric),
                baseline=earlier,
                note=note,
            )
        )
    return checks


def _low_at_least(metric: str, overall: SliceMetrics | None, bound: float) -> Check:
    low: float | None = None if overall is None else getattr(overall, metric).low
    return Check(
        name=f"{metric}_lower_bound",
        slice=OVERALL,
        metric=metric,
        value=low,
        bound=bound,
        comparison="lower 95% bound at least",
        verdict=PASSED if low is not None and low >= bound else FAILED,
        n=_support(overall, metric),
        note=_why_undefined(overall, metric) if low is None else "",
    )


def _slice_recalls(slices: dict[str, SliceMetrics], settings: GateSettings) -> list[Check]:
    names = [slice_name(features.SUBTYPE, subtype) for subtype in features.PNEUMONIA_SUBTYPES]
    names += [slice_name(features.SIZE_GROUP, group) for group in features.SIZE_GROUPS]
    checks = []
    for name in names:
        check = _at_least(
            "slice_recall", "recall", slices.get(name), settings.min_slice_recall, where=name
        )
        if check.n < settings.min_slice_positives:
            note = (
                f"too small to judge: {check.n} pneumonia images, "
                f"fewer than {settings.min_slice_positives}"
            )
            check = check.model_copy(update={"verdict": TOO_SMALL, "note": note})
        checks.append(check)
    return checks


def _coverage(coverage: Coverage | None, bound: float) -> Check:
    value = None if coverage is None else coverage.share.value
    return Check(
        name="coverage",
        slice=OVERALL,
        metric="coverage",
        value=value,
        bound=bound,
        comparison="at least",
        verdict=PASSED if value is not None and value >= bound else FAILED,
        n=0 if coverage is None else coverage.n,
        note="" if value is not None else "undefined: the evaluation has no slices by decision",
    )


def _external(sets: Mapping[str, SliceMetrics], settings: GateSettings) -> list[Check]:
    return [
        _at_least(
            f"{EXTERNAL}_{metric}", metric, sets.get(name), bound, where=slice_name(EXTERNAL, name)
        )
        for name, bounds in settings.external.items()
        for metric, bound in (
            ("recall", bounds.min_recall),
            ("specificity", bounds.min_specificity),
            ("auc", bounds.min_auc),
        )
        if bound is not None
    ]


def _with_tfma_failures(check: Check, failures: tuple[ThresholdFailure, ...]) -> Check:
    """Fail a check that TFMA refused, also where our own reading of the number passes."""
    is_change = check.name.endswith("_change")
    for failure in failures:
        if (failure.metric, failure.slice, failure.is_change) == (
            check.metric,
            check.slice,
            is_change,
        ):
            return check.model_copy(
                update={"verdict": FAILED, "note": _join(check.note, "refused by TFMA")}
            )
    return check


def _tfma(evaluation: Evaluation, evaluator_blessed: bool) -> Check:
    reasons = [
        f"{failure.metric}{' change' if failure.is_change else ''} on {failure.slice}"
        + (f" ({failure.message})" if failure.message else "")
        for failure in evaluation.failures
    ]
    reasons += [f"no data for {name}" for name in evaluation.missing_slices]
    if not evaluator_blessed:
        reasons.append("the Evaluator did not bless the model")
    is_ok = evaluation.tfma_ok and evaluator_blessed
    if not is_ok and not reasons:
        reasons.append("TFMA gave no reason")
    overall = evaluation.candidate.get(OVERALL)
    return Check(
        name="tfma",
        slice=OVERALL,
        metric="validation",
        value=None,
        bound=None,
        comparison="validated",
        verdict=PASSED if is_ok else FAILED,
        n=0 if overall is None else overall.n,
        note="refused: " + ", ".join(reasons) if not is_ok else "",
    )


def _value(metrics: SliceMetrics | None, metric: str) -> float | None:
    return None if metrics is None else getattr(metrics, metric).value


def _support(metrics: SliceMetrics | None, metric: str) -> int:
    if metrics is None:
        return 0
    if metric == "recall":
        return metrics.positives
    if metric == "specificity":
        return metrics.n - metrics.positives
    return metrics.n


def _why_undefined(metrics: SliceMetrics | None, metric: str) -> str:
    if metrics is None or metrics.n == 0:
        return "undefined: no images"
    if metrics.positives == 0:
        return "undefined: no pneumonia images"
    if metrics.positives == metrics.n:
        return "undefined: no normal images"
    return f"undefined: the evaluation holds no {metric}"


def _join(first: str, second: str) -> str:
    return f"{first}; {second}" if first else second
