"""The training of every architecture against bare Keras on the same network."""

from __future__ import annotations

from pathlib import Path

from contract.settings import CandidateRun
from models.distribution import create_strategy
from models.input_data import SplitData
from models.training import compile_network, train_network
from tools.benchmarks.candidate_cases import case_of
from tools.benchmarks.figures import CandidateFigures
from tools.benchmarks.images import Sizes
from tools.benchmarks.measurement import Show, measure_in_turn, seconds_of
from tools.benchmarks.peak_memory import peak_memory_mb
from tools.benchmarks.training import (
    BARE,
    OURS,
    TrainingTimes,
    load_training_images,
    measure_epochs,
    run_of,
)
from tools.benchmarks.training_data import as_floats

NAME = "candidates"
_OURS_WITH_FEATURES = "train_network() as a whole: build, compute features once, train the head"
_BARE_FROM_SCRATCH = "build the same network, and network.fit(float32 images in memory)"


def measure(
    data: str | None, work_dir: Path, sizes: Sizes, show: Show, case_name: str
) -> CandidateFigures:
    """Measure one case.

    Args:
        data: The source, or None for drawn images.
        work_dir: For everything that is written.
        sizes: How many images, how often.
        show: Receives a line for each measurement.
        case_name: Of `candidate_cases.CASES`.

    Raises:
        InputError: The source cannot be used.
    """
    case = case_of(case_name, sizes)
    run = run_of(case.candidate)
    train, validation = load_training_images(data, work_dir, case.num_images, run)
    if case.features_once:
        times = _measure_from_scratch(
            run, train, validation, case.num_epochs, sizes.num_rounds, show
        )
    else:
        times = measure_epochs(
            run, train, validation, work_dir, sizes.num_rounds, show, case.num_epochs
        )
    return CandidateFigures(
        case=case_name,
        ours=_OURS_WITH_FEATURES if case.features_once else OURS,
        bare=_BARE_FROM_SCRATCH if case.features_once else BARE,
        num_images=len(train.labels) * (case.num_epochs if case.features_once else 1),
        num_parameters=times.num_parameters,
        ours_s=times.ours_s,
        bare_s=times.bare_s,
        ours_peak_mb=times.ours_peak_mb,
    )


def _measure_from_scratch(
    run: CandidateRun,
    train: SplitData,
    validation: SplitData,
    num_epochs: int,
    num_rounds: int,
    show: Show,
) -> TrainingTimes:
    """Measure whole trainings: what is computed once comes before the first epoch."""
    num_parameters: list[int] = []
    peaks_mb: list[float] = []

    def ours() -> None:
        trained = train_network(
            run, train, validation, create_strategy(), stage=NAME, epochs=num_epochs
        )
        num_parameters.append(trained.network.count_params())
        peaks_mb.append(peak_memory_mb())

    def bare() -> None:
        compile_network(run, create_strategy()).fit(
            *as_floats(train),
            batch_size=run.candidate.training.batch_size,
            epochs=num_epochs,
            validation_data=as_floats(validation),
            verbose=0,
        )

    sides = {"ours": seconds_of(ours), "bare": seconds_of(bare)}
    seconds = measure_in_turn(sides, num_rounds, show)
    return TrainingTimes(num_parameters[0], seconds["ours"], seconds["bare"], peaks_mb[0])
