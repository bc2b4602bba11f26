"""Which devices train, and in which precision."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from models.input_data import WHOLE, Shard, endless

# NVIDIA's tensor cores, which make half precision faster, came with compute capability 7.0.
_TENSOR_CORES_SINCE = (7, 0)

_LOGGER = logging.getLogger(__name__)


def create_strategy(devices: Sequence[str] | None = None) -> tf.distribute.Strategy:
    """Return the strategy over all visible GPUs, or the plain one where there is one or none.

    Where TensorFlow's variable `TF_CONFIG` names several workers, it is the one over all of them
    and their GPUs. It must then be the first that a process asks of TensorFlow.

    Args:
        devices: Names to mirror over instead, such as two logical CPUs in a test.
    """
    if len(_workers()) > 1:
        return _multi_worker_strategy()
    chosen = list(devices or [device.name for device in tf.config.list_logical_devices("GPU")])
    _LOGGER.info("Training on %d GPU(s): %s", num_gpus(), chosen or "none, the CPU instead")
    if len(chosen) < 2:
        return tf.distribute.get_strategy()
    return _mirrored_strategy(tuple(chosen))


@functools.cache
def _mirrored_strategy(devices: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    """Keep one strategy for a process.

    A second one over the same devices counts its collective operations from the start again, and
    the runtime takes them for those of the first: a search's next trial would fail where its
    network has another shape.
    """
    return tf.distribute.MirroredStrategy(devices)


@functools.cache
def _multi_worker_strategy() -> tf.distribute.MultiWorkerMirroredStrategy:
    """Join the other workers; a process can do so once."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    _LOGGER.info(
        "Training on %d workers, %d replicas", len(_workers()), strategy.num_replicas_in_sync
    )
    return strategy


def _workers() -> list[str]:
    """Return the addresses of all processes that train together, the chief's first."""
    cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
    return [*cluster.get("chief", []), *cluster.get("worker", [])]


def spans_processes(strategy: tf.distribute.Strategy) -> bool:
    """Return whether other processes take part in each step."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Return whether this process is the one that writes what comes out."""
    if not spans_processes(strategy):
        return True
    resolver = strategy.cluster_resolver
    has_chief = "chief" in resolver.cluster_spec().jobs
    return resolver.task_type == "chief" or (not has_chief and resolver.task_id == 0)


def distribute(
    strategy: tf.distribute.Strategy,
    create: Callable[[int, Shard], tf.data.Dataset],
    batch_size: int,
    num_replicas: int,
) -> tuple[tf.data.Dataset | tf.distribute.DistributedDataset, int]:
    """Return what this process takes of a data set, epoch after epoch, and the steps of an epoch.

    Args:
        strategy: Devices that share a step.
        create: From the number of records in a batch, and which records, to the data set.
        batch_size: Records of each replica.
        num_replicas: Replicas of this process, where it is alone.
    """
    if not spans_processes(strategy):
        step_records = batch_size * num_replicas
        shard = Shard(step_records=step_records) if num_replicas > 1 else WHOLE
        return endless(create(step_records, shard))
    # Dealt here, before images are augmented: TensorFlow's own way would have each process prepare
    # the images of all.
    step_records = batch_size * strategy.num_replicas_in_sync
    numbers: list[int] = []

    def create_endless(context: tf.distribute.InputContext) -> tf.data.Dataset:
        shard = Shard(context.num_input_pipelines, context.input_pipeline_id, step_records)
        batches, num_steps = endless(create(batch_size, shard))
        numbers.append(num_steps)
        return batches

    return strategy.distribute_datasets_from_function(create_endless), numbers[0]


def prepare_for_processes(network: keras.Model) -> None:
    """Make `fit` of a compiled network work where several processes take part.

    Keras 3 cannot: it averages the first batch over the processes to learn its shape, and each
    step's figures over an axis that numbers do not have (keras-team/keras#20585). So it is given
    the shape, and the two functions that it would make. What they return shows the progress of
    this process alone; the figures of an epoch Keras reads from the metrics, which are of all.

    Args:
        network: One output, built and compiled in the strategy's scope; its batches have weights.
    """
    strategy = network.distribute_strategy

    def function_of(step: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
        @tf.function(reduce_retracing=True, autograph=False)
        def run(iterator: Any) -> dict[str, Any]:
            figures = strategy.run(step, args=(next(iterator),))
            return {
                name: strategy.experimental_local_results(value)[0]
                for name, value in figures.items()
            }

        return run

    images = keras.KerasTensor((None, *network.input_shape[1:]))
    labels = keras.KerasTensor((None, 1))
    with strategy.scope():
        network._symbolic_build(data_batch=(images, labels, labels))
    network._maybe_symbolic_build = lambda **_: None
    network.train_function = function_of(network.train_step)
    network.test_function = function_of(network.test_step)


def num_gpus() -> int:
    """Return how many GPUs TensorFlow sees."""
    return len(tf.config.list_physical_devices("GPU"))


def has_fast_half_precision() -> bool:
    """Return whether every visible GPU computes half precision on tensor cores."""
    gpus = tf.config.list_physical_devices("GPU")
    capabilities = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))
        for gpu in gpus
    ]
    return bool(capabilities) and min(capabilities) >= _TENSOR_CORES_SINCE


@contextlib.contextmanager
def precision_policy(mixed_precision: bool) -> Iterator[None]:
    """Build networks in mixed precision where it is wanted and the GPUs have it.

    Args:
        mixed_precision: Whether it is wanted; on CPUs and older GPUs float32 stays.
    """
    before = keras.config.dtype_policy()
    if mixed_precision and has_fast_half_precision():
        keras.config.set_dtype_policy("mixed_float16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
