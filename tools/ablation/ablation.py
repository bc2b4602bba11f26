"""Train and judge every variant with every seed; `python -m tools.ablation` calls it."""

from __future__ import annotations

import argparse
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from contract import features
from contract.settings import CandidateRun, PipelineSettings
from ingestion.conversion import convert
from ingestion.open_source import open_source
from models.distribution import create_strategy
from models.judgement import predict_validation
from models.predictor import Predictor
from models.training import train_network
from tools.ablation.ablation_table import ablation_tables, read_results
from tools.ablation.raw_records import load_raw_split
from tools.ablation.results import combine, predictions_file, result_file, write_result
from tools.ablation.variants import VARIANTS


def run_ablation(options: argparse.Namespace, console: Console) -> None:
    """Measure what nobody has begun, and print and write the table of all results.

    Args:
        options: The command line, see `tools.ablation.__main__`.
        console: Where progress and the table go.

    Raises:
        InputError: The data cannot be used.
    """
    settings = PipelineSettings()
    records_dir = options.output / "records"
    source = open_source(options.data, options.output, settings.data)
    convert(source, settings.data, records_dir, settings.beam.pipeline_args)
    for variant, seed in _unclaimed(options, console):
        console.print(f"{variant}, seed {seed}")
        measure(variant, seed, records_dir, options)
    # Any transform will do: labels and groups are what counts here.
    validation = load_raw_split(records_dir, features.VALIDATION, settings.transform)
    for seed in options.seeds:
        combine(options.output, seed, validation)
    table = ablation_tables(read_results(options.output))
    (options.output / "ablation.md").write_text(table, encoding="utf-8")
    console.print(table, soft_wrap=True, markup=False)


def _unclaimed(options: argparse.Namespace, console: Console) -> Iterator[tuple[str, int]]:
    """Yield what has no result and is nobody else's work, seed by seed."""
    for seed in options.seeds:
        for name in options.only or VARIANTS:
            result = result_file(options.output, name, seed)
            # What shares another variant's network comes with that one.
            if not VARIANTS[name].is_trained or result.exists():
                continue
            result.parent.mkdir(parents=True, exist_ok=True)
            with result.with_suffix(".lock").open("w") as lock:
                try:
                    # The system frees it with the process, however that ends.
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    console.print(f"{name}, seed {seed}: another process is at it")
                    continue
                yield name, seed


def measure(name: str, seed: int, records_dir: Path, options: argparse.Namespace) -> None:
    """Train one variant, and judge it and those that share its network.

    Args:
        name: A key of `VARIANTS` that is trained.
        seed: Of weights, order and augmentation.
        records_dir: Records of the feature contract.
        options: Epochs, part of the training split, and the output folder.
    """
    variant = VARIANTS[name]
    train = load_raw_split(records_dir, features.TRAIN, variant.transform, options.train_fraction)
    validation = load_raw_split(records_dir, features.VALIDATION, variant.transform)
    settings = PipelineSettings()
    run = CandidateRun(
        name=name,
        seed=seed,
        image_size_px=variant.transform.image_size_px,
        candidate=variant.candidate,
        tuner=settings.tuner,
        operating_point=settings.operating_point,
    )
    started_s = time.monotonic()
    trained = train_network(
        run, train, validation, create_strategy(), stage=name, epochs=options.epochs
    )
    training_s = time.monotonic() - started_s
    sharing = [other for other in VARIANTS if VARIANTS[other].trained_as == name]
    for each in (name, *sharing):
        predictor = Predictor(trained.network, VARIANTS[each].candidate)
        predictions = predict_validation(predictor, validation)
        predictions.write(predictions_file(options.output, each, seed))
        write_result(
            options.output,
            each,
            seed,
            predictions,
            validation,
            trained.network.count_params(),
            training_s,
        )
