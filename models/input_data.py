"""Transformed records as `tf.data` pipelines."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from contract import features
from contract.settings import CandidateSettings, TrainingSettings
from models.augmentation import add_bands, mix_pairs, move, vary_photometry
from models.network_input import crop_and_resize, to_network_input
from models.preprocessing import decode_transformed

IMAGE_SPEC = {
    features.TRANSFORMED_IMAGE: tf.io.FixedLenFeature([], tf.string),
    features.TRANSFORMED_LABEL: tf.io.FixedLenFeature([], tf.int64),
}
_FEATURE_SPEC = {
    **IMAGE_SPEC,
    **{name: tf.io.FixedLenFeature([], tf.string) for name in features.TRANSFORMED_TEXTS},
}

CHUNK_IMAGES = 256  # that are read, judged or hashed at a time

# For functions that TensorFlow maps. None has a branch or a loop of Python's over tensors, and
# AutoGraph takes seconds to find that out of each.
as_written = tf.autograph.experimental.do_not_convert


def untuned(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Keep TensorFlow from searching, for as long as batches are read, how to read them faster.

    Calls run in parallel, and batches are fetched ahead, with it and without. But its search sleeps
    longer each time, and who lets go of the batches waits until it wakes up: for up to five seconds
    at the end of a fit, and for one after each epoch's validation.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


class Shard(NamedTuple):
    """Which records a process takes where several replicas train together.

    Each process takes every `num_processes`-th. They are dealt after the shuffle, so that the
    processes' batches of a step are together the batch that one process would have taken.

    Attributes:
        num_processes: How many train together.
        process: Which of them this is, from 0.
        step_records: Records of a step, of all replicas. There are whole steps only: a replica
            that is left without records has an undefined mean loss, and its gradients end
            the process. 0 where there is one replica: its last step may be smaller.
    """

    num_processes: int = 1
    process: int = 0
    step_records: int = 0


WHOLE = Shard()


@dataclasses.dataclass(frozen=True)
class Columns:
    """What Transform's records say of each image of a split, beside its pixels.

    Attributes:
        labels: int64 [n], 0 or 1.
        subtypes: [n] names of `features.SUBTYPES`.
        size_groups: [n] names of `features.SIZE_GROUPS`.
        sharpness_groups: [n] names of `features.SHARPNESS_GROUPS`.
        patient_ids: [n]; a patient can have several images.
        image_ids: [n]; where each image came from, relative to the source.
    """

    labels: np.ndarray
    subtypes: list[str]
    size_groups: list[str]
    sharpness_groups: list[str]
    patient_ids: list[str]
    image_ids: list[str]


_COLUMNS = tuple(field.name for field in dataclasses.fields(Columns))
_TEXT_COLUMNS = _COLUMNS[1:]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitFacts(Columns):
    """What is known of each image of a split, when its pixels have been looked at.

    Attributes:
        mean_greys: float64 [n], in [0, 255].
    """

    mean_greys: np.ndarray


class Split(Protocol):
    """One split, in memory (`SplitData`) or on disk (`models.streamed_split.StreamedSplit`)."""

    @property
    def class_counts(self) -> tuple[int, int]:
        """Number of normal images, and of those with pneumonia."""
        ...

    @property
    def facts(self) -> SplitFacts:
        """What is known of the images, in the records' order."""
        ...

    def chunks(self) -> Iterator[SplitData]:
        """Yield the records in their order, at most `CHUNK_IMAGES` at a time."""
        ...

    def sample_chunks(self) -> Iterator[SplitData]:
        """Yield as many records as statistics of the pixels' features need."""
        ...

    def view(self, candidate: CandidateSettings) -> Split:
        """Return the split as the candidate's network sees it: cropped, and of its size."""
        ...

    def epoch_batches(
        self, batch_size: int, seed: int, training: TrainingSettings, shard: Shard = WHOLE
    ) -> tf.data.Dataset:
        """Return batches in a new order for every epoch: uint8 [b, s, s, 1] and float32 [b, 1]."""
        ...

    def ordered_batches(self, batch_size: int, shard: Shard = WHOLE) -> tf.data.Dataset:
        """Return batches in the records' order: uint8 [b, s, s, 1] and float32 [b, 1]."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitData(Columns):
    """One split, or a part of one, in memory, at a byte a pixel.

    Attributes:
        images: uint8 [n, image_size_px, image_size_px, 1].
    """

    images: np.ndarray

    @property
    def class_counts(self) -> tuple[int, int]:
        """Number of normal images, and of those with pneumonia."""
        normal, pneumonia = np.bincount(self.labels, minlength=2).tolist()
        return normal, pneumonia

    @cached_property
    def facts(self) -> SplitFacts:
        """What is known of the images."""
        return SplitFacts(
            **{name: getattr(self, name) for name in _COLUMNS},
            mean_greys=mean_greys(self.images),
        )

    def chunks(self) -> Iterator[SplitData]:
        """Yield the records in their order, `CHUNK_IMAGES` at a time; nothing is copied."""
        for start in range(0, len(self.labels), CHUNK_IMAGES):
            part = slice(start, start + CHUNK_IMAGES)
            columns = (getattr(self, name)[part] for name in _COLUMNS)
            yield SplitData(*columns, images=self.images[part])

    def sample_chunks(self) -> Iterator[SplitData]:
        """Yield all records: they are in memory anyway."""
        return self.chunks()

    def view(self, candidate: CandidateSettings) -> SplitData:
        """Return the split as the candidate's network sees it; itself where that is the same."""
        if is_whole(candidate, self.images.shape[1]):
            return self
        batches = [
            crop_and_resize(tf.constant(chunk.images), candidate).numpy() for chunk in self.chunks()
        ]
        return dataclasses.replace(self, images=np.concatenate(batches))

    def epoch_batches(
        self, batch_size: int, seed: int, training: TrainingSettings, shard: Shard = WHOLE
    ) -> tf.data.Dataset:
        """Return batches in a new order for every epoch; see `Split`."""
        with tf.device("CPU:0"):  # where batches are made, also if there is a GPU
            images = tf.constant(self.images)
            labels = tf.constant(self.labels.astype(np.float32)[:, np.newaxis])
        return (
            dealt(_epoch_order(self.labels, training, seed), shard)
            .batch(batch_size)
            .map(
                as_written(
                    lambda indices: (tf.gather(images, indices), tf.gather(labels, indices))
                ),
                num_parallel_calls=tf.data.AUTOTUNE,
            )
        )

    def ordered_batches(self, batch_size: int, shard: Shard = WHOLE) -> tf.data.Dataset:
        """Return batches in the records' order; see `Split`."""
        labels = self.labels.astype(np.float32)[:, np.newaxis]
        records = tf.data.Dataset.from_tensor_slices((self.images, labels))
        return dealt(records, shard, is_repeated=True).batch(batch_size)


