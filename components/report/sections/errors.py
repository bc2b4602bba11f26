"""The section on the worst errors: the test images of which the model was wrongly surest."""

from __future__ import annotations

from functools import partial

import numpy as np

from components.report.dataset.samples import make_thumbnail
from components.report.drawing import image_uri
from components.report.outcomes import find_outcomes, in_words
from components.report.parts import Gallery, Group, Part, Picture, Section, Text, attempt
from components.report.served_predictions import read_image_bytes
from components.report.sources import Sources
from models import features

ANCHOR, TITLE = "errors", "Worst errors"
_MIN_WIDTH_REM = 10.5  # two beside each other on a phone


def build(sources: Sources) -> Section:
    """Build the section: misses, then false alarms, farthest from the threshold first."""
    if sources.run.report.worst_errors == 0:
        off = Text("Showing the worst errors is switched off (`report.worst_errors` is 0).")
        return Section(ANCHOR, TITLE, (off,))
    threshold = sources.predictions.threshold
    outcomes = find_outcomes(sources.predictions)
    return Section(
        ANCHOR,
        TITLE,
        (
            Text(
                "What the model that was judged got wrong on the test split, farthest from the "
                f"threshold first. From a probability of {threshold:.3f} on, an image is called "
                "pneumonia. Nothing follows from these images: a model that is changed until it "
                "gets them right needs new images to be judged on."
            ),
            attempt("Misses", partial(_group, sources, "Misses", outcomes.misses)),
            attempt(
                "False alarms", partial(_group, sources, "False alarms", outcomes.false_alarms)
            ),
        ),
    )


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
