"""Digests that show whether two models come from the same data and have the same weights."""

from __future__ import annotations

import hashlib

import numpy as np

from models.input_data import SplitData
from models.predictor import EnsemblePredictor, Predictor


def split_digest(data: SplitData) -> str:
    """Return a digest of all that training and judging read of a split.

    Neither the order of records nor how they are cut into files counts: Beam gives both anew.

    Args:
        data: The whole split, as `load_split` reads it.

    Returns:
        SHA-256 in hexadecimal digits, of the sorted digests of the records.
    """
    columns = (
        data.labels,
        data.subtypes,
        data.size_groups,
        data.sharpness_groups,
        data.patient_ids,
        data.image_ids,
    )
    records = sorted(
        hashlib.sha256(
            "\0".join(map(str, (*image.shape, *described))).encode() + b"\0" + image.tobytes()
        ).digest()
        for image, *described in zip(data.images, *columns, strict=True)
    )
    return hashlib.sha256(b"".join(records)).hexdigest()


def weights_digest(predictor: Predictor | EnsemblePredictor) -> str:
    """Return a digest of the weights of all networks of a model.

    Returns:
        SHA-256 in hexadecimal digits, over members, and weights within them, in their order.
    """
    members = predictor.members if isinstance(predictor, EnsemblePredictor) else [predictor]
    digest = hashlib.sha256()
    for member in members:
        for weight in member.network.get_weights():
            array = np.ascontiguousarray(weight)
            digest.update(f"{array.dtype} {array.shape}\n".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()
