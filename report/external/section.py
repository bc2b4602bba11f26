"""What the selected model does on sets from outside the training data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from contract import features
from evaluation.external import NUM_BINS, PERCENTILES, ClassScores, ExternalSet
from evaluation.gate import EXTERNAL
from evaluation.slice_metrics import OVERALL, SliceMetrics, slice_name
from report.external.figures import measure_scores
from report.page.drawing import (
    COLOURS,
    DASHES,
    HEIGHT_INCHES,
    WIDTH_INCHES,
    create_figure,
    style,
    svg_uri,
)
from report.page.estimate_cells import (
    UNDEFINED,
    estimate_cell,
    format_figure,
    format_probability,
)
from report.page.parts import (
    Cell,
    Gallery,
    Group,
    Listing,
    Part,
    Picture,
    Section,
    Table,
    Text,
    attempt,
)
from report.sources import Sources

ANCHOR, TITLE = "outside", "Outside the training data"
_SHOWN = 20  # rejected images of a set, by name
_BASIS = (
    "The model was chosen, and its threshold set, before it was judged on these sets: nothing "
    "shown here was used for training, tuning, choice or threshold. These figures say more about "
    "another hospital than the test split, which has the same source as the training images."
)


def build(sources: Sources) -> Section:
    """Build the section; there is at least one set."""
    sets = sources.external
    return Section(
        ANCHOR,
        TITLE,
        (
            Text(_BASIS),
            attempt("The gate's verdict on them", lambda: _gate(sources)),
            *_seen(sets),
            attempt("The figures", lambda: figures_table(sets, sources.tfma.candidate[OVERALL])),
            attempt("What is referred", lambda: _referral(sets)),
            attempt("The distribution of the scores", lambda: _pictures(sources)),
            *(attempt(name, partial(_details, name, each)) for name, each in sets.items()),
        ),
    )


def _gate(sources: Sources) -> Part:
    judged = [
        name
        for name in sources.external
        if any(check.slice == slice_name(EXTERNAL, name) for check in sources.gate.checks)
    ]
    if not judged:
        return Text("The gate has no bounds for these sets: they did not affect the verdict.")
    return Text(f"The gate has bounds for {', '.join(judged)}: see the verdict.")


def _seen(sets: dict[str, ExternalSet]) -> tuple[Part, ...]:
    return tuple(
        Text(
            f"Images of {name} with the pixels of an image of train or validation: "
            f"{each.num_seen:,}. These images are not outside the training data.",
            "warning",
        )
        for name, each in sets.items()
        if each.num_seen
    )


def _referral(sets: dict[str, ExternalSet]) -> Part:
    if all(each.coverage is None for each in sets.values()):
        return Text("What is referred to a person was not measured: the model has no such output.")
    return referral_table(sets)


def _pictures(sources: Sources) -> Part:
    test = sources.predictions
    return Gallery(
        (
            draw_scores(TEST_SPLIT, measure_scores(test), test.threshold),
            *(
                draw_scores(name, each.scores, each.threshold)
                for name, each in sources.external.items()
            ),
        )
    )


def _details(name: str, external: ExternalSet) -> Part:
    facts = [f"Source: {external.source}"]
    if external.synthetic:
        facts.append("Its images were drawn by a program: clinically, its figures mean nothing.")
    if external.num_images_without_patient:
        facts.append(
            f"The patient of {external.num_images_without_patient:,} images is not known; each "
            "counts as a patient."
        )
    facts += external.warnings
    facts += [f"Rejected: {each.image_id}: {each.reason}" for each in external.rejected[:_SHOWN]]
    if len(external.rejected) > _SHOWN:
        facts.append(f"{len(external.rejected) - _SHOWN:,} more images were rejected.")
    return Group(
        f"{name} in detail",
        (percentiles_table(external.scores), Listing(tuple(facts))),
        folded=True,
    )


TEST_SPLIT = "test split"


def figures_table(sets: Mapping[str, ExternalSet], test: SliceMetrics) -> Table:
    """Return one set a line, below the test split.

    Args:
        sets: By name.
        test: All of the test split, to compare with.
    """
    rows: list[tuple[Cell | str, ...]] = [(Cell(TEST_SPLIT, "to compare"), *_figures(test, None))]
    rows += [
        (Cell(name, f"{each.num_patients:,} patients"), *_figures(each.metrics, each))
        for name, each in sets.items()
    ]
    return Table(
        "All images, at the threshold that the model ships, with 95% intervals: Wilson's for "
        "sensitivity and specificity, Newcombe's for the AUC. A dash: there is no image of a class "
        "that the figure needs, or it is not measured here.",
        (
            "Set",
            "n",
            "Pneumonia",
            "Sensitivity",
            "Specificity",
            "AUC",
            "Calibration error",
            "Brier",
        ),
        tuple(rows),
    )


def _figures(metrics: SliceMetrics, external: ExternalSet | None) -> tuple[Cell | str, ...]:
    return (
        f"{metrics.n:,}",
        f"{metrics.positives:,}",
        estimate_cell(metrics.recall),
        estimate_cell(metrics.specificity),
        estimate_cell(metrics.auc),
        UNDEFINED if external is None else format_figure(external.calibration_error),
        format_figure(metrics.brier),
    )


def referral_table(sets: Mapping[str, ExternalSet]) -> Table:
    """Return what is referred to a person, and the figures of the rest, one set a line.

    Args:
        sets: By name; those whose model has no such output are left out.
    """
    return Table(
        "Referred to a person by the model's own decision, and the images that it decides, with "
        "95% Wilson intervals.",
        (
            "Set",
            "Referred",
            *(f"Of {label}" for label in features.LABELS),
            "Unlike training",
            "Decided",
            "Sensitivity of these",
            "Specificity of these",
        ),
        tuple(
            (
                name,
                estimate_cell(found.referred),
                *(estimate_cell(by_label[label]) for label in features.LABELS),
                UNDEFINED if found.unfamiliar is None else estimate_cell(found.unfamiliar),
                f"{found.decided.n:,}",
                estimate_cell(found.decided.recall),
                estimate_cell(found.decided.specificity),
            )
            for name, each in sets.items()
            if (found := each.coverage) is not None
            and (by_label := each.referred_by_label) is not None
        ),
    )


def percentiles_table(scores: Mapping[str, ClassScores | None]) -> Table:
    """Return the probabilities' percentiles, one class a line."""
    return Table(
        "Percentiles of the probability of pneumonia; 0 and 100 are the lowest and the highest.",
        ("Class", "n", "Mean", *(f"{each}%" for each in PERCENTILES)),
        tuple(
            (
                label,
                f"{each.n:,}",
                format_figure(each.mean_probability),
                *(
                    format_probability(each.percentiles[str(percentile)])
                    for percentile in PERCENTILES
                ),
            )
            for label, each in scores.items()
            if each is not None
        ),
    )


