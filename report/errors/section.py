"""The section on errors: in which groups of images they are, and which were the most certain."""

from __future__ import annotations

from functools import partial

import numpy as np

from contract import features
from evaluation.error_groups import group_errors
from evaluation.pseudo_sites import EXPOSURE_GROUPS, exposure_cuts, exposure_groups, pseudo_site_of
from ingestion.measurement import measure_mean_greys
from report.data.samples import make_thumbnail
from report.errors.outcomes import find_outcomes, in_words
from report.errors.tables import NOTE, errors_in_words, errors_table
from report.page.drawing import image_uri
from report.page.parts import Gallery, Group, Part, Picture, Section, Text, attempt
from report.served_predictions import Predictions, read_image_bytes
from report.sources import Sources

ANCHOR, TITLE = "errors", "Worst errors"
_MIN_WIDTH_REM = 10.5  # two beside each other on a phone
_GROUPS = "Errors by the naming and the look of images"


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
                "What the model that was judged got wrong on the test split, farthest from the "
                f"threshold first. Probability >= {threshold:.3f} is called pneumonia. Do not act "
                "on these images: a model that is changed until it gets them right needs new "
                "images to be judged on."
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
    told = [
        f"{sum(found.verdicts[number] == features.REFER for number in numbers)} of "
        f"{len(numbers)} {kind}"
        for kind, numbers in (("misses", outcomes.misses), ("false alarms", outcomes.false_alarms))
    ]
    return (
        Text(f"The model refers to a radiologist, and so does not decide: {' and '.join(told)}."),
    )


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
