"""Load a version and let it answer before a client asks."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from PIL import Image

from components.ingestion.tf_example import encode_example
from models import features
from models.warmup import read_warm_up
from serving.model.saved_model import SavedModel
from serving.rest.errors import ServingError
from serving.rest.tensors import Arrays

_SIDE_PX = 256

log = logging.getLogger(__name__)


def load_and_warm_up(directory: Path, version: int) -> SavedModel:
    """Load a version, run its signatures on a drawn image, and replay its warm-up requests.

    The first run of a graph is slower than all others, and a model that cannot answer for a
    plain picture is better found now. Warm-up requests only save time: what is wrong with them
    is told in the log, and the version is served.

    Raises:
        OSError: The folder holds no readable SavedModel.
        ValueError: The model is none for serving, or cannot answer.
    """
    model = SavedModel(directory, version)
    _check_answers(model)
    try:
        replay_warm_up(model, directory)
    except (tf.errors.OpError, DecodeError) as error:
        # TensorFlow's own text may repeat a record.
        log.warning(
            "version %d has no warm-up requests that can be read (%s): first requests are slower",
            version,
            type(error).__name__,
        )
    return model


def replay_warm_up(model: SavedModel, directory: Path) -> int:
    """Run the requests that the version brings along, as TF Serving does.

    Args:
        model: The version.
        directory: Its folder.

    Returns:
        How many requests were answered. One that the model cannot answer is told in the log.

    Raises:
        tf.errors.OpError: The file is missing, or no TFRecord.
        google.protobuf.message.DecodeError: It holds something else than requests.
    """
    num_answered = 0
    for request in read_warm_up(directory):
        name = request.model_spec.signature_name or features.SERVING_SIGNATURE
        try:
            _answer(
                model, name, {key: tf.make_ndarray(request.inputs[key]) for key in request.inputs}
            )
        except (ServingError, TypeError, ValueError) as error:
            log.warning(
                "version %d cannot answer a warm-up request of %s: %s", model.version, name, error
            )
        else:
            num_answered += 1
    return num_answered


def _answer(model: SavedModel, name: str, arrays: Arrays) -> None:
    """Run one request.

    Raises:
        ServingError: The model cannot compute it.
        ValueError: It does not fit the model's signatures.
    """
    signature = model.signatures.get(name)
    if signature is None or set(signature.inputs) != set(arrays):
        raise ValueError("the model has no such signature with these inputs")
    for key, array in arrays.items():
        if not signature.inputs[key].admits(array.shape):
            raise ValueError(f"{key} has not the shape of the signature's")
    model.run(name, arrays)


def _check_answers(model: SavedModel) -> None:
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


def _drawn_image() -> bytes:
    ramp = np.tile(np.arange(_SIDE_PX, dtype=np.uint8), (_SIDE_PX, 1))
    buffer = io.BytesIO()
    Image.fromarray(ramp).save(buffer, "PNG")
    return buffer.getvalue()
