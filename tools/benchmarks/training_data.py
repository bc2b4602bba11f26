"""Decoded images for the training benchmarks, as the Trainer and as bare Keras take them."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from contract import features
from contract.settings import TransformSettings
from ingestion.records import Source
from models.input_data import SplitData
from models.preprocessing import decode_and_resize


def load_split(source: Source, settings: TransformSettings) -> SplitData:
    """Decode a source's JPEG and PNG files as Transform does."""
    decode = tf.function(
        lambda data: decode_and_resize(data, settings),
        input_signature=[tf.TensorSpec([], tf.string)],
        autograph=False,
    )
    return SplitData(
        images=np.stack([decode(image.path.read_bytes()).numpy() for image in source.images]),
        labels=np.array([image.label for image in source.images], np.int64),
        subtypes=[image.subtype for image in source.images],
        size_groups=[features.SIZE_GROUPS[0]] * len(source.images),
        sharpness_groups=[features.SHARPNESS_GROUPS[0]] * len(source.images),
        patient_ids=[image.patient_id for image in source.images],
        image_ids=[image.image_id for image in source.images],
    )


def hold_out(everything: SplitData, num_validation: int) -> tuple[SplitData, SplitData]:
    """Return training and about `num_validation` validation images."""
    # Every so many: sources list one class after the other.
    held_out = np.zeros(len(everything.labels), bool)
    held_out[:: max(2, len(held_out) // num_validation)] = True
    return take(everything, ~held_out), take(everything, held_out)


def take(data: SplitData, chosen: np.ndarray) -> SplitData:
    """Return the records where `chosen`, bool [n], is true."""
    indices = np.flatnonzero(chosen)
    texts = {
        field.name: [getattr(data, field.name)[index] for index in indices]
        for field in dataclasses.fields(SplitData)
        if field.name not in ("images", "labels")
    }
    return SplitData(images=data.images[indices], labels=data.labels[indices], **texts)


def as_floats(data: SplitData) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 [n, s, s, 3] in [0, 1] and float32 [n, 1], all in memory."""
    images = np.repeat(data.images.astype(np.float32) / 255.0, 3, axis=-1)
    return images, data.labels.astype(np.float32)[:, np.newaxis]
