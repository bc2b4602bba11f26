"""Load a version and let it answer once, before a client asks."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from components.ingestion.tf_example import encode_example
from models import features
from serving.model.saved_model import SavedModel
from serving.rest.errors import ServingError

_SIDE_PX = 256


def load_and_warm_up(directory: Path, version: int) -> SavedModel:
    """Load a version and run its signatures on a drawn image.

    The first run of a graph is slower than all others, and a model that cannot answer for a
    plain picture is better found now.

    Raises:
        OSError: The folder holds no readable SavedModel.
        ValueError: The model is none for serving, or cannot answer.
    """
    model = SavedModel(directory, version)
    image = _drawn_image()
    examples = {
        features.SERVING_SIGNATURE: (features.IMAGE_BYTES, image),
        features.EXAMPLES_SIGNATURE: (
            features.EXAMPLES_INPUT,
            encode_example({features.IMAGE_BYTES: image}),
        ),
    }
    for signature, (name, value) in examples.items():
        if set(getattr(model.signatures.get(signature), "inputs", ())) != {name}:
            continue  # another kind of model: nothing is known that it could answer
        rows = np.empty(1, dtype=object)
        rows[0] = value
        try:
            model.run(signature, {name: rows})
        except ServingError as error:
            raise ValueError(f"{signature} cannot answer: {error.message}") from error
    return model


def _drawn_image() -> bytes:
    ramp = np.tile(np.arange(_SIDE_PX, dtype=np.uint8), (_SIDE_PX, 1))
    buffer = io.BytesIO()
    Image.fromarray(ramp).save(buffer, "PNG")
    return buffer.getvalue()
