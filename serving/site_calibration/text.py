"""A site's calibration in lines for a terminal; frozen and new figures are always apart."""

from __future__ import annotations

import math
from collections.abc import Iterator

from serving.site_calibration.alignment import Alignment, Estimate
from serving.site_calibration.labelled import Choice, MeasuredFigures, Proportion
from serving.site_calibration.run import SiteReport

_MOST_LEFT_OUT = 10


def describe(report: SiteReport, *, dry_run: bool) -> list[str]:
    """Return the lines.

    Args:
        report: What was found.
        dry_run: Whether nothing was to be pushed.
    """
    return [*_images(report), *_figures(report), "", *_verdict(report, dry_run)]


def _images(report: SiteReport) -> Iterator[str]:
    kind = "labelled" if report.is_labelled else "unlabelled"
    yield f"Model {report.model_version}, {report.model_dir}"
    yield f"{report.num_images} {kind} images scored, {len(report.left_out)} left out"
    if report.num_unfamiliar is not None:
        yield (
            "Unlike the training images, so referred to a radiologist whatever its score: "
            f"{report.num_unfamiliar} of {report.num_images}"
        )
    for each in report.left_out[:_MOST_LEFT_OUT]:
        yield f"  left out: {each.name}: {each.reason}"
    if len(report.left_out) > _MOST_LEFT_OUT:
        yield f"  and {len(report.left_out) - _MOST_LEFT_OUT} more"
    for warning in report.warnings:
        yield f"Warning: {warning}"


def _figures(report: SiteReport) -> Iterator[str]:
    if report.alignment is not None:
        yield from _of_alignment(report.alignment, report.served_threshold)
    if report.measured is not None:
        yield "Measured by the labels, which the alignment did not see:"
        yield from _measured("frozen", report.measured.frozen)
        yield from _measured("aligned", report.measured.aligned)
    if report.choice is not None:
        yield from _of_choice(report.choice, report.served_threshold)


def _of_alignment(found: Alignment, served_threshold: float) -> Iterator[str]:
    source = "given" if found.prevalence_given else "estimated"
    yield f"Prevalence of pneumonia, {source}: {_estimate(found.prevalence)}"
    if found.shift_found:
        yield (
            "Acquisition shift: log-odds are those of validation times "
            f"{found.scale:.2f} plus {found.offset:+.2f}"
        )
        yield (
            f"Distance from validation: {found.distance_before:.3f} before it is undone "
            f"(equal sites: below {found.distance_before_bound:.3f}), {found.distance_after:.3f} "
            f"after (tolerated: {found.distance_after_bound:.3f})"
        )
    else:
        yield (
            "Acquisition shift: none found; distance from validation "
            f"{found.distance_before:.3f} (equal sites: below {found.distance_before_bound:.3f})"
        )
    yield from _served(found.frozen_threshold, served_threshold)
    yield "Expected without labels, from the validation scores carried to this site:"
    yield (
        f"  frozen   threshold {found.frozen_threshold:.4g}, calls "
        f"{found.share_called_frozen:.1%} of these images pneumonia: recall "
        f"{_estimate(found.frozen.recall)}, specificity {_estimate(found.frozen.specificity)}"
    )
    yield (
        f"  aligned  threshold {found.threshold:.4g}, of an estimated "
        f"{_estimate(found.estimated_threshold, '.4g')}, calls "
        f"{found.share_called:.1%}: recall {_estimate(found.aligned.recall)}, specificity "
        f"{_estimate(found.aligned.specificity)}"
    )
    yield (
        "  If the scores of pneumonia have not moved, the recall of the aligned threshold is "
        f"{found.recall_if_unmoved:.3f}"
    )
    if found.share_uncertain_frozen is not None and found.share_uncertain is not None:
        yield (
            f"  Uncertain scores, which are referred: {found.share_uncertain_frozen:.1%} of these "
            f"images with the frozen band, {found.share_uncertain:.1%} with the aligned one"
        )
    for warning in found.warnings:
        yield f"Warning: {warning}"


