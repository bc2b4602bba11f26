"""Decode JPEG and PNG by the very decoder that training and serving use.

TensorFlow is imported by the first image that is decoded: commands that decode none do without.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

GreyPixels = npt.NDArray[np.uint8]
_LOCK = threading.Lock()


def decode_by_tensorflow(data: bytes) -> GreyPixels:
    """Return what `tf.io.decode_image(data, channels=1)` reads.

    Args:
        data: A JPEG or PNG whose size has been checked.

    Returns:
        uint8 [height, width], in [0, 255].

    Raises:
        ValueError: TensorFlow cannot read it as a single picture.
    """
    with _LOCK:
        decode = _decoder()
    return decode(data)


@functools.cache
def _decoder() -> Callable[[bytes], GreyPixels]:
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        encoded = tf.compat.v1.placeholder(tf.string, [])
        decoded = tf.io.decode_image(encoded, channels=1, expand_animations=False)
    # A session rather than eager execution, which would fix the devices of the whole process and
    # take a GPU's memory before the pipeline has configured them.
    # Each image is decoded in the calling thread: handing over a small one costs more than that.
    config = tf.compat.v1.ConfigProto(
        device_count={"GPU": 0}, inter_op_parallelism_threads=-1, intra_op_parallelism_threads=1
    )
    run = tf.compat.v1.Session(graph=graph, config=config).make_callable(
        decoded, feed_list=[encoded]
    )

    def decode(data: bytes) -> GreyPixels:
        try:
            pixels = run(np.array(data, object))
        except tf.errors.OpError as error:
            raise ValueError("TensorFlow cannot read it") from error
        if pixels.ndim != 3:
            raise ValueError("TensorFlow reads no single picture")
        return pixels[..., 0]

    return decode
