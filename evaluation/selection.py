"""The choice among trained candidates, on validation alone.

First comes what screening is for: the recall at the candidate's own operating point must reach
the target with the lower end of its 95% interval. Among those that do, the highest specificity
wins, on plain and on degraded images alike; ties go to the higher AUC, then to the smaller
network. Where the ensemble competes, a single candidate has to be better than it by more than
chance: see `evaluation.paired_choice`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from evaluation.paired_choice import Answers, Difference, PairedChoice, compare_with_ensemble
from evaluation.predictions import Predictions, ValidationCases
from evaluation.slice_metrics import OVERALL, SliceMetrics
from evaluation.training_report import TrainingReport

SELECTION_FILE = "selection.json"  # a Selection, in the output `model_run` of the Selector


class Comparison(BaseModel):
    """One candidate as the choice sees it.

    Attributes:
        name: The candidate.
        reaches_target: Whether the recall's lower 95% bound on validation is at least the target.
        recall: On validation, at the operating point.
        recall_low: The lower end of its 95% interval.
        specificity: On validation.
        stressed_recall: The mean over the stresses. Like every stressed figure, it is the plain
            one where nothing was stressed.
        stressed_specificity: The mean over the stresses.
        mean_specificity: The mean of the plain and the stressed one: what is compared.
        auc: On validation.
        stressed_auc: The mean over the stresses.
        worst_stress: The stress of the lowest AUC; "" where nothing was stressed.
        worst_stressed_auc: Its AUC.
        mean_auc: The mean of the plain and the stressed one.
        num_parameters: All weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    reaches_target: bool
    recall: float
    recall_low: float
    specificity: float
    stressed_recall: float
    stressed_specificity: float
    mean_specificity: float
    auc: float
    stressed_auc: float
    worst_stress: str
    worst_stressed_auc: float
    mean_auc: float
    num_parameters: int


class Selection(BaseModel):
    """The choice.

    Attributes:
        selected: Name of the chosen candidate.
        reason: Why, in one sentence.
        target_sensitivity: What the operating points had to reach.
        candidates: All of them, the best first.
        paired: The best single candidate beside the ensemble; None without an ensemble, or where
            only one of the two reaches the target.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    selected: str
    reason: str
    target_sensitivity: float
    candidates: tuple[Comparison, ...]
    paired: PairedChoice | None = None


def compare(report: TrainingReport) -> Comparison:
    """Put a candidate's figures on validation together."""
    return compare_figures(
        report.name,
        report.validation[OVERALL],
        report.stressed,
        reaches_target=report.reaches_target,
        num_parameters=report.num_parameters,
    )


def compare_figures(
    name: str,
    plain: SliceMetrics,
    stressed_by_name: Mapping[str, SliceMetrics],
    *,
    reaches_target: bool,
    num_parameters: int,
) -> Comparison:
    """Put figures on validation together; see `Comparison`.

    Args:
        name: The candidate.
        plain: All validation images as they are.
        stressed_by_name: The same under each stress; empty where stresses are off.
        reaches_target: Of the recall's lower bound.
        num_parameters: All weights.

    Raises:
        ValueError: A class is missing.
    """
    stressed = list(stressed_by_name.values())
    areas = {stress: _value(metrics, "auc") for stress, metrics in stressed_by_name.items()}
    specificity = _value(plain, "specificity")
    stressed_specificity = _mean(stressed, "specificity", specificity)
    auc = _value(plain, "auc")
    stressed_auc = _mean(stressed, "auc", auc)
    worst_stress = min(areas, key=lambda stress: areas[stress]) if areas else ""
    return Comparison(
        name=name,
        reaches_target=reaches_target,
        recall=_value(plain, "recall"),
        recall_low=plain.recall.low or 0.0,
        specificity=specificity,
        stressed_recall=_mean(stressed, "recall", _value(plain, "recall")),
        stressed_specificity=stressed_specificity,
        mean_specificity=(specificity + stressed_specificity) / 2.0,
        auc=auc,
        stressed_auc=stressed_auc,
        worst_stress=worst_stress,
        worst_stressed_auc=areas.get(worst_stress, auc),
        mean_auc=(auc + stressed_auc) / 2.0,
        num_parameters=num_parameters,
    )


def select(
    reports: Sequence[TrainingReport],
    predictions: Mapping[str, Predictions] | None = None,
    cases: ValidationCases | None = None,
) -> Selection:
    """Choose a candidate.

    Args:
        reports: At least one; all judged on the same validation split.
        predictions: Of each candidate on that split, uncalibrated, by its name. Without them the
            ranking alone decides, as it does among single candidates.
        cases: The images that the predictions are of.

    Raises:
        ValueError: There is no candidate, or the predictions are not of the same images.
    """
    if not reports:
        raise ValueError("Expected at least one trained candidate, got none.")
    # With the name at the end, equals do not depend on the order of the configuration.
    ranked = sorted((compare(report) for report in reports), key=_rank)
    target = reports[0].target_sensitivity
    paired = None
    if predictions is not None and cases is not None:
        paired = _paired_choice(ranked, reports, predictions, cases)
    if paired is not None:
        ranked.sort(key=lambda entry: entry.name != paired.winner)  # stable: the others stay
    return Selection(
        selected=ranked[0].name,
        reason=_reason(ranked, target) if paired is None else _paired_reason(paired, ranked),
        target_sensitivity=target,
        candidates=tuple(ranked),
        paired=paired,
    )


