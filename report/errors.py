"""The section on errors: in which groups of images they are, and which were the most certain."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial

import numpy as np

from contract import features
from evaluation.error_groups import (
    SIGNIFICANCE,
    SMALLEST_GROUP,
    GroupErrors,
    find_concentrations,
    group_errors,
)
from evaluation.pseudo_sites import EXPOSURE_GROUPS, exposure_cuts, exposure_groups, pseudo_site_of
from evaluation.slice_metrics import Estimate
from ingestion.measurement import measure_mean_greys
from report.data.samples import make_thumbnail
from report.page.drawing import image_uri
from report.page.estimate_cells import UNDEFINED, estimate_cell, format_probability
from report.page.parts import Cell, Gallery, Group, Part, Picture, Section, Table, Text, attempt
from report.served_predictions import Predictions, read_image_bytes
from report.sources import Sources

ANCHOR, TITLE = "errors", "Worst errors"
_MIN_WIDTH_REM = 10.5  # two beside each other on a phone
_GROUPS = "Errors by file name and appearance of the images"


def build(sources: Sources) -> Section:
    """Build the section: errors by group, then the misses and false alarms as pictures.

    Those farthest from the threshold come first.
    """
    groups = attempt(_GROUPS, partial(_groups, sources))
    if sources.run.report.worst_errors == 0:
        off = Text("Showing the worst errors is switched off (`report.worst_errors` is 0).")
        return Section(ANCHOR, TITLE, (groups, off))
    threshold = sources.predictions.threshold
    outcomes = find_outcomes(sources.predictions)
    return Section(
        ANCHOR,
        TITLE,
        (
            groups,
            Text(
                "What the model got wrong on the test split, farthest from the threshold first. "
                f"Probability >= {threshold:.3f} is called pneumonia. Do not tune the model on "
                "these images: a model that is changed until it gets them right must be judged "
                "on new ones."
            ),
            *_referred_errors(sources.predictions),
            attempt("Misses", partial(_group, sources, "Misses", outcomes.misses)),
            attempt(
                "False alarms", partial(_group, sources, "False alarms", outcomes.false_alarms)
            ),
        ),
    )


def _referred_errors(found: Predictions) -> tuple[Part, ...]:
    outcomes = find_outcomes(found)
    if found.verdicts is None or not (outcomes.misses.size or outcomes.false_alarms.size):
        return ()
    counts = [
        f"{sum(found.verdicts[number] == features.REFER for number in numbers)} of "
        f"{len(numbers)} {kind}"
        for kind, numbers in (("misses", outcomes.misses), ("false alarms", outcomes.false_alarms))
    ]
    return (Text(f"The model refers these to a radiologist: {' and '.join(counts)}."),)


def _groups(sources: Sources) -> Part:
    found = sources.predictions
    greys_by_image = measure_mean_greys(sources.records(features.TEST))
    greys = [greys_by_image[image_id] for image_id in found.image_ids]
    schemes = {
        "file name": [pseudo_site_of(image_id) for image_id in found.image_ids],
        "sharpness": [str(group) for group in found.facts[features.SHARPNESS_GROUP]],
        # Thirds of this split: a description, which chooses nothing.
        "exposure": exposure_groups(greys, exposure_cuts(greys)),
        "size": [str(group) for group in found.facts[features.SIZE_GROUP]],
    }
    orders = {
        "sharpness": features.SHARPNESS_GROUPS,
        "exposure": EXPOSURE_GROUPS,
        "size": features.SIZE_GROUPS,
    }
    rows = group_errors(found.labels, found.decisions, schemes, orders)
    return Group(_GROUPS, (errors_in_words(rows), errors_table(rows), Text(NOTE)))


def _group(sources: Sources, title: str, numbers: np.ndarray) -> Part:
    total = len(numbers)
    if total == 0:
        return Group(f"{title}: none", (Text("There are none on the test split.", "good"),))
    shown = [int(number) for number in numbers[: sources.run.report.worst_errors]]
    heading = f"{title}: {total}" if len(shown) == total else f"{title}: {len(shown)} of {total}"
    found = sources.predictions
    image_bytes = read_image_bytes(
        sources.records(features.TEST), [found.image_ids[number] for number in shown]
    )
    pictures = [
        Picture(
            image_uri(make_thumbnail(image_bytes[found.image_ids[number]])),
            f"Chest X-ray {found.image_ids[number]}: {in_words(found, number)}",
            f"{found.image_ids[number]}: {in_words(found, number)}",
        )
        for number in shown
    ]
    return Group(heading, (Gallery(tuple(pictures), _MIN_WIDTH_REM),))


@dataclasses.dataclass(frozen=True)
class Outcomes:
    """Numbers of images in `Predictions`, int64 [k] each, farthest from the threshold first.

    Images of the same probability are in the order of their ids.

    Attributes:
        hits: Pneumonia that was called so.
        misses: Pneumonia that was called normal.
        false_alarms: Normal images that were called pneumonia.
        correct_normals: Normal images that were called so.
    """

    hits: np.ndarray
    misses: np.ndarray
    false_alarms: np.ndarray
    correct_normals: np.ndarray


def find_outcomes(predictions: Predictions) -> Outcomes:
    """Sort a model's answers into right and wrong ones."""
    is_ill, is_called = predictions.labels == 1, predictions.decisions
    distances = np.abs(predictions.probabilities - predictions.threshold)
    order = np.lexsort((np.asarray(predictions.image_ids), -distances))

    def sort(chosen: np.ndarray) -> np.ndarray:
        return order[chosen[order]]

    return Outcomes(
        hits=sort(is_ill & is_called),
        misses=sort(is_ill & ~is_called),
        false_alarms=sort(~is_ill & is_called),
        correct_normals=sort(~is_ill & ~is_called),
    )


