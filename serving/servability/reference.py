"""What the trainer says of the validation images: the network that it saved, in this process."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from contract import features
from evaluation.predictions import Predictions
from evaluation.training_report import PREDICTIONS_FILE, REPORT_FILE, TrainingReport
from ingestion.tfrecord_file import read_folder
from models.familiarity import familiarity
from models.input_data import find_files, read_chunks
from models.predictor import (
    EnsemblePredictor,
    Predictor,
    predict_answers,
    predict_probabilities,
)
from models.trained import load_predictor
from serving.servability.report import TrainerAnswers


def choose_records(folder: Path, number: int) -> list[bytes]:
    """Return raw records of both classes: the first ones of each, half and half where possible.

    Args:
        folder: Of a split: gzipped TFRecord files.
        number: How many; fewer where the split has fewer.

    Raises:
        ValueError: There are none.
    """
    chosen: dict[int, list[bytes]] = {0: [], 1: []}
    for record in read_folder(folder):
        of_class = chosen[record.number(features.LABEL)]
        if len(of_class) < number:
            of_class.append(record.serialized)
        if all(len(each) >= (number + 1) // 2 for each in chosen.values()):
            break
    normal, pneumonia = chosen[0], chosen[1]
    num_normal = max(number // 2, number - len(pneumonia))
    records = normal[:num_normal] + pneumonia[: number - min(num_normal, len(normal))]
    if not records:
        raise ValueError(f"expected records under {folder}, got none")
    return records


def load_trainer(model_run: Path, member_runs: Mapping[str, Path]) -> Predictor | EnsemblePredictor:
    """Load the selected candidate's saved network, onto the processor.

    As in the fresh process: a GPU's arithmetic differs by more than the bound.

    Args:
        model_run: What the selected candidate left.
        member_runs: What each candidate left, by its name; read for an ensemble only.
    """
    with tf.device("/CPU:0"):
        return load_predictor(model_run, member_runs)


def trainer_answers(
    predictor: Predictor | EnsemblePredictor,
    model_run: Path,
    transformed: Path,
    image_size_px: int,
    wanted: Sequence[str],
) -> TrainerAnswers:
    """Judge images, as Transform left them, by the selected candidate's saved network.

    Nothing of the export is used: neither its graph nor its preprocessing.

    Args:
        predictor: From `load_trainer`.
        model_run: What the selected candidate left.
        transformed: Folder of the transformed validation split.
        image_size_px: The side that Transform was set to.
        wanted: SHA-256 of the images' pixels, in the order in which the export was asked about
            them together; what is not among Transform's is not answered.

    Raises:
        ValueError: The split is not the one that the candidate was judged on.
    """
    report = TrainingReport.read(model_run / REPORT_FILE)
    asked_for = set(wanted)
    found: dict[str, tuple[int, np.ndarray]] = {}  # of each, its row and its pixels
    num_images = 0
    for chunk in read_chunks(find_files([f"{transformed}/*"]), image_size_px):
        for row, image in enumerate(chunk.images, start=num_images):
            digest = hashlib.sha256(image.tobytes()).hexdigest()
            if digest in asked_for:
                found[digest] = row, image.copy()  # no part of a chunk that would be kept with it
        num_images += len(chunk.labels)
    predictions = Predictions.read(model_run / PREDICTIONS_FILE).calibrated(report.calibration)
    written = predictions.plain
    limit = report.referral.settings.max_unfamiliar_fraction
    distances = predictions.log_distances if limit > 0.0 else None
    if len(written) != num_images:
        raise ValueError(
            f"expected the {len(written)} validation images that the candidate was judged on in "
            f"{transformed}, got {num_images}"
        )
    known = [digest for digest in wanted if digest in found]
    rows = {digest: found[digest][0] for digest in known}
    pixels = {digest: found[digest][1][np.newaxis] for digest in known}
    alone, together, share = np.zeros(0), np.zeros(0), np.ones(len(known))
    if rows:
        with tf.device("/CPU:0"):
            alone = np.concatenate(
                [predict_probabilities(predictor, image) for image in pixels.values()]
            )
            asked = np.concatenate([pixels[digest] for digest in known])
            together = predict_probabilities(predictor, asked)
            if distances is not None:
                measured = tf.constant(np.sort(distances))
                share = familiarity(predict_answers(predictor, asked)[1], measured).numpy()
    return TrainerAnswers(
        threshold=report.threshold,
        alone=dict(zip(rows, map(float, alone), strict=True)),
        together=dict(zip(known, map(float, together), strict=True)),
        written_down={digest: float(written[row]) for digest, row in rows.items()},
        band=report.referral.band,
        familiarity_threshold=0.0 if distances is None else limit,
        familiarity=dict(zip(known, map(float, share), strict=True)),
        familiarity_step=0.0 if distances is None else 1.0 / (1 + len(written)),
    )
