"""What a model card says in sentences; those with figures are made from the run's."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.gate import GateReport
from evaluation.selection import compare
from evaluation.shortcut_separation import ShortcutReport
from evaluation.site_holdout import PseudoSite, worst_site
from evaluation.slice_metrics import OVERALL, SliceMetrics
from evaluation.training_report import TrainingReport
from report.page.estimate_cells import describe_estimate, format_figure

INTENDED_USE = (
    "Decision support for a radiologist who reads chest X-rays: the model marks images that may "
    "show pneumonia. It makes no diagnosis; a person reads every image.",
    "Children of 1 to 5 years, frontal view, one image at a time.",
    "One site: the one named in this card, after validation there.",
)
OUT_OF_SCOPE = (
    "Diagnosis, treatment or discharge without a radiologist, and ruling out pneumonia.",
    "Newborns, infants below 1 year, children above 5 years, and adults.",
    "Lateral views, computed tomography, ultrasound, and photographs of films or screens.",
    "Other findings: it separates normal from pneumonia only, not bacterial from viral pneumonia.",
    "Sites, devices or export settings other than those it was validated on.",
)
_SHIFT = (
    "Models of this kind score high on validation images, which have the same source as the "
    "training images, and lower on images of other sources.",
    "Neither the threshold nor what looks normal to the model transfers to another site: both "
    "must be checked, and the threshold chosen again, on images of that site.",
)


def describe_limits(
    report: TrainingReport,
    gate: GateReport,
    test: SliceMetrics,
    *,
    num_patients: int,
    num_without_patient: int | None,
    image_size_px: int,
    synthetic: bool,
    external: Sequence[str] = (),
) -> tuple[str, ...]:
    """Say what bounds the trust in a model.

    Args:
        report: Of the selected candidate.
        gate: The verdict.
        test: All of the test split.
        num_patients: Of the test split.
        num_without_patient: Images of all splits whose patient is not known; None where there is
            no dataset card.
        image_size_px: Side of the images that Transform leaves.
        synthetic: Whether the images were drawn.
        external: Names of the sets from outside the training data that it was judged on.
    """
    limits = []
    elsewhere = (
        f"images from elsewhere were judged separately ({', '.join(external)})"
        if external
        else "there is no test on images of another site"
    )
    if synthetic:
        limits.append("The images were drawn by a program: clinically, no figure means anything.")
    if not gate.blessed:
        limits.append("The gate has refused this model: it must not be used.")
    if not report.reaches_target:
        limits.append(
            "The lower 95% bound of the recall on validation does not reach the target of "
            f"{report.target_sensitivity:g}: the threshold is the best available."
        )
    limits.append(
        f"It was tested on {test.n:,} images of {num_patients:,} patients, {test.positives:,} of "
        f"them with pneumonia, from the source of the training images; {elsewhere}. Several images "
        "of a patient count as independent, so the intervals are slightly too narrow."
    )
    if small := [check.slice for check in gate.with_verdict("too_small")]:
        limits.append(
            f"Too few cases of pneumonia to judge it on: {', '.join(sorted(set(small)))}."
        )
    if num_without_patient:
        limits.append(
            f"The patient of {num_without_patient:,} images is not known: images of one person "
            "may be in training and in test."
        )
    limits.append(
        f"{format_figure(test.prevalence)} of the test images show pneumonia. Where it is rarer, a "
        "smaller share of the images called pneumonia shows it, and the probabilities are too high."
    )
    limits.append(
        f"It sees images of {image_size_px} x {image_size_px} pixels: finer detail is lost."
    )
    limits.append("The labels are those of the source; they were not checked for this card.")
    return tuple(limits)


def describe_shift(
    report: TrainingReport, test: SliceMetrics, shortcuts: ShortcutReport | None
) -> tuple[str, ...]:
    """Say what is known of images from elsewhere.

    Args:
        report: Of the selected candidate.
        test: All of the test split.
        shortcuts: The data audit's; None where it measured none.
    """
    validation = report.validation[OVERALL]
    return (
        *_SHIFT,
        f"In this run, validation: {_figures(validation)}. Test: {_figures(test)}.",
        _describe_shortcuts(shortcuts),
        _describe_stress(report),
        *_describe_sites(report),
    )


def _describe_shortcuts(report: ShortcutReport | None) -> str:
    if report is None:
        return "The data audit has measured no shortcuts."
    strongest = report.shortcuts[0]
    return (
        f"Of {len(report.shortcuts)} measures that do not describe the lungs, {len(report.strong)} "
        f"alone separate the classes with an AUC of {report.warning_auc:g} or more on "
        f"{report.n:,} images; the strongest, {strongest.name.replace('_', ' ')}, has an AUC of "
        f"{strongest.auc:.3f} ({strongest.low:.3f} to {strongest.high:.3f}). A model that relies "
        "on them fails where their distribution differs."
    )


def _describe_stress(report: TrainingReport) -> str:
    if not report.stressed:
        return "It was not tried on degraded images: operating_point.stress was off."
    figures = compare(report)
    worst = report.stressed[figures.worst_stress]
    return (
        f"On degraded copies of the validation images its mean recall is "
        f"{figures.stressed_recall:.3f} and its mean specificity {figures.stressed_specificity:.3f}"
        f", compared with {figures.recall:.3f} and {figures.specificity:.3f} on the unchanged "
        f"images. Lowest AUC, under {figures.worst_stress.replace('_', ' ')}: {_figures(worst)}."
    )


def _describe_sites(report: TrainingReport) -> tuple[str, ...]:
    recall, specificity, unseen_recall, unseen_specificity = (
        worst_site(report.pseudo_sites, figure)
        for figure in ("recall", "specificity", "held_out_recall", "held_out_specificity")
    )
    parts = [
        f"{name} {describe_estimate(getattr(site, figure))} on {_site_name(site)}"
        for name, figure, site in (
            ("recall", "recall", recall),
            ("specificity", "specificity", specificity),
            ("recall with a threshold chosen without it", "held_out_recall", unseen_recall),
            (
                "specificity with a threshold chosen without it",
                "held_out_specificity",
                unseen_specificity,
            ),
        )
        if site is not None
    ]
    if not parts:
        return ()
    return (
        "The lowest figures on parts of validation that simulate another hospital: "
        f"{'; '.join(parts)}. Expect similar figures at a hospital with similar images.",
    )


def _site_name(site: PseudoSite) -> str:
    return f"the images of {site.scheme} {site.group.replace('_', ' ')}"


def _figures(metrics: SliceMetrics) -> str:
    return (
        f"recall {describe_estimate(metrics.recall)}, "
        f"specificity {describe_estimate(metrics.specificity)}, "
        f"AUC {describe_estimate(metrics.auc)}, n = {metrics.n:,}"
    )