def join_facts(parts: Sequence[SplitFacts]) -> SplitFacts:
    """Return the facts of several parts of a split, one after the other."""
    return SplitFacts(
        labels=np.concatenate([part.labels for part in parts]),
        mean_greys=np.concatenate([part.mean_greys for part in parts]),
        **{
            name: list(itertools.chain.from_iterable(getattr(part, name) for part in parts))
            for name in _TEXT_COLUMNS
        },
    )


def mean_greys(images: np.ndarray) -> np.ndarray:
    """Return the mean grey level of each image, float64 [n], of uint8 [n, side, side, 1]."""
    return np.asarray(images.mean(axis=(1, 2, 3), dtype=np.float64))


def is_whole(candidate: CandidateSettings, image_size_px: int) -> bool:
    """Return whether a candidate's network sees images as Transform leaves them."""
    kept_px = max(1, round(image_size_px * candidate.crop_fraction))
    return kept_px == image_size_px == (candidate.image_size_px or image_size_px)


def load_split(
    file_patterns: Sequence[str], image_size_px: int, num_images: int | None = None
) -> SplitData:
    """Read all transformed records of a split.

    Args:
        file_patterns: Globs of TFRecord files, as TFX hands them to `run_fn`.
        image_size_px: The side that Transform was set to.
        num_images: How many there are; None counts them, which reads all records once more.

    Returns:
        The split; records in the order of the sorted file names.

    Raises:
        ValueError: When no record matches, or there are not `num_images` of them.
    """
    files = find_files(file_patterns)
    # Known first, and put where they stay: what is joined at the end is there twice.
    if num_images is None:
        num_images = sum(count_classes(files))
    if not files or num_images == 0:
        raise ValueError(
            f"Expected transformed records under {list(file_patterns)}, got none: "
            "the split is empty."
        )
    images = np.empty((num_images, image_size_px, image_size_px, 1), np.uint8)
    labels = np.empty(num_images, np.int64)
    texts: list[list[str]] = [[] for _ in _TEXT_COLUMNS]
    start = 0
    for chunk in read_chunks(files, image_size_px):
        end = start + len(chunk.labels)
        if end <= num_images:
            images[start:end], labels[start:end] = chunk.images, chunk.labels
            for column, name in zip(texts, _TEXT_COLUMNS, strict=True):
                column += getattr(chunk, name)
        start = end
    if start != num_images:
        raise ValueError(
            f"Expected {num_images} transformed records under {list(file_patterns)}, got {start}: "
            "the statistics are of other records; run StatisticsGen and Transform on the same ones."
        )
    return SplitData(labels, *texts, images=images)


