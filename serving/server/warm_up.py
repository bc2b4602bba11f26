"""Load a version and let it answer before a client asks."""

from __future__ import annotations

import logging
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError

from contract import features
from models.warmup import read_warm_up
from serving.server.rest.errors import ServingError
from serving.server.rest.tensors import Arrays
from serving.server.saved_model import SavedModel

log = logging.getLogger(__name__)


def load_and_warm_up(directory: Path, version: int) -> SavedModel:
    """Load a version and let it answer its warm-up requests.

    The first run of a graph is slower than all others, and a model that cannot answer is better
    found before a client asks. A version without warm-up requests is served; one whose requests
    cannot be read or answered is not, as in TensorFlow Serving
    (servables/tensorflow/saved_model_warmup_util.cc).

    Raises:
        OSError: The folder holds no readable SavedModel.
        ValueError: The model is not one for serving, or cannot answer.
    """
    model = SavedModel(directory, version)
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
            raise ValueError(f"{key} does not have the shape that the signature declares")
    model.run(name, arrays)
