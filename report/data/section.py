"""The section on the data: what there is, what was left out, and what could mislead."""

from __future__ import annotations

import dataclasses
from functools import cached_property, partial
from pathlib import Path

from contract import features
from evaluation.data_audit import describe_anomalies
from evaluation.shortcut_separation import ShortcutReport
from evaluation.split_differences import SplitDifferences
from report.data.facts import FactsBySplit, RecordFacts, read_facts, read_images
from report.data.figures import draw_class_balance, draw_sizes
from report.data.leakage import patient_overlaps, pixel_overlaps
from report.data.samples import choose_samples, make_thumbnail
from report.data.statistics import FILE as STATISTICS_FILE
from report.data.statistics import read_statistics
from report.data.tables import (
    NO_CARD,
    counts_table,
    duplicate_parts,
    leakage_table,
    rejection_parts,
    shortcuts_table,
    source_text,
    splits_table,
    statistics_table,
    warning_parts,
)
from report.page.drawing import image_uri
from report.page.parts import Group, Listing, Part, Picture, Section, Text, attempt, attempt_gallery
from report.sources import Sources

ANCHOR, TITLE = "data", "Data"
_ANOMALIES_FILE = "SchemaDiff.pb"  # an Anomalies, which ExampleValidator writes so
_THUMBNAIL_REM = 8.0
_SHORTCUTS = (
    "None of these features describes the lungs. The AUC shows how well each alone separates the "
    "classes: 0.5 is chance. A model that relies on a strong one fails on images of another "
    "source."
)

_DIFFERENCES = (
    "Adversarial validation: can a classifier that sees only the features above determine which "
    "split an image is from? 0.5 is chance, which is expected when one source is split by patient. "
    "Similar splits say nothing about another hospital, which is in none of them."
)


def build(sources: Sources) -> Section:
    """Build the section; parts that need the dataset card say so where there is none."""
    data = _Data(sources)
    return Section(
        ANCHOR,
        TITLE,
        (
            *_about_source(sources),
            attempt("The counts", lambda: counts_table(data.splits)),
            *_figures(data),
            attempt("The sizes", lambda: _sizes(data.splits)),
            attempt("The samples", lambda: _samples(sources, data.splits[features.TRAIN])),
            attempt("The rejected images", lambda: _rejected(sources)),
            attempt("The duplicates", lambda: _duplicates(sources)),
            attempt("The search for leaks", lambda: _leaks(data)),
            attempt("The shortcuts", lambda: _shortcuts(sources)),
            attempt("The differences of splits", lambda: _differences(sources)),
            Group("Checks of TensorFlow Data Validation", _validation(sources)),
        ),
    )


@dataclasses.dataclass(frozen=True)
class _Data:
    """The records' facts, read once, by the first part that needs them."""

    sources: Sources

    @cached_property
    def splits(self) -> dict[str, list[RecordFacts]]:
        return {name: read_facts(self.sources.records(name)) for name in features.SPLITS}


def _about_source(sources: Sources) -> tuple[Part, ...]:
    try:
        card = sources.card
    except ValueError as error:  # of another version, or damaged
        return (Text(f"The dataset card cannot be read: {error}", "bad"),)
    if card is None:
        return (Text(NO_CARD, "warning"),)
    return (source_text(card), *warning_parts(card))


def _figures(data: _Data) -> tuple[Part, ...]:
    return attempt_gallery(
        [
            ("The class balance", lambda: draw_class_balance(data.splits)),
            ("The images' heights", lambda: draw_sizes(data.splits, "height")),
            ("The images' widths", lambda: draw_sizes(data.splits, "width")),
        ]
    )


def _sizes(splits: FactsBySplit) -> Part:
    sizes = {(each.width, each.height) for records in splits.values() for each in records}
    if len(sizes) == 1:
        ((width, height),) = sizes
        return Text(f"Every image is {width:,} px wide and {height:,} px high.")
    return Text(f"The images are of {len(sizes):,} different sizes.")


