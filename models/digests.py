"""Digests that show whether two models come from the same data and have the same weights."""

from __future__ import annotations

import hashlib

import numpy as np

from models.input_data import Split, SplitData
from models.predictor import EnsemblePredictor, Predictor


class SplitDigest:
    """A digest of all that training and judging read of a split, taken part by part.

    Neither the order of records nor how they are cut into files counts: Beam gives both anew.
    """

    def __init__(self) -> None:
        self._records = bytearray()  # 32 bytes each

    def add(self, part: SplitData) -> None:
        """Add a part's records, as Transform left them."""
        columns = (
            part.labels,
            part.subtypes,
            part.size_groups,
            part.sharpness_groups,
            part.patient_ids,
            part.image_ids,
        )
        for image, *described in zip(part.images, *columns, strict=True):
            text = "\0".join(map(str, (*image.shape, *described)))
            self._records += hashlib.sha256(text.encode() + b"\0" + image.tobytes()).digest()

    def hexdigest(self) -> str:
        """Return SHA-256 in hexadecimal digits, of the sorted digests of the records."""
        size = hashlib.sha256().digest_size
        records = np.frombuffer(self._records, dtype=f"S{size}")
        # Zeros at the end, which NumPy does not show, are compared and hashed all the same.
        return hashlib.sha256(np.sort(records).tobytes()).hexdigest()


def split_digest(data: Split) -> str:
    """Return the `SplitDigest` of a whole split, in hexadecimal digits."""
    digest = SplitDigest()
    for part in data.chunks():
        digest.add(part)
    return digest.hexdigest()


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
