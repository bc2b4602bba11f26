"""A saved model's answers to raw records, image by image."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection
from pathlib import Path

import numpy as np
import tensorflow as tf

from contract import features
from contract.progress import report_progress
from evaluation.coverage import Coverage, coverage_of_verdicts
from ingestion.tfrecord_file import read_folder
from report.data.facts import read_images

_BATCH_SIZE = 64
_TEXTS = (
    features.IMAGE_ID,
    features.SUBTYPE,
    features.PATIENT_ID,
    features.SIZE_GROUP,
    features.SHARPNESS_GROUP,
)
_NUMBERS = (features.LABEL, features.HEIGHT, features.WIDTH)


@dataclasses.dataclass(frozen=True)
class Predictions:
    """A model's answers to n records, in the records' order.

    Attributes:
        image_ids: [n] where each image came from.
        labels: int64 [n], 1 for pneumonia.
        probabilities: float64 [n], of pneumonia, calibrated.
        threshold: In [0, 1]; at or above it an image is called pneumonia.
        decisions: bool [n], whether the model called it pneumonia.
        facts: Further raw features by name, [n] each: texts as str, sizes as int.
        verdicts: [n] `features.PNEUMONIA`, `NORMAL` or `REFER`; None where the model has no such
            output.
        unfamiliar: bool [n], whether the image is unlike the training images; likewise.
    """

    image_ids: list[str]
    labels: np.ndarray
    probabilities: np.ndarray
    threshold: float
    decisions: np.ndarray
    facts: dict[str, list[str] | list[int]]
    verdicts: list[str] | None = None
    unfamiliar: np.ndarray | None = None

    def coverage(self) -> Coverage | None:
        """Return what the model itself decides of the records; None where it has no verdicts."""
        if self.verdicts is None:
            return None
        return coverage_of_verdicts(self.labels, self.verdicts, self.unfamiliar)


def predict_records(saved_model: Path, records: Path, stage: str) -> Predictions:
    """Ask a saved model's `serving_examples` for all records of a split.

    Args:
        saved_model: Folder with `saved_model.pb`.
        records: Folder of gzipped TFRecord files.
        stage: What progress is reported as.

    Raises:
        ValueError: There are no records.
    """
    # Kept: a signature is of no use after its model is gone.
    model = tf.saved_model.load(str(saved_model))
    signature = model.signatures[features.EXAMPLES_SIGNATURE]
    num_records = sum(1 for _ in read_folder(records))
    if num_records == 0:
        raise ValueError(f"expected records under {records}, got none")
    texts: dict[str, list[str]] = {name: [] for name in _TEXTS}
    numbers: dict[str, list[int]] = {name: [] for name in _NUMBERS}
    answers = []
    remaining = read_folder(records)
    # A batch of encoded images is in memory at a time.
    while batch := list(itertools.islice(remaining, _BATCH_SIZE)):
        for record in batch:
            for name in _TEXTS:
                texts[name].append(record.text(name))
            for name in _NUMBERS:
                numbers[name].append(record.number(name))
        serialized = tf.constant([record.serialized for record in batch])
        answers.append(signature(**{features.EXAMPLES_INPUT: serialized}))
        report_progress(stage, len(numbers[features.LABEL]), num_records, "image")
    probabilities = np.concatenate([answer[features.PROBABILITY].numpy() for answer in answers])
    decisions = np.concatenate([answer[features.CALLED_PNEUMONIA].numpy() for answer in answers])
    outputs = answers[0].keys()
    return Predictions(
        image_ids=texts[features.IMAGE_ID],
        labels=np.asarray(numbers[features.LABEL], dtype=np.int64),
        probabilities=probabilities.astype(np.float64),
        threshold=float(answers[0][features.THRESHOLD].numpy()[0]),
        decisions=decisions > 0.5,
        facts={**texts, **numbers},
        verdicts=(
            [text.decode() for answer in answers for text in answer[features.DECISION].numpy()]
            if features.DECISION in outputs
            else None
        ),
        unfamiliar=(
            np.concatenate(
                [
                    features.is_unfamiliar(
                        answer[features.FAMILIARITY].numpy(),
                        answer[features.FAMILIARITY_THRESHOLD].numpy(),
                    )
                    for answer in answers
                ]
            )
            if features.FAMILIARITY in outputs
            else None
        ),
    )


def read_image_bytes(records: Path, image_ids: Collection[str]) -> dict[str, bytes]:
    """Return the encoded images of some records; the others are not kept in memory.

    Args:
        records: Folder of gzipped TFRecord files.
        image_ids: Which.

    Raises:
        KeyError: An image is not there.
    """
    wanted = set(image_ids)
    found = read_images(records, wanted)
    missing = sorted(wanted - found.keys())
    if missing:
        raise KeyError(f"expected records of {missing} under {records}, got none")
    return found
