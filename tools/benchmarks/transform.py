"""The Transform node against a bare `tf.data` map that decodes and resizes the same records."""

from __future__ import annotations

import math
from pathlib import Path

import tensorflow as tf

from contract import features
from contract.errors import InputError
from contract.settings import PipelineSettings, TransformSettings
from ingestion.conversion import convert
from models.preprocessing import decode_and_resize
from tools.benchmarks.figures import PairedFigures
from tools.benchmarks.images import Sizes, load_images
from tools.benchmarks.measurement import Show, measure_in_turn, seconds_of
from tools.benchmarks.nodes import build_dag, input_artifacts, run_node

NAME = "transform"
TARGET = 0.5
_BATCH_SIZE = 64
SPLITS = (features.TRAIN, features.VALIDATION)  # what the node transforms


def measure(data: str | None, work_dir: Path, sizes: Sizes, show: Show) -> PairedFigures:
    """Measure the executor of the DAG's Transform node, its graph's tracing and writing included.

    Args:
        data: The source, or None for drawn images.
        work_dir: For everything that is written.
        sizes: How many images, how often.
        show: Receives a line for each measurement.

    Raises:
        InputError: The source cannot be used.
    """
    settings = PipelineSettings()
    records_dir = work_dir / "records"
    source = load_images(data, work_dir, sizes.num_images)
    card = convert(source, settings.data, records_dir, settings.beam.pipeline_args)
    dag = build_dag(settings, records_dir, work_dir)
    files = [str(records_dir / name) for name in card.files if name.startswith(SPLITS)]
    num_images = decode_all(files, settings.transform)
    if num_images == 0:
        raise InputError(f"expected images in {' and '.join(SPLITS)}, got none")
    times = max(math.ceil(sizes.min_transformed_images / num_images), 1)
    inputs = input_artifacts(records_dir, work_dir, times)
    files *= times

    def ours() -> None:
        run_node(dag, "Transform", inputs, work_dir / "transform", settings.beam.pipeline_args)

    seconds = measure_in_turn(
        {
            "ours": seconds_of(ours),
            "bare": seconds_of(lambda: decode_all(files, settings.transform)),
        },
        sizes.num_rounds,
        show,
    )
    return PairedFigures(
        name=NAME,
        ours="Transform node: trace and save the graph, decode, resize, write records"
        + (f"; each record {times} times" if times > 1 else ""),
        bare="tf.data map, compiled, parallel: parse, decode, resize; the pixels kept nowhere",
        num_images=num_images * times,
        ours_s=seconds["ours"],
        bare_s=seconds["bare"],
        target=TARGET,
    )


def decode_all(files: list[str], settings: TransformSettings) -> int:
    """Decode and resize every record of gzipped TFRecord files; return how many there were.

    The ops of Transform's graph as a `tf.data` map, on all cores.
    """
    spec = {features.IMAGE_BYTES: tf.io.FixedLenFeature([], tf.string)}

    def decode(record: tf.Tensor) -> tf.Tensor:
        image_bytes = tf.io.parse_single_example(record, spec)[features.IMAGE_BYTES]
        return decode_and_resize(image_bytes, settings)

    images = (
        tf.data.TFRecordDataset(files, compression_type="GZIP")
        .map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(_BATCH_SIZE)
    )
    return sum(len(batch) for batch in images.as_numpy_iterator())