def find_files(file_patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the files that globs match, sorted by their names."""
    return tuple(sorted(path for pattern in file_patterns for path in tf.io.gfile.glob(pattern)))


def compression(files: Sequence[str]) -> str:
    """Return how TFRecord files are compressed, in TensorFlow's words; they are all alike."""
    return "GZIP" if files and files[0].endswith(".gz") else ""


def count_classes(files: Sequence[str]) -> tuple[int, int]:
    """Count normal images, and those with pneumonia, of transformed records."""
    label = {features.TRANSFORMED_LABEL: IMAGE_SPEC[features.TRANSFORMED_LABEL]}
    batches = untuned(
        tf.data.TFRecordDataset(list(files), compression_type=compression(files))
        .batch(CHUNK_IMAGES)
        .map(as_written(lambda records: tf.io.parse_example(records, label)))
    )
    counts = np.zeros(2, np.int64)
    for parsed in batches.as_numpy_iterator():
        counts += np.bincount(parsed[features.TRANSFORMED_LABEL], minlength=2)
    return int(counts[0]), int(counts[1])


def read_chunks(files: Sequence[str], image_size_px: int) -> Iterator[SplitData]:
    """Yield transformed records, at most `CHUNK_IMAGES` at a time.

    Args:
        files: TFRecord files; their order is the records'.
        image_size_px: The side that Transform was set to.
    """

    @as_written
    def parse(records: tf.Tensor) -> tuple[tf.Tensor, ...]:
        parsed = tf.io.parse_example(records, _FEATURE_SPEC)
        return (
            decode_transformed(parsed[features.TRANSFORMED_IMAGE], image_size_px),
            parsed[features.TRANSFORMED_LABEL],
            *(parsed[name] for name in features.TRANSFORMED_TEXTS),
        )

    if not files:
        return
    batches = untuned(
        tf.data.TFRecordDataset(list(files), compression_type=compression(files))
        .batch(CHUNK_IMAGES)
        .map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    )
    for images, labels, *texts in batches.as_numpy_iterator():
        # In the order of `TRANSFORMED_TEXTS`. Names of files need not be UTF-8.
        columns = ([value.decode(errors="replace") for value in column] for column in texts)
        yield SplitData(labels, *columns, images=images)


def training_batches(
    data: Split, batch_size: int, seed: int, candidate: CandidateSettings, shard: Shard = WHOLE
) -> tf.data.Dataset:
    """Shuffle, batch and augment, anew in every epoch.

    Args:
        data: The training split, from `Split.view`.
        batch_size: Images per batch; the last batch of an epoch may be smaller.
        seed: The order and the augmentation follow from it.
        candidate: Gives augmentation, balance and normalisation.
        shard: Which records to take.

    Returns:
        A dataset of images, labels and weights: float32 [b, s, s, 3] in [0, 1], float32
        [b, 1] and float32 [b, 1]; one pass is an epoch.
    """
    settings = candidate.training.augmentation
    weigh = _weigher(data.class_counts, candidate.training.balance)
    own_seed = seed + shard.process  # several processes augment differently
    seeds = tf.data.Dataset.random(seed=own_seed, rerandomize_each_iteration=True).batch(2)
    order = data.epoch_batches(batch_size, seed, candidate.training, shard)

    @as_written
    def prepare(
        batch: tuple[tf.Tensor, tf.Tensor], batch_seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        images, truth = batch
        if settings.enabled:
            own_seeds = tf.unstack(tf.random.split(batch_seed, 4))
            # One channel is augmented, not three equal ones.
            pixels = vary_photometry(move(images, own_seeds[0], settings), own_seeds[1], settings)
            # Last, as by an export: bands are black whatever the exposure was.
            pixels = add_bands(pixels, own_seeds[3], settings.bands)
            inputs = to_network_input(pixels, candidate.normalisation, compiled=True)
            inputs, truth = mix_pairs(inputs, truth, own_seeds[2], settings.mixup_alpha)
        else:
            inputs = to_network_input(images, candidate.normalisation)
        return inputs, truth, weigh(truth)

    return untuned(
        tf.data.Dataset.zip((order, seeds))
        .map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )


def feature_batches(
    backbone_features: np.ndarray,
    labels: np.ndarray,
    batch_size: int,
    seed: int,
    training: TrainingSettings,
) -> tf.data.Dataset:
    """Shuffle and batch what a frozen backbone saw; elements as in `training_batches`.

    Args:
        backbone_features: float32 [n, d], in the place of images.
        labels: int64 [n].
        batch_size: Records per batch.
        seed: The order follows from it.
        training: Gives `balance` and `shuffle`.
    """
    inputs = tf.constant(backbone_features)
    truths = tf.constant(labels.astype(np.float32)[:, np.newaxis])
    normal, pneumonia = np.bincount(labels, minlength=2).tolist()
    weigh = _weigher((normal, pneumonia), training.balance)

    @as_written
    def gather(indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        truth = tf.gather(truths, indices)
        return tf.gather(inputs, indices), truth, weigh(truth)

    order = _epoch_order(labels, training, seed)
    return untuned(order.batch(batch_size).map(gather).prefetch(tf.data.AUTOTUNE))


def _weigher(class_counts: tuple[int, int], balance: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the function from labels, mixed ones too, to the weights of their records."""
    weights = class_weights(class_counts) if balance == "class_weights" else np.ones(2, np.float32)
    return lambda truth: weights[0] + truth * (weights[1] - weights[0])


def class_weights(class_counts: tuple[int, int]) -> np.ndarray:
    """Weigh the classes so that both count alike: n / (2 n_class), mean weight 1.

    The weights that scikit-learn's `compute_class_weight` calls balanced; it takes labels only.

    Args:
        class_counts: Number of normal images, and of those with pneumonia.

    Returns:
        float32 [2], the weight of each label.

    Raises:
        ValueError: One of the classes is missing.
    """
    check_both_classes(class_counts)
    return np.array([sum(class_counts) / (2 * count) for count in class_counts], np.float32)


def check_both_classes(class_counts: tuple[int, int]) -> None:
    """Refuse a training split without one of the classes.

    Raises:
        ValueError: One of the counts is 0.
    """
    if 0 in class_counts:
        raise ValueError(
            f"Expected both classes in the training split, got {class_counts[0]} normal and "
            f"{class_counts[1]} pneumonia: add images of the missing class."
        )


def _epoch_order(labels: np.ndarray, training: TrainingSettings, seed: int) -> tf.data.Dataset:
    """Return record indices in a new random order for every epoch.

    The index is shuffled, not the images: a full, exact shuffle for 8 bytes a record.
    """
    if training.balance != "oversampling":
        return shuffled(tf.data.Dataset.range(len(labels)), len(labels), training, seed)
    both = [np.flatnonzero(labels == label) for label in (0, 1)]
    check_both_classes((len(both[0]), len(both[1])))
    return alternate(
        [
            shuffled(tf.data.Dataset.from_tensor_slices(indices), len(indices), training, seed)
            for indices in both
        ],
        max(map(len, both)),
    )


def shuffled(
    records: tf.data.Dataset, buffer_size: int, training: TrainingSettings, seed: int
) -> tf.data.Dataset:
    """Shuffle records anew in every epoch, where the settings say so."""
    if not training.shuffle:
        return records
    return records.shuffle(buffer_size, seed=seed, reshuffle_each_iteration=True)


def alternate(classes: Sequence[tf.data.Dataset], num_each: int) -> tf.data.Dataset:
    """Oversample: take records of both classes in turn, so that they come equally often.

    The larger class is shown once, the smaller one is repeated. Every batch is balanced, and of
    random members of each class.

    Args:
        classes: The records of each class; none of them is empty.
        num_each: Number of records of the larger class.
    """
    drawn = [records.repeat().take(num_each) for records in classes]
    order = tf.data.Dataset.choose_from_datasets(
        drawn, tf.data.Dataset.range(len(drawn)).repeat(num_each)
    )
    # Keras takes the end of a data set of unknown length for an accident.
    return order.apply(tf.data.experimental.assert_cardinality(len(drawn) * num_each))


def dealt(records: tf.data.Dataset, shard: Shard, *, is_repeated: bool = False) -> tf.data.Dataset:
    """Return the records of one shard.

    Args:
        records: All of them, of known number.
        shard: Which.
        is_repeated: Fill the last step with the first records; else what fills no step is left
            out, which in a new order for every epoch is something else each time.
    """
    if shard.step_records == 0:
        return records
    steps = int(records.cardinality()) / shard.step_records
    num_steps = math.ceil(steps) if is_repeated else math.floor(steps)
    if num_steps == 0:
        raise ValueError(
            f"Expected at least the {shard.step_records} images of one step, got "
            f"{int(records.cardinality())}: lower training.batch_size, or train on fewer devices."
        )
    if is_repeated:
        records = records.repeat()
    return records.take(num_steps * shard.step_records).shard(shard.num_processes, shard.process)


def evaluation_batches(
    data: Split, batch_size: int, normalisation: str, shard: Shard = WHOLE
) -> tf.data.Dataset:
    """Batch a split in its own order, unchanged: images and labels."""
    return untuned(
        data.ordered_batches(batch_size, shard)
        .map(as_written(lambda images, truth: (to_network_input(images, normalisation), truth)))
        .prefetch(tf.data.AUTOTUNE)
    )


def endless(batches: tf.data.Dataset) -> tuple[tf.data.Dataset, int]:
    """Repeat the batches of an epoch, and count those of one.

    Keras then goes on with one iterator; to set a new one up took 0.2 s of every epoch.
    """
    return batches.repeat().prefetch(tf.data.AUTOTUNE), int(batches.cardinality())
