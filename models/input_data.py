"""Transformed records as `tf.data` pipelines."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from contract import features
from contract.settings import CandidateSettings
from models.augmentation import add_bands, mix_pairs, move, vary_photometry
from models.network_input import crop_and_resize, to_network_input
from models.preprocessing import decode_transformed

_FEATURE_SPEC = {
    features.TRANSFORMED_IMAGE: tf.io.FixedLenFeature([], tf.string),
    features.TRANSFORMED_LABEL: tf.io.FixedLenFeature([], tf.int64),
    **{name: tf.io.FixedLenFeature([], tf.string) for name in features.TRANSFORMED_TEXTS},
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
        patient_ids: [n]; a patient can have several images.
        image_ids: [n]; where each image came from, relative to the source.
    """

    images: np.ndarray
    labels: np.ndarray
    subtypes: list[str]
    size_groups: list[str]
    sharpness_groups: list[str]
    patient_ids: list[str]
    image_ids: list[str]


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

    def parse(records: tf.Tensor) -> tuple[tf.Tensor, ...]:
        parsed = tf.io.parse_example(records, _FEATURE_SPEC)
        return (
            decode_transformed(parsed[features.TRANSFORMED_IMAGE], image_size_px),
            parsed[features.TRANSFORMED_LABEL],
            *(parsed[name] for name in features.TRANSFORMED_TEXTS),
        )

    batches = (
        tf.data.TFRecordDataset(files, compression_type="GZIP")
        .batch(256)
        .map(parse, num_parallel_calls=tf.data.AUTOTUNE)
        .as_numpy_iterator()
    )
    columns = list(zip(*batches, strict=True))
    if not columns:
        raise ValueError(
            f"Expected transformed records under {list(file_patterns)}, got none: "
            "the split is empty."
        )
    images, labels, *texts = (np.concatenate(column) for column in columns)
    # In the order of `TRANSFORMED_TEXTS`. Names of files need not be UTF-8.
    return SplitData(
        images, labels, *([value.decode(errors="replace") for value in column] for column in texts)
    )


def candidate_view(data: SplitData, candidate: CandidateSettings) -> SplitData:
    """Return the split as the candidate's network sees it: cropped, and of its size."""
    batches = [
        crop_and_resize(tf.constant(data.images[start : start + 256]), candidate).numpy()
        for start in range(0, len(data.images), 256)
    ]
    return dataclasses.replace(data, images=np.concatenate(batches))


def training_batches(
    data: SplitData, batch_size: int, seed: int, candidate: CandidateSettings
) -> tf.data.Dataset:
    """Shuffle, batch and augment, anew in every epoch.

    Args:
        data: The training split, from `candidate_view`.
        batch_size: Images per batch; the last batch of an epoch may be smaller.
        seed: The order and the augmentation follow from it.
        candidate: Gives augmentation, balance and normalisation.

    Returns:
        A dataset of images, labels and weights: float32 [b, s, s, 3] in [0, 1], float32
        [b, 1] and float32 [b, 1]; one pass is an epoch.
    """
    settings = candidate.training.augmentation
    weigh = _weigher(data.labels, candidate.training.balance)
    images = tf.constant(data.images)
    labels = tf.constant(data.labels.astype(np.float32)[:, np.newaxis])
    seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2)

    def prepare(
        indices: tf.Tensor, batch_seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        # One channel is augmented, not three equal ones.
        pixels = tf.cast(tf.gather(images, indices), tf.float32)
        truth = tf.gather(labels, indices)
        if settings.enabled:
            own_seeds = tf.unstack(tf.random.split(batch_seed, 4))
            pixels = vary_photometry(move(pixels, own_seeds[0], settings), own_seeds[1], settings)
            # Last, as by an export: bands are black whatever the exposure was.
            pixels = add_bands(pixels, own_seeds[3], settings.bands)
            inputs = to_network_input(pixels, candidate.normalisation)
            inputs, truth = mix_pairs(inputs, truth, own_seeds[2], settings.mixup_alpha)
        else:
            inputs = to_network_input(pixels, candidate.normalisation)
        return inputs, truth, weigh(truth)

    order = _epoch_order(data.labels, candidate.training.balance, seed)
    return (
        tf.data.Dataset.zip((order.batch(batch_size), seeds))
        .map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )


def feature_batches(
    backbone_features: np.ndarray, labels: np.ndarray, batch_size: int, seed: int, balance: str
) -> tf.data.Dataset:
    """Shuffle and batch what a frozen backbone saw; elements as in `training_batches`.

    Args:
        backbone_features: float32 [n, d], in the place of images.
        labels: int64 [n].
        batch_size: Records per batch.
        seed: The order follows from it.
        balance: See `TrainingSettings.balance`.
    """
    inputs = tf.constant(backbone_features)
    truths = tf.constant(labels.astype(np.float32)[:, np.newaxis])
    weigh = _weigher(labels, balance)

    def gather(indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        truth = tf.gather(truths, indices)
        return tf.gather(inputs, indices), truth, weigh(truth)

    order = _epoch_order(labels, balance, seed)
    return order.batch(batch_size).map(gather).prefetch(tf.data.AUTOTUNE)


def _weigher(labels: np.ndarray, balance: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the function from labels, mixed ones too, to the weights of their records."""
    weights = class_weights(labels) if balance == "class_weights" else np.ones(2, np.float32)
    return lambda truth: weights[0] + truth * (weights[1] - weights[0])


def class_weights(labels: np.ndarray) -> np.ndarray:
    """Weigh the classes so that both count alike: n / (2 n_class), mean weight 1.

    Args:
        labels: int64 [n], 0 or 1.

    Returns:
        float32 [2], the weight of each label.

    Raises:
        ValueError: When one of the classes is missing.
    """
    counts = np.bincount(labels, minlength=2)
    if np.any(counts == 0):
        raise ValueError(
            f"Expected both classes in the training split, got {counts[0]} normal and "
            f"{counts[1]} pneumonia: add images of the missing class."
        )
    weights = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels)
    return np.asarray(weights, np.float32)


def _epoch_order(labels: np.ndarray, balance: str, seed: int) -> tf.data.Dataset:
    """Return record indices in a new random order for every epoch.

    With oversampling both classes come equally often, in as many records as the larger
    class has twice: the larger one is shown once, the smaller one is repeated.
    """

    def shuffled(indices: np.ndarray) -> tf.data.Dataset:
        # The index is shuffled, not the images: a full, exact shuffle for 8 bytes a record.
        return tf.data.Dataset.from_tensor_slices(indices).shuffle(
            len(indices), seed=seed, reshuffle_each_iteration=True
        )

    if balance != "oversampling":
        return shuffled(np.arange(len(labels)))
    both = [np.flatnonzero(labels == label) for label in (0, 1)]
    num_each = max(len(indices) for indices in both)
    drawn = [shuffled(indices).repeat().take(num_each) for indices in both]
    # Alternating: every batch is balanced, and of random members of each class.
    return tf.data.Dataset.zip(tuple(drawn)).map(lambda *pair: tf.stack(pair)).unbatch()


def evaluation_batches(data: SplitData, batch_size: int, normalisation: str) -> tf.data.Dataset:
    """Batch a split in its own order, unchanged: images and labels."""
    labels = data.labels.astype(np.float32)[:, np.newaxis]
    return (
        tf.data.Dataset.from_tensor_slices((data.images, labels))
        .batch(batch_size)
        .map(lambda images, truth: (to_network_input(images, normalisation), truth))
        .prefetch(tf.data.AUTOTUNE)
    )
