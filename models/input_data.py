"""Transformed records as `tf.data` pipelines."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from models import features
from models.augmentation import augment
from models.preprocessing import decode_transformed, to_network_input
from pipeline.config import AugmentationSettings

_FEATURE_SPEC = {
    features.TRANSFORMED_IMAGE: tf.io.FixedLenFeature([], tf.string),
    features.TRANSFORMED_LABEL: tf.io.FixedLenFeature([], tf.int64),
    features.SUBTYPE: tf.io.FixedLenFeature([], tf.string),
    features.SIZE_GROUP: tf.io.FixedLenFeature([], tf.string),
    features.SHARPNESS_GROUP: tf.io.FixedLenFeature([], tf.string),
}


@dataclasses.dataclass(frozen=True)
class SplitData:
    """One split in memory, at a byte a pixel.

    Attributes:
        images: uint8 [n, image_size_px, image_size_px, 1].
        labels: int64 [n], 0 or 1.
        subtypes: [n] names of `features.SUBTYPES`.
        size_groups: [n] names of `features.SIZE_GROUPS`.
        sharpness_groups: [n] names of `features.SHARPNESS_GROUPS`.
    """

    images: np.ndarray
    labels: np.ndarray
    subtypes: list[str]
    size_groups: list[str]
    sharpness_groups: list[str]


def load_split(file_patterns: Sequence[str], image_size_px: int) -> SplitData:
    """Read all transformed records of a split.

    Args:
        file_patterns: Globs of gzipped TFRecord files, as TFX hands them to `run_fn`.
        image_size_px: The side that Transform was set to.

    Returns:
        The split; records in the order of the sorted file names.

    Raises:
        ValueError: When no record matches.
    """
    files = sorted(path for pattern in file_patterns for path in tf.io.gfile.glob(pattern))

    def parse(record: tf.Tensor) -> tuple[tf.Tensor, ...]:
        parsed = tf.io.parse_single_example(record, _FEATURE_SPEC)
        return (
            decode_transformed(parsed[features.TRANSFORMED_IMAGE], image_size_px),
            parsed[features.TRANSFORMED_LABEL],
            parsed[features.SUBTYPE],
            parsed[features.SIZE_GROUP],
            parsed[features.SHARPNESS_GROUP],
        )

    batches = (
        tf.data.TFRecordDataset(files, compression_type="GZIP")
        .map(parse, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(256)
        .as_numpy_iterator()
    )
    columns = list(zip(*batches, strict=True))
    if not columns:
        raise ValueError(
            f"Expected transformed records under {list(file_patterns)}, got none: "
            "the split is empty."
        )
    images, labels, subtypes, size_groups, sharpness_groups = (
        np.concatenate(column) for column in columns
    )
    return SplitData(
        images=images,
        labels=labels,
        subtypes=[value.decode() for value in subtypes],
        size_groups=[value.decode() for value in size_groups],
        sharpness_groups=[value.decode() for value in sharpness_groups],
    )


def training_batches(
    data: SplitData, batch_size: int, seed: int, settings: AugmentationSettings
) -> tf.data.Dataset:
    """Shuffle, batch and augment, anew in every epoch.

    Args:
        data: The training split.
        batch_size: Images per batch; the last batch of an epoch may be smaller.
        seed: The order and the augmentation follow from it.
        settings: The augmentation.

    Returns:
        A dataset of (float32 [b, s, s, 3] in [0, 1], float32 [b, 1]).
    """
    # The index is shuffled, not the images: a full, exact shuffle for 8 bytes a record.
    order = tf.data.Dataset.range(len(data.labels)).shuffle(
        len(data.labels), seed=seed, reshuffle_each_iteration=True
    )
    images = tf.constant(data.images)
    labels = tf.constant(data.labels.astype(np.float32)[:, np.newaxis])
    seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2)

    def prepare(indices: tf.Tensor, batch_seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # One channel is augmented, not three equal ones.
        pixels = tf.cast(tf.gather(images, indices), tf.float32)
        return to_network_input(augment(pixels, batch_seed, settings)), tf.gather(labels, indices)

    return (
        tf.data.Dataset.zip((order.batch(batch_size), seeds))
        .map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )


def evaluation_batches(data: SplitData, batch_size: int) -> tf.data.Dataset:
    """Batch a split in its own order, unchanged; elements as in `training_batches`."""
    labels = data.labels.astype(np.float32)[:, np.newaxis]
    return (
        tf.data.Dataset.from_tensor_slices((data.images, labels))
        .batch(batch_size)
        .map(lambda images, truth: (to_network_input(images), truth))
        .prefetch(tf.data.AUTOTUNE)
    )
