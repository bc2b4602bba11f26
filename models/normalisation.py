"""Per-image normalisation of grey values, in the training graph and in the exported one.

The exported graph has TensorFlow's plain operations, which every server knows. The same functions
compiled by XLA, for what is normalised anew in every epoch of training, take half the time.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

# One standard deviation of a standardised image is this part of full scale; 2.5 of them to each
# side of the middle are kept.
_STANDARD_DEVIATION = 0.2
_LOW_PERCENTILE, _HIGH_PERCENTILE = 1.0, 99.0
_NUM_LEVELS = 256
_CLAHE_TILES = 8  # per side; Zuiderveld 1994 uses 8x8
_CLAHE_CLIP = 2.0  # largest count of a level, in multiples of a flat histogram's


def normalise(images: tf.Tensor, method: str, *, compiled: bool = False) -> tf.Tensor:
    """Bring each image's grey values to a common range or distribution.

    Args:
        images: float32 [n, side, side, 1], in [0, 255]; `clahe` needs a static side.
        method: `none`; `standardise`: mean .5, standard deviation .2, clipped; `stretch`:
            the 1st and the 99th percentile to 0 and 1, clipped; `equalise`: a flat histogram;
            `clahe`: the same in 8x8 tiles with limited contrast (Zuiderveld 1994).
        compiled: Have XLA compile `clahe`; its values then differ by rounding, under 1e-6.

    Returns:
        float32 of the shape of `images`, in [0, 1].

    Raises:
        ValueError: The method is unknown.
    """
    if method not in _METHODS:
        raise ValueError(f"Expected a normalisation of {sorted(_METHODS)}, got {method!r}.")
    if method == "clahe" and compiled:
        return _clahe(images, _compiled_tiles, _compiled_blend)
    return _METHODS[method](images)


def _scale(images: tf.Tensor) -> tf.Tensor:
    return images / 255.0


def _standardise(images: tf.Tensor) -> tf.Tensor:
    mean, variance = tf.nn.moments(images, axes=[1, 2, 3], keepdims=True)
    # The constant, one grey level, keeps a flat image at its middle.
    deviations = (images - mean) / (tf.sqrt(variance) + 1.0)
    return tf.clip_by_value(0.5 + _STANDARD_DEVIATION * deviations, 0.0, 1.0)


def _stretch(images: tf.Tensor) -> tf.Tensor:
    # A quarter of the rows and columns give the same percentiles in a sixteenth of the time.
    sample = images[:, ::4, ::4, 0]
    ordered = tf.sort(tf.reshape(sample, [tf.shape(images)[0], -1]), axis=1)
    last = tf.cast(tf.shape(ordered)[1] - 1, tf.float32)

    def percentile(percent: float) -> tf.Tensor:
        index = tf.cast(tf.round(last * percent / 100.0), tf.int32)
        return tf.gather(ordered, index, axis=1)[:, tf.newaxis, tf.newaxis, tf.newaxis]

    low, high = percentile(_LOW_PERCENTILE), percentile(_HIGH_PERCENTILE)
    return tf.clip_by_value((images - low) / tf.maximum(high - low, 1.0), 0.0, 1.0)


def _equalise(images: tf.Tensor) -> tf.Tensor:
    levels = _levels(images)
    shape = tf.shape(levels)
    flat = tf.reshape(levels, [shape[0], -1])
    table = _cumulative(_histogram(flat))
    return tf.reshape(tf.gather(table, flat, batch_dims=1), shape)


def _tiles(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the levels of images, and the same tile by tile.

    Args:
        images: float32 [n, side, side, 1], of a static side.

    Returns:
        int32 [n, side, side] and int32 [n * 64, pixels of a tile].
    """
    levels = _levels(images)[..., 0]
    tile_px = images.shape[1] // _CLAHE_TILES
    used_px = tile_px * _CLAHE_TILES  # a rest at the edge takes its neighbour's table
    tiles = tf.reshape(
        levels[:, :used_px, :used_px], [-1, _CLAHE_TILES, tile_px, _CLAHE_TILES, tile_px]
    )
    return levels, tf.reshape(tf.transpose(tiles, [0, 1, 3, 2, 4]), [-1, tile_px * tile_px])


