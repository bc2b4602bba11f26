"""One version of a model, loaded from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from components.push_folder import SAVED_MODEL_FILE
from serving.rest.errors import ServingError, invalid_argument, timed_out
from serving.rest.tensors import Arrays, Signature, TensorSpec

_SERVE_TAG = "serve"


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
        ValueError: It holds no graph that is meant for serving.
    """

    def __init__(self, directory: Path, version: int) -> None:
        self.version = version
        self.signature_def = _read_signature_def(directory)
        self.signatures = {
            name: _signature(name, definition) for name, definition in self.signature_def.items()
        }
        self._loaded: Any = tf.saved_model.load(str(directory), tags=[_SERVE_TAG])

    def run(self, signature: str, arrays: Arrays) -> Arrays:
        """Run a signature; threads may do so at the same time.

        Args:
            signature: The signature's name.
            arrays: Its inputs by name, of the declared types and shapes.

        Raises:
            ServingError: The model cannot compute them. The message names the kind of error
                only: TensorFlow's own repeats bytes of images.
        """
        spec = self.signatures[signature]
        tensors = {
            name: tf.constant(array, dtype=_dtype(spec.inputs[name]))
            for name, array in arrays.items()
        }
        try:
            outputs = self._loaded.signatures[signature](**tensors)
        except tf.errors.OpError as error:
            raise _translated(error) from error
        return {name: _as_array(tensor) for name, tensor in outputs.items()}


def _as_array(tensor: Any) -> Any:
    value = tensor.numpy()
    if isinstance(value, bytes):  # a string of rank 0
        boxed = np.empty((), dtype=object)
        boxed[()] = value
        return boxed
    return np.asarray(value)


def _translated(error: Any) -> ServingError:
    kind = type(error).__name__
    if isinstance(error, tf.errors.InvalidArgumentError | tf.errors.OutOfRangeError):
        return invalid_argument(f"the model cannot read this input ({kind})")
    if isinstance(error, tf.errors.DeadlineExceededError):
        return timed_out("the model took too long")
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return ServingError(429, "the model has not enough memory for this input", 1)
    return ServingError(500, f"the model failed ({kind})")


def _read_signature_def(directory: Path) -> dict[str, Any]:
    message = saved_model_pb2.SavedModel.FromString((directory / SAVED_MODEL_FILE).read_bytes())
    for graph in message.meta_graphs:
        if _SERVE_TAG in graph.meta_info_def.tags:
            return {name: graph.signature_def[name] for name in sorted(graph.signature_def)}
    raise ValueError(f"expected a graph with the tag {_SERVE_TAG!r}, got none")


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


def _dtype(spec: TensorSpec) -> Any:
    return tf.dtypes.as_dtype(types_pb2.DataType.Value(f"DT_{spec.type_name.upper()}"))
