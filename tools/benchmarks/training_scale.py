"""Trainer's memory against the number of images, and its speed, by where the images are kept.

    python -m tools.benchmarks.training_scale memory --images 5000 80000
    python -m tools.benchmarks.training_scale speed --images 1024

Images are drawn: 128 px, grey gradients with noise, as Transform would leave them. A thousand of
them are written, in files of 250; more are the same files under further names.

`memory` runs all that the Trainer's `run_fn` does, export and stressed validation included, in a
separate process for each number of images and each `training.cache`, and prints the largest
resident set. `speed` measures in one process, in turn: epochs of the default network, epochs of
its input alone, augmented and normalised, and of its records alone. `taskset -c 0-3` before the
command shows what four cores deliver to a GPU.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partialmethod
from pathlib import Path
from typing import Any, Literal

import apache_beam as beam
import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from rich.console import Console
from rich.table import Table
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils
from tfx.components.trainer.fn_args_utils import FnArgs

from contract import features
from contract.long_lived import end_program
from contract.settings import (
    CUSTOM_CONFIG_KEY,
    AugmentationSettings,
    BeamSettings,
    CandidateRun,
    CandidateSettings,
    OperatingPointSettings,
    PipelineSettings,
    TrainingSettings,
    TransformSettings,
)
from models.distribution import create_strategy
from models.image_cache import Splits, open_splits
from models.input_data import training_batches
from models.preprocessing import preprocessing_fn
from models.train import run_fn
from models.training import compile_network, fit_network
from pipeline.logs import quiet_logs, set_environment
from tools.benchmarks.epoch_clocks import epoch_clock
from tools.benchmarks.measurement import measure_in_turn
from tools.benchmarks.peak_memory import peak_memory_mb
from tools.benchmarks.record import spread
from tools.benchmarks.training import costliest_default

Cache = Literal["memory", "disk", "none"]
CACHES: tuple[Cache, ...] = ("memory", "disk", "none")

_SIDE_PX = 128
_FILE_IMAGES, _DRAWN_FILES = 250, 4
_VALIDATION_FRACTION = 0.05  # they are predicted 14 times


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.benchmarks.training_scale")
    parser.add_argument("what", choices=("memory", "speed", "one"))
    parser.add_argument("--images", type=int, nargs="+", default=[5000, 80000])
    parser.add_argument("--cache", choices=CACHES, nargs="+", default=list(CACHES))
    parser.add_argument("--architecture", default="cnn_baseline", help="of `memory`")
    parser.add_argument("--steps", type=int, help="of `memory`: of its epoch, at most")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of `speed`")
    parser.add_argument("--folder", type=Path, help="for what is drawn; kept (default: a new one)")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args(arguments)
    set_environment()
    if options.what == "one":
        return _one(options)
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="training-scale-") as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        with quiet_logs(folder / "log"):
            draw_graph(folder / "graph")
            for number in options.images:
                draw_splits(folder, number)
        figures = (
            measure_memory(options, folder, console)
            if options.what == "memory"
            else measure_speed(options, folder, console)
        )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def draw_graph(folder: Path) -> None:
    """Write the graph that Transform would, which an export needs."""
    if (folder / "transform_fn").is_dir():
        return
    texts = (features.IMAGE_BYTES, *features.TRANSFORMED_TEXTS)
    spec = {name: tf.io.FixedLenFeature([], tf.string) for name in texts}
    spec[features.LABEL] = tf.io.FixedLenFeature([], tf.int64)
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    record: dict[str, bytes | int] = dict.fromkeys(texts, b"")
    record[features.IMAGE_BYTES] = tf.io.encode_png(tf.zeros([64, 64, 1], tf.uint8)).numpy()
    record[features.LABEL] = 1
    config = {CUSTOM_CONFIG_KEY: TransformSettings(image_size_px=_SIDE_PX).model_dump_json()}
    options = beam.options.pipeline_options.PipelineOptions(list(BeamSettings().pipeline_args))
    with (
        tempfile.TemporaryDirectory() as temporary,
        beam.Pipeline(options=options) as pipeline,
        tft_beam.Context(temporary),
    ):
        data = pipeline | beam.Create([record])
        transform_fn = (data, metadata) | tft_beam.AnalyzeDataset(
            lambda inputs: preprocessing_fn(inputs, config)
        )
        _ = transform_fn | tft_beam.WriteTransformFn(str(folder))


def draw_splits(folder: Path, number: int) -> None:
    """Write `number` images, most of them to train on."""
    drawn = []
    rng = np.random.default_rng(7)
    for index in range(_DRAWN_FILES):
        path = folder / "drawn" / f"{index}.gz"
        drawn.append(path)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
            with tf.io.TFRecordWriter(str(path), options) as writer:
                for image in range(_FILE_IMAGES):
                    writer.write(_record(rng, index * _FILE_IMAGES + image))
    num_validation = max(1, round(number * _VALIDATION_FRACTION / _FILE_IMAGES))
    num_files = math.ceil(number / _FILE_IMAGES)
    sources = itertools.cycle(drawn)
    for split, count in (
        (features.TRAIN, num_files - num_validation),
        (features.VALIDATION, num_validation),
    ):
        for index in range(count):
            name = folder / str(number) / split / f"part-{index:05d}.gz"
            name.parent.mkdir(parents=True, exist_ok=True)
            if not name.is_symlink():
                name.symlink_to(next(sources))


def _record(rng: np.random.Generator, index: int) -> bytes:
    label = index % 4 > 0
    columns = np.linspace(40.0, 200.0, _SIDE_PX)
    pixels = columns * rng.uniform(0.6, 1.0) + rng.normal(0.0, 12.0, (_SIDE_PX, _SIDE_PX))
    pixels[40:90, 30:60] += 40.0 * label * rng.random()
    texts = {
        features.TRANSFORMED_IMAGE: np.clip(pixels, 0, 255).astype(np.uint8).tobytes(),
        features.SUBTYPE: features.SUBTYPES[index % 4].encode(),
        features.SIZE_GROUP: features.SIZE_GROUPS[index % 3].encode(),
        features.SHARPNESS_GROUP: features.SHARPNESS_GROUPS[index % 3].encode(),
        features.PATIENT_ID: f"person{index // 2}".encode(),
        features.IMAGE_ID: f"train/person{index // 2}_{index}.jpeg".encode(),
    }
    values = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[text]))
        for name, text in texts.items()
    }
    values[features.TRANSFORMED_LABEL] = tf.train.Feature(
        int64_list=tf.train.Int64List(value=[int(label)])
    )
    return tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString()


def _run(candidate: CandidateSettings) -> CandidateRun:
    settings = PipelineSettings()
    return CandidateRun(
        name="scale",
        seed=settings.seed,
        image_size_px=_SIDE_PX,
        candidate=candidate,
        tuner=settings.tuner,
        operating_point=OperatingPointSettings(),
    )


def _fn_args(folder: Path, number: int, run: CandidateRun, output: Path) -> FnArgs:
    return FnArgs(
        train_files=[str(folder / str(number) / features.TRAIN / "*")],
        eval_files=[str(folder / str(number) / features.VALIDATION / "*")],
        transform_graph_path=str(folder / "graph"),
        serving_model_dir=str(output / "model"),
        model_run_dir=str(output / "run"),
        custom_config={CUSTOM_CONFIG_KEY: run.model_dump_json()},
    )


def measure_memory(
    options: argparse.Namespace, folder: Path, console: Console
) -> list[dict[str, Any]]:
    """Run the Trainer once for each number of images and cache, and show its largest set."""
    found = []
    for cache in options.cache:
        for number in options.images:
            output = folder / f"{cache}-{number}.json"
            command = [sys.executable, "-m", __spec__.name, "one", "--folder", str(folder)]
            command += ["--images", str(number), "--cache", cache, "--json", str(output)]
            command += ["--architecture", options.architecture]
            command += ["--steps", str(options.steps)] if options.steps else []
            subprocess.run(command, check=True)
            found.append(json.loads(output.read_text(encoding="utf-8")))
            console.print(found[-1])
    table = Table("cache", "images", "peak MB", "seconds")
    for each in found:
        table.add_row(
            each["cache"],
            f"{each['images']:,}",
            f"{each['peak_mb']:,.0f}",
            f"{each['seconds']:.0f}",
        )
    console.print(table)
    return found


def _one(options: argparse.Namespace) -> int:
    """Run the Trainer once, in this process: one epoch, images neither augmented nor normalised."""
    (number,), (cache,) = options.images, options.cache
    run = _run(
        CandidateSettings(
            architecture=options.architecture,
            normalisation="none",
            training=TrainingSettings(
                epochs=1, cache=cache, augmentation=AugmentationSettings(enabled=False)
            ),
        )
    )
    with (
        tempfile.TemporaryDirectory(prefix="training-scale-") as output,
        quiet_logs(options.folder / f"{cache}-{number}.log"),
    ):
        if options.steps:
            keras.Model.fit = partialmethod(keras.Model.fit, steps_per_epoch=options.steps)
        started_s = time.perf_counter()
        run_fn(_fn_args(options.folder, number, run, Path(output)))
        seconds = time.perf_counter() - started_s
    figures = {
        "cache": cache,
        "images": number,
        "peak_mb": peak_memory_mb(),
        "seconds": seconds,
        "steps": options.steps,
        "architecture": options.architecture,
    }
    options.json.write_text(json.dumps(figures), encoding="utf-8")
    return 0


def measure_speed(
    options: argparse.Namespace, folder: Path, console: Console
) -> list[dict[str, Any]]:
    """Measure epochs of the default network by cache, and of its input and records alone."""
    (number,) = options.images
    default = costliest_default()
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="training-scale-") as output:
        opened = {}
        for cache in options.cache:
            training = default.training.model_copy(update={"cache": cache})
            run = _run(default.model_copy(update={"training": training}))
            opened[cache] = (run, open_splits(run, _fn_args(folder, number, run, Path(output))))
        (run, _), *_ = opened.values()
        network = compile_network(run, create_strategy())

        def epoch_of(run: CandidateRun, splits: Splits) -> Callable[[], float]:
            def seconds() -> float:
                with epoch_clock() as clock:
                    fit_network(
                        network, splits.train, splits.validation, run, epochs=2, stage="speed"
                    )
                return clock.seconds

            return seconds

        def records_of(run: CandidateRun, splits: Splits) -> Callable[[], float]:
            training = run.candidate.training.model_copy(
                update={"augmentation": AugmentationSettings(enabled=False)}
            )
            still = run.candidate.model_copy(update={"normalisation": "none", "training": training})
            return input_of(run.model_copy(update={"candidate": still}), splits)

        def input_of(run: CandidateRun, splits: Splits) -> Callable[[], float]:
            training = run.candidate.training
            batches = training_batches(splits.train, training.batch_size, run.seed, run.candidate)

            def seconds() -> float:
                for _ in batches:  # what an epoch does once, such as opening files
                    pass
                started_s = time.perf_counter()
                for _ in batches:
                    pass
                return time.perf_counter() - started_s

            return seconds

        for what, create in (
            ("epoch", epoch_of),
            ("input alone", input_of),
            ("records alone", records_of),
        ):
            sides = {cache: create(*each) for cache, each in opened.items()}
            measured = measure_in_turn(sides, options.rounds, console.print)
            reference = measured[options.cache[0]]
            for cache, seconds in measured.items():
                num_images = sum(opened[cache][1].train.class_counts)
                ratio = spread([base / own for base, own in zip(reference, seconds, strict=True)])
                found.append(
                    {
                        "what": what,
                        "cache": cache,
                        "images_per_s": num_images / min(seconds),
                        "speed": ratio.model_dump(),
                    }
                )
        for _, splits in opened.values():
            splits.close()
    table = Table(
        "what", "cache", "images/s, best", f"speed, {options.cache[0]} = 1", "lowest", "highest"
    )
    for each in found:
        speed = each["speed"]
        table.add_row(
            each["what"],
            each["cache"],
            f"{each['images_per_s']:,.0f}",
            *(f"{speed[name]:.2f}" for name in ("median", "low", "high")),
        )
    console.print(table)
    return found


if __name__ == "__main__":
    end_program(main())
