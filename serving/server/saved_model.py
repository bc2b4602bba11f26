"""One version of a model, loaded from its folder as TensorFlow Serving loads it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import types_pb2

from models.session_model import SessionModel
from models.warmup import has_warm_up, replay_warm_up
from serving.server.rest.errors import ServingError, invalid_argument, timed_out
from serving.server.rest.tensors import Arrays, Signature, TensorSpec

_NUM_NAMED = 3  # variables in an error

log = logging.getLogger(__name__)


class SavedModel:
    """A SavedModel in memory.

    Args:
        directory: Folder with `saved_model.pb`.
        version: Its number.

    Attributes:
        version: As given.
        signature_def: The signatures as the file has them: name -> `SignatureDef`.
        signatures: The same, as requests are checked against them.

    Raises:
        OSError: The folder holds no readable SavedModel.
        RuntimeError: It holds no graph that is meant for serving.
        tf.errors.OpError: Its variables cannot be restored.
        ValueError: A signature reads variables that are not restored: TensorFlow Serving could
            not serve it either.
    """

    def __init__(self, directory: Path, version: int) -> None:
        self.version = version
        self._loaded = SessionModel(directory)
        self.signature_def: dict[str, Any] = self._loaded.signatures
        self.signatures = {
            name: _signature(name, definition) for name, definition in self.signature_def.items()
        }
        for name, missing in self._loaded.unrestored().items():
            raise ValueError(
                f"expected values of all variables that {name} reads, got none of "
                f"{len(missing)}, e.g. {', '.join(missing[:_NUM_NAMED])}: export the model "
                "again with this version of the project"
            )

    def warm_up(self, directory: Path) -> None:
        """Answer the warm-up requests that the version brings along.

        The first run of a graph is slower than all others, and a model that cannot answer is better
        found before a client asks.

        Args:
            directory: Folder of the version.

        Raises:
            ValueError: A request cannot be read or answered.
        """
        if not has_warm_up(directory):
            log.warning(
                "version %d has no warm-up requests: first requests are slower", self.version
            )
        elif failures := replay_warm_up(self._loaded, directory):
            raise ValueError(f"the warm-up fails: {failures[0]}; export the model again")

    def run(self, signature: str, arrays: Arrays) -> Arrays:
        """Run a signature; threads may do so at the same time.

        Args:
            signature: The signature's name.
            arrays: Its inputs by name, of the declared types and shapes.

        Raises:
            ServingError: The model cannot compute them. The message names the kind of error
                only: TensorFlow's own repeats bytes of images.
        """
        try:
            return self._loaded.run(signature, arrays)
        except tf.errors.OpError as error:
            raise _translated(error) from error


def load_and_warm_up(directory: Path, version: int) -> SavedModel:
    """Load a version as TensorFlow Serving does: without a warm-up file, but not with a bad one.

    Raises:
        OSError: The folder holds no readable SavedModel.
        ValueError: The model is not one for serving, or cannot answer its warm-up requests.
    """
    model = SavedModel(directory, version)
    model.warm_up(directory)
    return model


def _translated(error: Any) -> ServingError:
    kind = type(error).__name__
    if isinstance(error, tf.errors.InvalidArgumentError | tf.errors.OutOfRangeError):
        return invalid_argument(f"the model cannot read this input ({kind})")
    if isinstance(error, tf.errors.DeadlineExceededError):
        return timed_out("the model took too long")
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return ServingError(429, "the model has not enough memory for this input", 1)
    return ServingError(500, f"the model failed ({kind})")


def _signature(name: str, definition: Any) -> Signature:
    return Signature(
        name=name,
        method_name=definition.method_name,
        inputs={key: _spec(info) for key, info in sorted(definition.inputs.items())},
        outputs={key: _spec(info) for key, info in sorted(definition.outputs.items())},
    )


def _spec(info: Any) -> TensorSpec:
    shape = info.tensor_shape
    return TensorSpec(
        type_name=types_pb2.DataType.Name(info.dtype).removeprefix("DT_").lower(),
        shape=None if shape.unknown_rank else tuple(int(dim.size) for dim in shape.dim),
    )
