"""Train and judge every variant with every seed; `python -m experiments` calls it."""

from __future__ import annotations

import argparse
import fcntl
import json
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from components.ingestion.conversion import convert
from components.ingestion.open_source import open_source
from experiments.ablation_table import ablation_table, read_results
from experiments.raw_records import load_raw_split
from experiments.variants import VARIANTS
from models import features
from models.distribution import create_strategy
from models.input_data import SplitData
from models.judgement import judge_predictions, predict_validation
from models.predictor import Predictor
from models.selection import Comparison, compare
from models.training import Trained, train_network
from models.training_report import TrainingReport
from pipeline.config import CandidateRun, PipelineSettings


def run_ablation(options: argparse.Namespace, console: Console) -> None:
    """Measure what nobody has begun, and print and write the table of all results.

    Args:
        options: The command line, see `experiments.__main__`.
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
    table = ablation_table(read_results(options.output))
    (options.output / "ablation.md").write_text(table, encoding="utf-8")
    console.print(table, soft_wrap=True, markup=False)


def _unclaimed(options: argparse.Namespace, console: Console) -> Iterator[tuple[str, int]]:
    """Yield what has no result and is nobody else's work, seed by seed."""
    for seed in options.seeds:
        for name in options.only or VARIANTS:
            result = result_file(options.output, name, seed)
            # What shares another variant's network comes with that one.
            if VARIANTS[name].trained_as or result.exists():
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
        name: A key of `VARIANTS` with a network of its own.
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
        comparison = judge(each, run, trained, training_s, validation, options.output)
        result = {"variant": each, "seed": seed, "training_s": training_s}
        text = json.dumps({**result, **comparison.model_dump(exclude={"name"})}, indent=2)
        result_file(options.output, each, seed).write_text(text + "\n", encoding="utf-8")


def judge(
    name: str,
    run: CandidateRun,
    trained: Trained,
    training_s: float,
    validation: SplitData,
    output: Path,
) -> Comparison:
    """Judge a network on plain and stressed validation, as the Selector would see it.

    Args:
        name: The variant, which may differ from what was trained in the prediction.
        run: The candidate as it was trained.
        trained: Its network.
        training_s: What the training took, s.
        validation: The whole split.
        output: Where the predictions are kept.
    """
    candidate = VARIANTS[name].candidate
    predictions = predict_validation(Predictor(trained.network, candidate), validation)
    predictions.write(result_file(output, name, run.seed).with_suffix(".npz"))
    judgement = judge_predictions(predictions, validation, run.operating_point, run.seed)
    return compare(
        TrainingReport(
            name=name,
            architecture=candidate.architecture,
            num_parameters=trained.network.count_params(),
            num_trainable=trained.num_trainable,
            candidate=candidate,
            hyperparameters={},
            seed=run.seed,
            num_epochs=trained.num_epochs,
            best_epoch=trained.best_epoch,
            history=trained.history,
            num_gpus=0,
            num_replicas=1,
            training_s=training_s,
            **judgement.for_report(),
        )
    )


def result_file(output: Path, name: str, seed: int) -> Path:
    """Return where a variant's result stands; its predictions lie beside it."""
    words = "".join(letter if letter.isalnum() else "_" for letter in name)
    return output / "results" / f"{words}-{seed}.json"
