"""Training as the Trainer does it against a bare Keras `fit` with the images in memory."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.figures import PairedFigures
from benchmarks.images import Sizes, load_images
from benchmarks.measurement import Tell, measure_in_turn
from components.ingestion.records import Source
from components.progress import LOGGER_NAME
from models import features
from models.distribution import create_strategy
from models.input_data import SplitData
from models.preprocessing import decode_and_resize
from models.training import compile_network, fit_network
from pipeline.config import CandidateRun, PipelineSettings, TransformSettings

NAME = "training"
TARGET = 0.9
_NUM_VALIDATION = 32  # Trainer's fit always validates: the same few images on both sides


def measure(data: str | None, work_dir: Path, sizes: Sizes, tell: Tell) -> PairedFigures:
    """Measure one epoch of `models.training.fit_network`, from its begin to its end.

    Args:
        data: The source, or None for drawn images.
        work_dir: For everything that is written.
        sizes: How many images, how often.
        tell: Receives a line for each measurement.

    Raises:
        InputError: The source cannot be used.
    """
    run = default_run()
    batch_size = run.candidate.training.batch_size
    source = load_images(data, work_dir, sizes.num_training_images + _NUM_VALIDATION)
    everything = load_split(source, TransformSettings(image_size_px=run.image_size_px))
    # Every so many for validation: sources list one class after the other.
    held_out = np.zeros(len(everything.labels), bool)
    held_out[:: max(2, len(held_out) // _NUM_VALIDATION)] = True
    train, validation = take(everything, ~held_out), take(everything, held_out)

    network = compile_network(run, create_strategy())
    bare_network = compile_network(run, create_strategy())
    images, bare_validation = as_floats(train), as_floats(validation)

    def ours() -> float:
        with epoch_clock() as clock:
            fit_network(
                network,
                train,
                validation,
                run,
                epochs=1,
                stage=NAME,
                log_dir=work_dir / "tensorboard",
            )
        return clock.seconds

    def bare() -> float:
        clock = _KerasClock()
        bare_network.fit(
            *images,
            batch_size=batch_size,
            epochs=1,
            validation_data=bare_validation,
            callbacks=[clock],
            verbose=0,
        )
        return clock.seconds

    seconds = measure_in_turn({"ours": ours, "bare": bare}, sizes.num_rounds, tell)
    return PairedFigures(
        name=NAME,
        ours="fit_network(): augmentation, class weights, callbacks, as in the Trainer",
        bare="network.fit(float32 images in memory): the same network and metrics, nothing else",
        num_images=len(train.labels),
        ours_s=seconds["ours"],
        bare_s=seconds["bare"],
        target=TARGET,
    )


def default_run() -> CandidateRun:
    """Return what the Trainer of the default configuration receives."""
    settings = PipelineSettings()
    ((name, candidate),) = settings.candidates.items()
    return CandidateRun(
        name=name,
        seed=settings.seed,
        image_size_px=settings.transform.image_size_px,
        candidate=candidate,
        tuner=settings.tuner,
        operating_point=settings.operating_point,
    )


def load_split(source: Source, settings: TransformSettings) -> SplitData:
    """Decode a source's JPEG and PNG files as Transform does."""
    decode = tf.function(
        lambda data: decode_and_resize(data, settings),
        input_signature=[tf.TensorSpec([], tf.string)],
    )
    return SplitData(
        images=np.stack([decode(image.path.read_bytes()).numpy() for image in source.images]),
        labels=np.array([image.label for image in source.images], np.int64),
        subtypes=[image.subtype for image in source.images],
        size_groups=[features.SIZE_GROUPS[0]] * len(source.images),
        sharpness_groups=[features.SHARPNESS_GROUPS[0]] * len(source.images),
    )


def take(data: SplitData, chosen: np.ndarray) -> SplitData:
    """Return the records where `chosen`, bool [n], is true."""
    indices = np.flatnonzero(chosen)
    return SplitData(
        images=data.images[indices],
        labels=data.labels[indices],
        subtypes=[data.subtypes[index] for index in indices],
        size_groups=[data.size_groups[index] for index in indices],
        sharpness_groups=[data.sharpness_groups[index] for index in indices],
    )


def as_floats(data: SplitData) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 [n, s, s, 3] in [0, 1] and float32 [n, 1], all in memory."""
    images = np.repeat(data.images.astype(np.float32) / 255.0, 3, axis=-1)
    return images, data.labels.astype(np.float32)[:, np.newaxis]


class _KerasClock(keras.callbacks.Callback):
    """Takes the time from the begin of training to the end of its last epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self._started_s = 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._started_s = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.seconds = time.perf_counter() - self._started_s


class _ProgressClock(logging.Handler):
    """Takes the same time from outside, by the progress that a fit reports."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self._started_s: float | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self._started_s is None:
            self._started_s = time.perf_counter()
        elif not self.seconds and record.progress.done == record.progress.total:  # type: ignore[attr-defined]
            self.seconds = time.perf_counter() - self._started_s


@contextmanager
def epoch_clock() -> Iterator[_ProgressClock]:
    """Listen to the progress of a one-epoch fit; its `seconds` stand when the fit has ended."""
    logger = logging.getLogger(LOGGER_NAME)
    clock, level = _ProgressClock(), logger.level
    logger.addHandler(clock)
    logger.setLevel(logging.INFO)
    try:
        yield clock
    finally:
        logger.removeHandler(clock)
        logger.setLevel(level)
