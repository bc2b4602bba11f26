"""Which devices train, and in which precision."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf

# NVIDIA's tensor cores, which make half precision faster, came with compute capability 7.0.
_TENSOR_CORES_SINCE = (7, 0)

_LOGGER = logging.getLogger(__name__)


def create_strategy(devices: Sequence[str] | None = None) -> tf.distribute.Strategy:
    """Return the strategy over all visible GPUs, or the plain one where there is one or none.

    Args:
        devices: Names to mirror over instead, such as two logical CPUs in a test.
    """
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