def _paired_choice(
    ranked: Sequence[Comparison],
    reports: Sequence[TrainingReport],
    predictions: Mapping[str, Predictions],
    cases: ValidationCases,
) -> PairedChoice | None:
    by_name = {report.name: report for report in reports}
    ensembles = [entry for entry in ranked if by_name[entry.name].members]
    singles = [entry for entry in ranked if not by_name[entry.name].members]
    if not ensembles or not singles:
        return None
    single, ensemble = singles[0], ensembles[0]
    if single.reaches_target != ensemble.reaches_target:
        return None  # recall comes first: the ranking has it so
    return compare_with_ensemble(
        single.name,
        ensemble.name,
        {
            entry.name: Answers(
                predictions[entry.name].calibrated(by_name[entry.name].calibration),
                by_name[entry.name].threshold,
            )
            for entry in (single, ensemble)
        },
        cases,
        asked_first="specificity" if ensemble.reaches_target else "recall",
        seed=by_name[ensemble.name].seed,
    )


def _rank(entry: Comparison) -> tuple[float | str | bool, ...]:
    if entry.reaches_target:
        return (False, -entry.mean_specificity, -entry.mean_auc, entry.num_parameters, entry.name)
    # Nothing is safe to compare by specificity where the recall is not.
    return (True, -entry.recall_low, -entry.mean_auc, entry.num_parameters, entry.name)


def _reason(ranked: Sequence[Comparison], target: float) -> str:
    best = ranked[0]
    if not best.reaches_target:
        return (
            f"no candidate's recall reaches {target:g} with its lower 95% bound; {best.name} "
            f"comes nearest with {best.recall_low:.3f}"
        )
    if len(ranked) == 1:
        return f"{best.name} is the only candidate"
    rivals = [entry for entry in ranked[1:] if entry.reaches_target]
    if not rivals:
        return (
            f"only {best.name} has a recall that reaches {target:g} with its lower 95% bound "
            f"({best.recall_low:.3f})"
        )
    second = rivals[0]
    judged_on = "plain and stressed validation" if best.worst_stress else "validation"
    if best.mean_specificity > second.mean_specificity:
        return (
            f"of the {1 + len(rivals)} candidates whose recall reaches {target:g} with its lower "
            f"95% bound, {best.name} has the highest specificity on {judged_on}, "
            f"{best.mean_specificity:.3f} against {second.mean_specificity:.3f} of {second.name}"
        )
    if best.mean_auc > second.mean_auc:
        return (
            f"{best.name} and {second.name} have the same specificity; {best.name} has the "
            f"higher AUC, {best.mean_auc:.4f} against {second.mean_auc:.4f}"
        )
    return f"{best.name} and {second.name} are equal in specificity and AUC; {best.name} is smaller"


def _paired_reason(paired: PairedChoice, ranked: Sequence[Comparison]) -> str:
    single, ensemble = (
        next(entry for entry in ranked if entry.name == name)
        for name in (paired.single, paired.ensemble)
    )
    where = "plain and stressed validation" if ensemble.worst_stress else "validation"
    first = (
        f"recall {single.recall:.3f} against {ensemble.recall:.3f}, difference "
        f"{_signed(paired.recall, 3)}"
        if paired.asked_first == "recall"
        else f"specificity {single.mean_specificity:.3f} against {ensemble.mean_specificity:.3f}, "
        f"difference {_signed(paired.specificity, 3)}"
    )
    figures = (
        f"{first}; AUC {single.mean_auc:.4f} against {ensemble.mean_auc:.4f}, difference "
        f"{_signed(paired.auc, 4)}; 95% intervals from {paired.num_resamples:,} resamples of "
        f"{paired.num_patients:,} patients"
    )
    told = (
        f"{paired.single}, the best single candidate, and {paired.ensemble} differ by no more "
        f"than chance on {where}, and a tie goes to the ensemble"
    )
    if paired.decisive is not None:
        better, other = paired.ensemble, f"{paired.single}, the best single candidate"
        if paired.winner == paired.single:
            better, other = other, paired.ensemble
        figure = "AUC" if paired.decisive == "auc" else paired.decisive
        told = f"{better}, has" if better.endswith("candidate") else f"{better} has"
        told += f" a higher {figure} than {other}, beyond chance, on {where}"
    return f"{told} ({paired.single} against {paired.ensemble}: {figures})"


def _signed(difference: Difference, digits: int) -> str:
    value, low, high = (
        f"{each:+.{digits}f}" for each in (difference.value, difference.low, difference.high)
    )
    return f"{value} [{low}, {high}]"


def _value(metrics: SliceMetrics, name: str) -> float:
    value: float | None = getattr(metrics, name).value
    if value is None:
        raise ValueError(f"Expected a defined {name} on validation, got none: a class is missing.")
    return value


def _mean(stressed: Sequence[SliceMetrics], name: str, otherwise: float) -> float:
    return (
        float(np.mean([_value(metrics, name) for metrics in stressed])) if stressed else otherwise
    )
