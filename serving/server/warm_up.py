"""Load a version and let it answer before a client asks."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from PIL import Image

from contract import features
from ingestion.tfrecord_file import encode_example
from models.warmup import read_warm_up
from serving.server.rest.errors import ServingError
from serving.server.rest.tensors import Arrays
from serving.server.saved_model import SavedModel

_SIDE_PX = 256

log = logging.getLogger(__name__)


def load_and_warm_up(directory: Path, version: int) -> SavedModel:
    """Load a version, run its signatures on a drawn image, and replay its warm-up requests.

    The first run of a graph is slower than all others, and a model that cannot answer for a
    plain picture is better found now. A version without warm-up requests is served; one whose
    requests cannot be read or answered is not, as in TensorFlow Serving
    (servables/tensorflow/saved_model_warmup_util.cc).

    Raises:
        OSError: The folder holds no readable SavedModel.
        ValueError: The model is not one for serving, or cannot answer.
    """
    model = SavedModel(directory, version)
    _check_answers(model)
    replay_warm_up(model, directory)
    return model


def replay_warm_up(model: SavedModel, directory: Path) -> int:
    """Run the requests that the version brings along.

    Args:
        model: The version.
        directory: Its folder.

    Returns:
        The number of requests; 0 where there is no file, which is logged.

    Raises:
        ValueError: The file is damaged, or the model cannot answer a request.
    """
    num_answered = 0
    try:
        for request in read_warm_up(directory):
            name = request.model_spec.signature_name or features.SERVING_SIGNATURE
            arrays = {key: tf.make_ndarray(request.inputs[key]) for key in request.inputs}
            try:
                _answer(model, name, arrays)
            except (ServingError, TypeError, ValueError) as error:
                raise ValueError(
                    f"warm-up request {num_answered + 1}, of {name}, cannot be answered: {error}; "
                    "export the model again"
                ) from error
            num_answered += 1
    except tf.errors.NotFoundError:
        log.warning("version %d has no warm-up requests: first requests are slower", model.version)
    except (tf.errors.OpError, DecodeError) as error:
        # TensorFlow's own text may repeat a record.
        raise ValueError(
            f"the warm-up requests cannot be read ({type(error).__name__}); export the model again"
        ) from None
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
