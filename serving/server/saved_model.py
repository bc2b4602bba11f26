"""One version of a model, loaded from its folder as TensorFlow Serving loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import types_pb2

from models.session_model import SessionModel
from serving.server.rest.errors import ServingError, invalid_argument, timed_out
from serving.server.rest.tensors import Arrays, Signature, TensorSpec

_NUM_NAMED = 3  # variables in an error


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
        for name in self.signatures:
            if missing := self._loaded.unrestored_variables(name):
                raise ValueError(
                    f"expected values of all variables that {name} reads, got none of "
                    f"{len(missing)}, e.g. {', '.join(missing[:_NUM_NAMED])}: export the model "
                    "again with this version of the project"
                )

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
