"""A split that stays on disk: its records are read again whenever they are needed.

What is held in memory does not grow with the number of images: a chunk of records, the shuffle
buffer, and what `tf.data` reads ahead. The facts of a split, without images, are some 400 bytes
for each, and asked for of the validation split alone.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import tensorflow as tf

from contract import features
from contract.settings import CandidateSettings, TrainingSettings
from models.input_data import (
    IMAGE_SPEC,
    WHOLE,
    Shard,
    SplitData,
    SplitFacts,
    alternate,
    as_written,
    check_both_classes,
    compression,
    count_classes,
    dealt,
    find_files,
    is_whole,
    join_facts,
    read_chunks,
    shuffled,
    untuned,
)
from models.network_input import crop_and_resize
from models.preprocessing import decode_transformed

# What is read at a time is held beside the buffer: 16 files side by side, and 256 images at a time,
# took 107 MB more than this, at 128 px.
_MAX_INTERLEAVED_FILES = 8
_PARSED_IMAGES = 64  # at a time
# Of the training images, where only some are looked at. They are ordered by a hash of their pixels,
# so that the first ones are a random sample.
_SAMPLE_CHUNKS = 40


@dataclasses.dataclass(frozen=True)
class StreamedSplit:
    """Transformed records of a split, read when they are needed; see `models.input_data.Split`.

    Attributes:
        files: TFRecord files; their order is the records'.
        image_size_px: The side that Transform was set to.
        class_counts: Number of normal images, and of those with pneumonia.
        cache_folder: Where images are kept unpacked for the epochs of training; None reads
            the files again in every epoch.
        candidate: Whose view of the images this is; None for images as Transform left them.
    """

    files: tuple[str, ...]
    image_size_px: int
    class_counts: tuple[int, int]
    cache_folder: Path | None = None
    candidate: CandidateSettings | None = None

    @cached_property
    def facts(self) -> SplitFacts:
        """What is known of the images; all of the split is read once."""
        return join_facts([chunk.facts for chunk in self.chunks()])

    def chunks(self) -> Iterator[SplitData]:
        """Yield the records in their order, at most `CHUNK_IMAGES` at a time."""
        chunks = read_chunks(self.files, self.image_size_px)
        return chunks if self.candidate is None else (each.view(self.candidate) for each in chunks)

    def sample_chunks(self) -> Iterator[SplitData]:
        """Yield the first 10,240 records, or as many as there are."""
        return itertools.islice(self.chunks(), _SAMPLE_CHUNKS)

    def view(self, candidate: CandidateSettings) -> StreamedSplit:
        """Return the split as the candidate's network sees it: cropped, and of its size."""
        if is_whole(candidate, self.image_size_px):
            return self
        return dataclasses.replace(self, candidate=candidate)

    def epoch_batches(
        self, batch_size: int, seed: int, training: TrainingSettings, shard: Shard = WHOLE
    ) -> tf.data.Dataset:
        """Return batches in a new order for every epoch: uint8 [b, s, s, 1] and float32 [b, 1].

        Records are drawn from a buffer of `training.shuffle_buffer_images`, or of half as many of
        each class where the smaller one is repeated. A split that fits comes in the order that
        `SplitData` gives it; of a larger one the files are interleaved.
        """
        total, buffer_size = sum(self.class_counts), training.shuffle_buffer_images
        records = self._images(is_interleaved=training.shuffle and total > buffer_size)
        if training.balance == "oversampling":
            check_both_classes(self.class_counts)
            classes = [
                shuffled(
                    _of_class(records, label, count), min(count, buffer_size // 2), training, seed
                )
                for label, count in enumerate(self.class_counts)
            ]
            order = alternate(classes, max(self.class_counts))
        else:
            order = shuffled(self._counted(records), min(total, buffer_size), training, seed)
        return dealt(order, shard).batch(batch_size)

    def ordered_batches(self, batch_size: int, shard: Shard = WHOLE) -> tf.data.Dataset:
        """Return batches in the records' order: uint8 [b, s, s, 1] and float32 [b, 1]."""
        records = self._counted(self._images(is_interleaved=False))
        return dealt(records, shard, is_repeated=True).batch(batch_size)

    def _counted(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Hold records to their number; Keras, too, wants to know it."""
        return records.apply(tf.data.experimental.assert_cardinality(sum(self.class_counts)))

    def _images(self, *, is_interleaved: bool) -> tf.data.Dataset:
        """Return the images one by one, uint8 [s, s, 1] and float32 [1]."""

        @as_written
        def parse(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            parsed = tf.io.parse_example(records, IMAGE_SPEC)
            images = decode_transformed(parsed[features.TRANSFORMED_IMAGE], self.image_size_px)
            if self.candidate is not None:
                images = crop_and_resize(images, self.candidate)
            labels = tf.cast(parsed[features.TRANSFORMED_LABEL], tf.float32)
            return images, labels[:, tf.newaxis]

        records = _records(self.files, is_interleaved=is_interleaved)
        # Whole chunks are parsed, and kept on disk: their number is what `Dataset.cache` remembers.
        chunks = records.batch(_PARSED_IMAGES).map(parse, num_parallel_calls=tf.data.AUTOTUNE)
        if self.cache_folder is not None:
            chunks = _cached(chunks, self.cache_folder / self._cache_name(is_interleaved))
        return chunks.unbatch()

    def _cache_name(self, is_interleaved: bool) -> str:
        """Return a name that follows from all that the cached images depend on."""
        view = self.candidate and (self.candidate.crop_fraction, self.candidate.image_size_px)
        described = repr((self.files, self.image_size_px, view, is_interleaved))
        return hashlib.sha256(described.encode()).hexdigest()[:16]


def open_stream(
    file_patterns: Sequence[str],
    image_size_px: int,
    class_counts: tuple[int, int] | None = None,
    cache_folder: Path | None = None,
) -> StreamedSplit:
    """Return a split that stays on disk.

    Args:
        file_patterns: Globs of TFRecord files, as TFX hands them to `run_fn`.
        image_size_px: The side that Transform was set to.
        class_counts: Number of normal images, and of those with pneumonia; None counts them, which
            reads all records.
        cache_folder: See `StreamedSplit`.

    Raises:
        ValueError: There are no records.
    """
    files = find_files(file_patterns)
    counts = count_classes(files) if class_counts is None else class_counts
    if not files or sum(counts) == 0:
        raise ValueError(
            f"Expected transformed records under {list(file_patterns)}, got none: "
            "the split is empty."
        )
    return StreamedSplit(files, image_size_px, counts, cache_folder)


def _records(files: Sequence[str], *, is_interleaved: bool) -> tf.data.Dataset:
    """Return serialized records, file by file or one of each file in turn; always the same."""
    if not is_interleaved:
        return tf.data.TFRecordDataset(list(files), compression_type=compression(files))
    return tf.data.Dataset.from_tensor_slices(list(files)).interleave(
        as_written(lambda file: tf.data.TFRecordDataset(file, compression_type=compression(files))),
        cycle_length=min(len(files), _MAX_INTERLEAVED_FILES),
    )


def _of_class(records: tf.data.Dataset, label: int, count: int) -> tf.data.Dataset:
    of_class = records.filter(as_written(lambda _, truth: tf.equal(truth[0], float(label))))
    return of_class.apply(tf.data.experimental.assert_cardinality(count))


def _cached(chunks: tf.data.Dataset, path: Path) -> tf.data.Dataset:
    """Return chunks that are read from a file; it is written here, where there is none.

    Not by the first epoch: one that is not read to its end leaves nothing, and two readers at
    once, as for oversampling, would both write.
    """
    cached = chunks.cache(str(path))
    if not path.with_name(f"{path.name}.index").exists():
        for _ in untuned(cached):
            pass
    return cached