def _samples(sources: Sources, records: list[RecordFacts]) -> Part:
    settings = sources.run.report
    chosen = choose_samples(records, settings.sample_images, sources.run.seed)
    if not chosen:
        return Text("Sample images are switched off (`report.sample_images` is 0).")
    wanted = {record.image_id for group in chosen.values() for record in group}
    images = read_images(sources.records(features.TRAIN), wanted)
    groups: list[Part] = []
    for subtype, group in chosen.items():
        name = _class_name(subtype)
        makers = [
            (f"The sample {record.image_id}", partial(_thumbnail, record, name, images))
            for record in group
        ]
        groups.append(Group(name.capitalize(), attempt_gallery(makers, _THUMBNAIL_REM)))
    title = f"Samples of train, chosen by the seed {sources.run.seed}"
    return Group(title, tuple(groups))


def _thumbnail(record: RecordFacts, class_name: str, images: dict[str, bytes]) -> Picture:
    return Picture(
        image_uri(make_thumbnail(images[record.image_id])),
        f"Chest X-ray {record.image_id} of train, {class_name}, {record.width} by "
        f"{record.height} px.",
        record.image_id,
    )


def _class_name(subtype: str) -> str:
    if subtype == features.NORMAL:
        return features.NORMAL
    cause = "cause unknown" if subtype == features.UNKNOWN else subtype
    return f"{features.PNEUMONIA}, {cause}"


def _rejected(sources: Sources) -> Part:
    card = sources.card
    parts = (Text(NO_CARD, "warning"),) if card is None else rejection_parts(card)
    return Group("What was rejected", parts)


def _duplicates(sources: Sources) -> Part:
    card = sources.card
    parts = (Text(NO_CARD, "warning"),) if card is None else duplicate_parts(card.duplicates)
    return Group("Duplicates", parts)


def _leaks(data: _Data) -> Part:
    patients, pixels = patient_overlaps(data.splits), pixel_overlaps(data.splits)
    is_clean = not any(overlap.shared for overlap in (*patients, *pixels))
    verdict = (
        Text("No patient and no picture is in two splits.", "good")
        if is_clean
        else Text("Splits share patients or pictures: figures on them are too good.", "bad")
    )
    return Group(
        "Leaks between splits",
        (Text("Checked in the records themselves."), verdict, leakage_table(patients, pixels)),
    )


def _shortcuts(sources: Sources) -> Part:
    report = ShortcutReport.read(sources.data_audit)
    strong = [shortcut.name.replace("_", " ") for shortcut in report.strong]
    verdict = (
        Text(f"Strong (AUC of {report.warning_auc:g} or more): {', '.join(strong)}.", "warning")
        if strong
        else Text(f"None is strong: no AUC reaches {report.warning_auc:g}.", "good")
    )
    return Group("Shortcuts", (Text(_SHORTCUTS), verdict, shortcuts_table(report)))


def _differences(sources: Sources) -> Part:
    report = SplitDifferences.read(sources.data_audit)
    strong = [
        f"{each.first} and {each.second} ({each.label})"
        for each in report.differences
        if each.strong
    ]
    if strong:
        verdict = Text(
            f"The splits differ (AUC of {report.warning_auc:g} or more): {', '.join(strong)}. "
            "Figures on validation say little about such images.",
            "warning",
        )
    elif all(each.auc is None for each in report.differences):
        verdict = Text("Inconclusive: too few patients to compare the splits.", "warning")
    else:
        verdict = Text(f"No AUC reaches {report.warning_auc:g}: the splits are alike.", "good")
    return Group("Differences between splits", (Text(_DIFFERENCES), verdict, splits_table(report)))


def _validation(sources: Sources) -> tuple[Part, ...]:
    tables = tuple(
        attempt(f"The statistics of {split}", partial(_statistics, split, sources.statistics))
        for split in features.SPLITS
    )
    return (
        attempt("The anomalies", lambda: _anomalies(sources.anomalies)),
        Group("Statistics of every feature", tables, folded=True),
    )


def _anomalies(folder: Path) -> Part:
    found = [
        sentence
        for split in features.SPLITS
        for sentence in describe_anomalies(split, str(folder / f"Split-{split}" / _ANOMALIES_FILE))
    ]
    if not found:
        return Text(f"Anomalies against the schema in {', '.join(features.SPLITS)}: none.", "good")
    return Group(f"Anomalies against the schema: {len(found):,}", (Listing(tuple(found)),))


def _statistics(split: str, folder: Path) -> Part:
    return statistics_table(split, read_statistics(folder / f"Split-{split}" / STATISTICS_FILE))
