"""External sets from answers that were made up."""

import numpy as np

from contract import features
from contract.facts import ImageFacts, Rejection
from contract.settings import DataSettings
from ingestion.dataset_card import make_card
from ingestion.duplicates import DuplicateReport
from ingestion.records import Source
from report.external.figures import make_external_set
from report.served_predictions import Predictions

# Four images with pneumonia, of which three are found from .5 on, and four normal ones, of which
# two are called normal.
LABELS = (1, 1, 1, 1, 0, 0, 0, 0)
PROBABILITIES = (0.95, 0.9, 0.6, 0.2, 0.9, 0.55, 0.3, 0.1)
VERDICTS = (
    "pneumonia", "pneumonia", "refer", "normal", "pneumonia", "refer", "normal", "normal",
)  # fmt: skip
UNFAMILIAR = (False, False, True, False, False, True, False, False)


def make_answers(
    labels=LABELS, probabilities=PROBABILITIES, verdicts=VERDICTS, unfamiliar=UNFAMILIAR
):
    scores = np.asarray(probabilities, dtype=np.float64)
    return Predictions(
        image_ids=[f"image {number}" for number in range(len(scores))],
        labels=np.asarray(labels),
        probabilities=scores,
        threshold=0.5,
        decisions=scores >= 0.5,
        facts={},
        verdicts=None if verdicts is None else list(verdicts),
        unfamiliar=None if unfamiliar is None else np.asarray(unfamiliar),
    )


def make_dataset_card(labels=LABELS, rejected=()):
    images = [
        ImageFacts(
            image_id=f"image {number}",
            split=features.TEST,
            label=int(label),
            subtype=features.UNKNOWN if label else features.NORMAL,
            patient_id=f"patient {number // 2}",
            patient_known=True,
            height=224,
            width=224,
            pixel_sha256=f"{number}",
        )
        for number, label in enumerate(labels)
    ]
    return make_card(
        Source("folder", "/data/adults", ()),
        DataSettings(),
        "fingerprint",
        images,
        [Rejection(image_id=name, reason="no picture") for name in rejected],
        DuplicateReport(
            num_groups=0, num_images=0, different_labels=(), across_splits=(), dropped=()
        ),
        {},
    )


def make_set(answers=None, rejected=(), pixels=(), seen=()):
    answers = answers or make_answers()
    card = make_dataset_card(answers.labels.tolist(), rejected)
    return make_external_set(answers, card, pixels, seen)
