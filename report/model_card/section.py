"""The model card, as a section of the report."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from evaluation.shortcut_separation import ShortcutReport
from evaluation.slice_metrics import SliceMetrics
from report.model_card.card import ModelCard, make_model_card
from report.page.estimate_cells import estimate_cell, format_figure, format_interval
from report.page.parts import Cell, Group, Listing, Part, Section, Table, Text, attempt
from report.performance.coverage import coverage_table
from report.sources import Sources

ANCHOR, TITLE = "model-card", "Model card"


def build(sources: Sources) -> Section:
    """Build the section; the same card is beside the page as JSON and as Markdown."""
    card = make_model_card(sources)
    groups: dict[str, Callable[[ModelCard], tuple[Part, ...]]] = {
        "Intended use": _intended_use,
        "Data and licence": _data,
        "Training": _training,
        "Operating point": _operating_point,
        "Figures by slice": _slices,
        **({"Outside the training data": _external} if card.external else {}),
        "Limits": lambda card: (Listing(card.limits),),
        "Other sites": _shift,
    }
    return Section(
        ANCHOR,
        TITLE,
        (
            _verdict(card),
            *(attempt(title, partial(_group, title, make, card)) for title, make in groups.items()),
            Text("Lineage: see the section of that name, and the files of the card."),
        ),
    )


def _group(title: str, make: Callable[[ModelCard], tuple[Part, ...]], card: ModelCard) -> Part:
    return Group(title, make(card))


def _verdict(card: ModelCard) -> Text:
    if card.blessed:
        return Text("The gate has blessed this model, for the use below and no other.", "good")
    return Text("The gate has refused this model: it must not be used.", "bad")


def _intended_use(card: ModelCard) -> tuple[Part, ...]:
    return (
        Listing(card.intended_use),
        Table(
            "Where it is used, and who is responsible",
            ("Fact", "Stated"),
            (("Site", card.site), ("Contact", card.contact)),
            text_columns=(1,),
        ),
        Text("Not intended for:"),
        Listing(card.out_of_scope),
    )


def _data(card: ModelCard) -> tuple[Part, ...]:
    origin = card.data.origin
    facts: tuple[tuple[str, str], ...] = (
        ("Source", origin.source),
        ("Licence", origin.licence),
        ("Known from", origin.basis),
    )
    if origin.citation:
        facts = (*facts, ("Cite", origin.citation))
    counts = Table(
        "Images of each split, as the data audit counted them",
        ("Split", "Images", "Of pneumonia", "Patients"),
        tuple(
            (name, f"{split.images:,}", f"{split.pneumonia:,}", f"{split.patients:,}")
            for name, split in card.data.splits.items()
        ),
    )
    whose = Table("Whose images", ("Fact", "Stated"), facts, text_columns=(1,))
    warnings = (Listing(card.data.warnings),) if card.data.warnings else ()
    weights = (Listing(card.data.weights),) if card.data.weights else ()
    return (whose, counts, *warnings, *weights)


def _training(card: ModelCard) -> tuple[Part, ...]:
    training = card.training
    recipes = tuple(f"{name}: {recipe}." for name, recipe in training.recipes.items())
    chosen = tuple(
        f"The search chose for {name}: "
        + ", ".join(f"{key} {value}" for key, value in values.items())
        + "."
        for name, values in training.hyperparameters.items()
        if values
    )
    return (
        Text(
            f"{training.name}, {training.num_parameters:,} parameters, on images of "
            f"{training.image_size_px} px; seed {training.seed}. Selected because "
            f"{training.reason}."
        ),
        Listing(recipes + chosen),
    )


def _operating_point(card: ModelCard) -> tuple[Part, ...]:
    point = card.operating_point
    return (
        Text(
            f"The threshold {point.threshold:.3f} was chosen on validation, so that the lower 95% "
            f"bound of the recall is at least {point.target_sensitivity:g} there. This target was "
            + ("reached." if point.reaches_target else "not reached."),
            "plain" if point.reaches_target else "warning",
        ),
        Text(
            "Expected calibration error on validation: "
            f"{format_figure(point.calibration_error_after)}, before calibration "
            f"{format_figure(point.calibration_error_before)}."
        ),
        _metrics_table("Validation, at the threshold", {"all images": point.validation}),
        Text(point.referral),
        coverage_table(point.coverage),
    )


def _slices(card: ModelCard) -> tuple[Part, ...]:
    return (_metrics_table("Test split, at the threshold, with 95% intervals", card.slices),)


def _external(card: ModelCard) -> tuple[Part, ...]:
    sets = {name: each.metrics for name, each in card.external.items()}
    return (
        _metrics_table("Judged after the choice, at the threshold, with 95% intervals", sets),
        Text("Scores, calibration and referrals: see the section of that name."),
    )


def _shift(card: ModelCard) -> tuple[Part, ...]:
    tables: list[Part] = []
    if card.shortcuts is not None:
        tables.append(_shortcut_table(card.shortcuts))
    if card.stressed:
        stressed = {name.replace("_", " "): metrics for name, metrics in card.stressed.items()}
        tables.append(_metrics_table("Degraded copies of all validation images", stressed))
    behind = (
        (Group("The figures behind these statements", tuple(tables), folded=True),)
        if tables
        else ()
    )
    return (Listing(card.shift), *behind)


def _metrics_table(caption: str, rows: dict[str, SliceMetrics]) -> Table:
    return Table(
        caption,
        ("Of", "n", "Of pneumonia", "Recall", "Specificity", "Precision", "AUC"),
        tuple(
            (
                name,
                f"{metrics.n:,}",
                f"{metrics.positives:,}",
                estimate_cell(metrics.recall),
                estimate_cell(metrics.specificity),
                estimate_cell(metrics.precision),
                estimate_cell(metrics.auc),
            )
            for name, metrics in rows.items()
        ),
    )


def _shortcut_table(report: ShortcutReport) -> Table:
    return Table(
        f"Measures that do not describe the lungs: how well each alone separates the classes, on "
        f"{report.n:,} images",
        ("Measure", "AUC", "In pneumonia", "Verdict"),
        tuple(
            (
                shortcut.name.replace("_", " "),
                Cell(format_figure(shortcut.auc), format_interval(shortcut.low, shortcut.high)),
                shortcut.direction.removesuffix("_in_pneumonia"),
                Cell("strong", tone="warning") if shortcut.strong else "weak",
            )
            for shortcut in report.shortcuts
        ),
        text_columns=(2, 3),
    )
