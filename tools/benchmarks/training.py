"""Training as the Trainer does it against a bare Keras `fit` with the images in memory."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import keras
import numpy as np

from contract.settings import CandidateRun, CandidateSettings, PipelineSettings, TransformSettings
from models.architectures import build_network
from models.distribution import create_strategy, precision_policy
from models.input_data import SplitData
from models.optimisation import compile_for_training
from models.training import compile_network, fit_network
from pipeline.load_config import load_settings
from tools.benchmarks.epoch_clocks import KerasClock, epoch_clock
from tools.benchmarks.figures import PairedFigures
from tools.benchmarks.images import Sizes, load_images
from tools.benchmarks.measurement import Show, measure_in_turn
from tools.benchmarks.peak_memory import peak_memory_mb
from tools.benchmarks.training_data import as_floats, hold_out, load_split

NAME = "training"
TARGET = 0.85
OURS = "fit_network(): augmentation, normalisation, class weights, callbacks, as in the Trainer"
BARE = "network.fit(float32 images in memory): the same network and metrics, nothing else"
_COSTLIEST = "efficientnet_lite0_clahe"
_MAX_VALIDATION = 32  # Trainer's fit always validates: the same few images on both sides


def measure(
    data: str | None,
    work_dir: Path,
    sizes: Sizes,
    show: Show,
    candidate: CandidateSettings | None = None,
) -> PairedFigures:
    """Measure the second of two epochs; what a fit does once is in the first.

    Args:
        data: The source, or None for drawn images.
        work_dir: For everything that is written.
        sizes: How many images, how often.
        show: Receives a line for each measurement.
        candidate: None for the one of the default configuration whose images are prepared at the
            greatest cost.

    Raises:
        InputError: The source cannot be used.
    """
    run = run_of(candidate or costliest_default())
    train, validation = load_training_images(data, work_dir, sizes.num_training_images, run)
    times = measure_epochs(run, train, validation, work_dir, sizes.num_rounds, show, num_epochs=2)
    return PairedFigures(
        name=NAME,
        ours=OURS,
        bare=BARE,
        num_images=len(train.labels),
        ours_s=times.ours_s,
        bare_s=times.bare_s,
        target=TARGET,
    )


def costliest_default() -> CandidateSettings:
    """Return the candidate of the default configuration that prepares images at most cost."""
    return load_settings("default").candidates[_COSTLIEST]


def run_of(candidate: CandidateSettings) -> CandidateRun:
    """Return what the Trainer of a candidate receives, all else by default."""
    settings = PipelineSettings()
    return CandidateRun(
        name=candidate.architecture,
        seed=settings.seed,
        image_size_px=settings.transform.image_size_px,
        candidate=candidate,
        tuner=settings.tuner,
        operating_point=settings.operating_point,
    )


def load_training_images(
    data: str | None, work_dir: Path, num_images: int, run: CandidateRun
) -> tuple[SplitData, SplitData]:
    """Return the most images of a training epoch, and a few for validation.

    Raises:
        InputError: The source cannot be used.
    """
    num_validation = min(_MAX_VALIDATION, max(2, num_images // 8))
    source = load_images(data, work_dir, num_images + num_validation)
    everything = load_split(source, TransformSettings(image_size_px=run.image_size_px))
    return hold_out(everything, num_validation)


@dataclasses.dataclass(frozen=True)
class TrainingTimes:
    """What both sides of a candidate's training took.

    Attributes:
        num_parameters: Of the network.
        ours_s: Seconds of our side, one per pair.
        bare_s: Seconds of bare Keras, in the same order.
        ours_peak_mb: Largest resident set before bare Keras began, 10^6 bytes.
    """

    num_parameters: int
    ours_s: tuple[float, ...]
    bare_s: tuple[float, ...]
    ours_peak_mb: float


def measure_epochs(
    run: CandidateRun,
    train: SplitData,
    validation: SplitData,
    work_dir: Path,
    num_rounds: int,
    show: Show,
    num_epochs: int,
) -> TrainingTimes:
    """Measure the last epoch of `models.training.fit_network`, its validation included.

    Args:
        run: The candidate.
        train: What both sides train on.
        validation: What both sides validate on.
        work_dir: For the logs.
        num_rounds: How often each side is measured.
        show: Receives a line for each measurement.
        num_epochs: Of each fit.
    """
    network = compile_network(run, create_strategy())
    peaks_mb: list[float] = []

    def ours() -> float:
        with epoch_clock() as clock:
            fit_network(
                network,
                train,
                validation,
                run,
                epochs=num_epochs,
                stage=NAME,
                log_dir=work_dir / "tensorboard",
            )
        peaks_mb.append(peak_memory_mb())
        return clock.seconds

    @functools.cache
    def bare_parts() -> tuple[keras.Model, tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
        # Made when they are needed, so that the first peak is of our side alone.
        return _another_network(run), as_floats(train), as_floats(validation)

    def bare() -> float:
        bare_network, images, bare_validation = bare_parts()
        clock = KerasClock()
        bare_network.fit(
            *images,
            batch_size=run.candidate.training.batch_size,
            epochs=num_epochs,
            validation_data=bare_validation,
            callbacks=[clock],
            verbose=0,
        )
        return clock.seconds

    seconds = measure_in_turn({"ours": ours, "bare": bare}, num_rounds, show)
    return TrainingTimes(network.count_params(), seconds["ours"], seconds["bare"], peaks_mb[0])


def _another_network(run: CandidateRun) -> keras.Model:
    """Build the candidate's network again, without `compile_network`'s new seed.

    With that, TensorFlow drops what it has compiled, and our side would pay for it once more.
    """
    with create_strategy().scope(), precision_policy(run.candidate.training.mixed_precision):
        network = build_network(run.candidate, run.input_size_px)
        compile_for_training(network, run.candidate.training)
    return network