def in_words(predictions: Predictions, number: int) -> str:
    """Return an image's truth and the model's answer, in a few words."""
    subtype = str(predictions.facts[features.SUBTYPE][number])
    truth = "normal" if predictions.labels[number] == 0 else f"{subtype} pneumonia"
    told = f"{truth}, probability {format_probability(predictions.probabilities[number])}"
    if predictions.verdicts is None or predictions.verdicts[number] != features.REFER:
        return told
    is_unfamiliar = predictions.unfamiliar is not None and predictions.unfamiliar[number]
    reason = "unfamiliar image" if is_unfamiliar else "uncertain score"
    return f"{told}, referred to a radiologist: {reason}"


_TOO_SMALL = "too small"
# Not the caption's: that is as wide as the table, and a phone shows its beginning only.
NOTE = (
    "Images of the test split are grouped by how they were named and taken: by file name without "
    "its numbers (in some sources the name also gives the cause of a pneumonia), by sharpness, by "
    "thirds of mean grey level, and by size. A dash: no image of the class. Too small: fewer than "
    f"{SMALLEST_GROUP} images of the class, too few to judge the group."
)


def errors_table(rows: Sequence[GroupErrors]) -> Table:
    """Tabulate false alarms and misses with specificity and recall, a line for each group."""
    return Table(
        "At the operating point, with Wilson's 95% intervals",
        ("Group", "n", "Normal", "False alarms", "Specificity", "Pneumonia", "Misses", "Recall"),
        tuple(
            (
                Cell(row.group.replace("_", " "), row.scheme),
                f"{row.metrics.n:,}",
                f"{row.num_normals:,}",
                f"{row.metrics.fp:,}" if row.num_normals else UNDEFINED,
                _share(row.metrics.specificity, row.num_normals),
                f"{row.metrics.positives:,}",
                f"{row.metrics.fn:,}" if row.metrics.positives else UNDEFINED,
                _share(row.metrics.recall, row.metrics.positives),
            )
            for row in rows
        ),
    )


def errors_in_words(rows: Sequence[GroupErrors]) -> Text:
    """Say which groups have more errors than the others, beyond chance."""
    found = find_concentrations(rows)
    if not found:
        return Text(
            "No sufficiently large group has significantly more errors than the other images "
            f"(Fisher's exact test, adjusted for all groups, p < {SIGNIFICANCE:g})."
        )
    sentences = [
        f"{each.error.capitalize()} are more frequent in the group "
        f"{each.group.replace('_', ' ')} ({each.scheme}): {each.errors:,} of {each.n:,}, against "
        f"{each.errors_elsewhere:,} of {each.n_elsewhere:,} elsewhere "
        f"(p {_p_value(each.adjusted_p)})."
        for each in found
    ]
    sentences.append(
        "Fisher's exact test, adjusted for all groups. Similar images from another hospital may "
        "have as many errors."
    )
    return Text(" ".join(sentences), "warning")


def _share(estimate: Estimate, n: int) -> Cell:
    cell = estimate_cell(estimate)
    if 0 < n < SMALLEST_GROUP:
        return Cell(cell.text, f"{cell.detail}, {_TOO_SMALL}", "warning")
    return cell


def _p_value(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"= {value:.3f}"