def _blend(levels: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
    """Look every pixel up in the tables of the four tiles whose centres surround it.

    Args:
        levels: int32 [n, side, side], of a static side.
        counts: float32 [n * 64, 256], of the levels in each tile.

    Returns:
        float32 [n, side, side, 1], in [0, 1].
    """
    side_px = levels.shape[1]
    tile_px = side_px // _CLAHE_TILES
    clipped = tf.minimum(counts, _CLAHE_CLIP * tile_px * tile_px / _NUM_LEVELS)
    # What was cut off is spread evenly, so that every table still ends at 1.
    clipped += tf.reduce_sum(counts - clipped, axis=1, keepdims=True) / _NUM_LEVELS
    tables = tf.reshape(_cumulative(clipped), [-1])
    # What depends on the sides alone is computed here, not in the graph of every model.
    position = (np.arange(side_px, dtype=np.float32) + 0.5) / tile_px - 0.5
    position = np.clip(position, 0.0, _CLAHE_TILES - 1.0)
    lower = np.floor(position).astype(np.int32)
    upper = np.minimum(lower + 1, _CLAHE_TILES - 1)
    across = position - lower.astype(np.float32)
    down = across[:, np.newaxis]
    # Where a pixel's level is in the tables of its image's first tile.
    first_table = tf.range(tf.shape(levels)[0]) * (_CLAHE_TILES**2 * _NUM_LEVELS)
    first = tf.reshape(first_table, [-1, 1, 1]) + levels

    def looked_up(rows: np.ndarray, columns: np.ndarray) -> tf.Tensor:
        row_tables = rows[:, np.newaxis] * (_CLAHE_TILES * _NUM_LEVELS)
        return tf.gather(tables, first + row_tables + columns * _NUM_LEVELS)

    top = (1.0 - across) * looked_up(lower, lower) + across * looked_up(lower, upper)
    bottom = (1.0 - across) * looked_up(upper, lower) + across * looked_up(upper, upper)
    return tf.expand_dims((1.0 - down) * top + down * bottom, -1)


_compiled_tiles = tf.function(_tiles, jit_compile=True, autograph=False)
_compiled_blend = tf.function(_blend, jit_compile=True, autograph=False)


def _clahe(
    images: tf.Tensor,
    to_tiles: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]] = _tiles,
    blend: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = _blend,
) -> tf.Tensor:
    levels, tiles = to_tiles(images)
    # Between the two parts, as XLA takes longer to count than TensorFlow.
    return blend(levels, _histogram(tiles))


def _levels(images: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.clip_by_value(tf.round(images), 0.0, 255.0), tf.int32)


def _histogram(levels: tf.Tensor) -> tf.Tensor:
    """Count the levels of each row: int32 [n, p] -> float32 [n, 256]."""
    # The operation of `tf.math.bincount`, which checks what is known here with a dozen others.
    counts = tf.raw_ops.DenseBincount(
        input=levels, size=_NUM_LEVELS, weights=tf.constant([], tf.int32)
    )
    counts.set_shape([None, _NUM_LEVELS])
    return tf.cast(counts, tf.float32)


def _cumulative(counts: tf.Tensor) -> tf.Tensor:
    """Turn counts into tables of new levels in [0, 1]: float32 [n, 256], both."""
    # Sums within sixteen levels, and sums of sixteens: products with two triangular matrices take
    # a third of the time of `tf.cumsum`.
    root = math.isqrt(_NUM_LEVELS)
    ones_above = np.triu(np.ones([root, root], np.float32))  # the diagonal included
    within = tf.reshape(tf.matmul(tf.reshape(counts, [-1, root]), ones_above), [-1, root, root])
    before = tf.matmul(within[:, :, -1], np.triu(ones_above, 1))
    sums = tf.reshape(within + before[:, :, tf.newaxis], [-1, _NUM_LEVELS])
    return sums / sums[:, -1:]


_METHODS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "none": _scale,
    "standardise": _standardise,
    "stretch": _stretch,
    "equalise": _equalise,
    "clahe": _clahe,
}