_LEGEND_INCHES = 0.4  # two lines below the axes


def draw_scores(title: str, scores: Mapping[str, ClassScores | None], threshold: float) -> Picture:
    """Draw each class's share of images by probability, and the threshold.

    Args:
        title: Of the set.
        scores: By class; one without images is left out, and named in the caption.
        threshold: Operating point, in [0, 1].
    """
    edges = np.linspace(0.0, 1.0, NUM_BINS + 1)
    present = {label: each for label, each in scores.items() if each is not None}
    with style():
        figure, axes = create_figure(WIDTH_INCHES, HEIGHT_INCHES + _LEGEND_INCHES)
        for number, (label, each) in enumerate(present.items()):
            axes.stairs(
                np.asarray(each.histogram) / each.n,
                edges,
                color=COLOURS[number],
                linestyle=DASHES[number],
                linewidth=1.6,
                label=f"{label}, n = {each.n:,}, mean {each.mean_probability:.3f}",
            )
        axes.axvline(threshold, color="#606060", linestyle=":", label=f"threshold {threshold:.3f}")
        axes.set(title=title, xlabel="probability of pneumonia", ylabel="share of the class")
        axes.set(xlim=(-0.02, 1.02), ylim=(0.0, 1.02))  # the same for all sets, to compare
        figure.legend(loc="outside lower center", frameon=False, fontsize=8)
        source = svg_uri(figure)
    told = "; ".join(
        f"{label}, n = {each.n:,}: median {each.percentiles['50']:.3f}, from 5th to 95th "
        f"percentile {each.percentiles['5']:.3f} to {each.percentiles['95']:.3f}, mean "
        f"{each.mean_probability:.3f}"
        for label, each in present.items()
    )
    missing = [label for label in scores if label not in present]
    caption = f"There are no {' and no '.join(missing)} images." if missing else ""
    return Picture(
        source,
        f"Probability of pneumonia by class, {title}. {told}. The threshold is at "
        f"{threshold:.3f}. {caption}".strip(),
        caption,
    )