def _of_choice(found: Choice, served_threshold: float) -> Iterator[str]:
    yield f"{found.num_pneumonia} of the images are labelled pneumonia"
    yield from _served(found.frozen_threshold, served_threshold)
    yield f"Measured on these images, frozen threshold {found.frozen_threshold:.4g}:"
    yield from _measured("frozen", found.frozen)
    if found.threshold is not None and found.rechosen is not None:
        yield (
            f"Re-chosen threshold {found.threshold:.4g} "
            f"[{found.threshold_low:.4g}, {found.threshold_high:.4g}] for a sensitivity of "
            f"{found.target_sensitivity:g}"
            + ("" if found.reaches_target else ", which cannot be shown with so few cases")
        )
        yield from _measured("rechosen", found.rechosen)
        yield from _referral(found)
        yield _more(found)


def _referral(found: Choice) -> Iterator[str]:
    if found.referral is None:
        return
    num_decided = 0 if found.decided is None else found.decided.accuracy.number
    yield (
        f"  Uncertain scores, which are referred: {found.num_images - num_decided} of "
        f"{found.num_images} images"
    )
    if found.decided is not None:
        yield from _measured("decided", found.decided)
    for kind, number, error, other in (
        ("pneumonia", found.num_pneumonia, found.referral.max_missed_fraction, "normal"),
        (
            "normal",
            found.num_images - found.num_pneumonia,
            found.referral.max_false_alarm_fraction,
            "pneumonia",
        ),
    ):
        needed = math.ceil(1.0 / error - 1.0 - 1e-9) if error else 0
        if number < needed:
            yield (
                f"  No score is certain enough to be called {other}: an error of {error:g} takes "
                f"{needed} labelled {kind} images, got {number}"
            )


def _more(found: Choice) -> str:
    if found.more_cases_for_width == 0:
        return f"The recall's interval is no wider than {found.interval_width:g}"
    if found.more_cases_for_width is None:
        return f"No number of cases makes the recall's interval {found.interval_width:g} wide"
    return (
        f"For a recall with an interval {found.interval_width:g} wide: "
        f"{found.more_cases_for_width} more cases of pneumonia, some "
        f"{found.more_images_for_width} images at this prevalence"
    )


def _served(frozen: float, served: float) -> Iterator[str]:
    if served != frozen:
        yield (
            f"The model is already calibrated for a site: it serves the threshold {served:.4g}; "
            f"the gate judged {frozen:.4g}"
        )


def _measured(name: str, figures: MeasuredFigures) -> Iterator[str]:
    yield (
        f"  {name:8} recall {_proportion(figures.recall)}, specificity "
        f"{_proportion(figures.specificity)}, accuracy {_proportion(figures.accuracy)}"
    )


def _verdict(report: SiteReport, dry_run: bool) -> Iterator[str]:
    found = report.alignment or report.choice
    reasons = found.reasons if found is not None else ()
    if report.verdict == "kept":
        yield "KEPT: the threshold is not changed, nothing is pushed"
    elif report.verdict == "refused":
        yield "REFUSED: nothing is pushed"
    elif dry_run:
        yield "DRY RUN: the threshold would be changed; nothing is pushed"
    elif report.pushed is not None:
        word = "Pushed" if report.pushed.is_new else "Already pushed"
        yield (
            f"{word}: version {report.pushed.number} in {report.pushed.folder}, model "
            f"{report.pushed.model_version}, calibrated by {report.by}"
        )
        yield "To undo it: python -m serving.rollback"
    for reason in reasons:
        yield f"  {reason}"


def _estimate(estimate: Estimate, form: str = ".3f") -> str:
    low, high = format(estimate.low, form), format(estimate.high, form)
    return f"{format(estimate.value, form)} [{low}, {high}]"


def _proportion(proportion: Proportion | None) -> str:
    if proportion is None:
        return "-"
    return f"{proportion.value:.3f} [{proportion.low:.3f}, {proportion.high:.3f}]"
