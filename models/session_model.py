"""A SavedModel, loaded and run as TensorFlow Serving does it: in a C++ session.

TF Serving calls `LoadSavedModel` of TensorFlow's `cc/saved_model/loader.cc`
(`servables/tensorflow/saved_model_bundle_factory.cc`): it restores variables by the graph's own
restore operation and runs signatures by the names of their tensors. `tf.saved_model.load` rebuilds
Python objects and restores those, so it answers for exports that TF Serving cannot serve:
https://github.com/tensorflow/serving/issues/2226.
`tf.compat.v1.saved_model.load` into a `tf.compat.v1.Session` runs the same restore operation in the
same kind of session.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from contract.plain_path import plain_path

_SERVE_TAG = "serve"
_INIT_SIGNATURE = "__saved_model_init_op"  # an operation, not something to ask


class SessionModel:
    """A SavedModel in a session; threads may ask it at the same time.

    Args:
        directory: Folder with `saved_model.pb`.

    Attributes:
        signatures: Name -> `SignatureDef`, in the order of the names.

    Raises:
        OSError: The folder holds no readable SavedModel.
        RuntimeError: It holds no graph with the tag `serve`.
        tf.errors.OpError: Its variables or tables cannot be restored.
    """

    def __init__(self, directory: Path) -> None:
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        logger = logging.getLogger("tensorflow")
        level = logger.level
        # It warns that the loader is TensorFlow 1's, which is why it is used here.
        logger.setLevel(logging.ERROR)
        try:
            with graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(
                    self._session, [_SERVE_TAG], str(plain_path(directory))
                )
        except BaseException:
            self._session.close()
            raise
        finally:
            logger.setLevel(level)
        self.signatures = {
            name: meta_graph.signature_def[name]
            for name in sorted(meta_graph.signature_def)
            if name != _INIT_SIGNATURE
        }
        self._callables = {
            name: self._callable(definition) for name, definition in self.signatures.items()
        }

    def run(self, signature: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Ask a signature.

        Args:
            signature: One of `signatures`.
            arrays: Its inputs by name, as arrays or nested lists.

        Returns:
            Its outputs by name, as NumPy arrays; strings are arrays of objects that hold bytes.

        Raises:
            KeyError: There is no such signature, or an input is missing.
            tf.errors.OpError: The graph cannot compute it.
        """
        definition = self.signatures[signature]
        fed = [
            np.asarray(arrays[name], tf.dtypes.as_dtype(info.dtype).as_numpy_dtype)
            for name, info in sorted(definition.inputs.items())
        ]
        values = self._callables[signature](*fed)
        return dict(zip(sorted(definition.outputs), map(_as_array, values), strict=True))

    def unrestored(self) -> dict[str, list[str]]:
        """Return the names of the variables that a signature reads and that hold no value.

        By the names of the signatures that read any: TensorFlow Serving cannot answer by these.
        """
        handles = {name: self._handles(name) for name in self.signatures}
        # Asked together: each addition to the graph has the session prepare it anew.
        empty = self._empty(set().union(*handles.values()))
        found = {
            signature: [name for handle, name in empty.items() if handle in read]
            for signature, read in handles.items()
        }
        return {signature: missing for signature, missing in found.items() if missing}

    def _handles(self, signature: str) -> set[Any]:
        graph = self._session.graph
        outputs = self.signatures[signature].outputs.values()
        return _variable_handles(graph.as_graph_element(info.name).op for info in outputs)

    def _empty(self, handles: Iterable[Any]) -> dict[Any, str]:
        """Return the names of the variables that hold no value, by their handles."""
        in_order = sorted(handles, key=lambda operation: str(operation.name))
        with self._session.graph.as_default():
            checks = [tf.raw_ops.VarIsInitializedOp(resource=each.outputs[0]) for each in in_order]
        restored = self._session.run(checks)
        return {
            handle: str(handle.get_attr("shared_name").decode() or handle.name)
            for handle, is_restored in zip(in_order, restored, strict=True)
            if not is_restored
        }

    def close(self) -> None:
        """Release what the model holds; it cannot be used afterwards."""
        self._session.close()

    def _callable(self, definition: Any) -> Any:
        """Return the function from the values of the inputs to those of the outputs.

        Both in the order of their names.
        """
        feeds = [info.name for _, info in sorted(definition.inputs.items())]
        fetches = [info.name for _, info in sorted(definition.outputs.items())]
        return self._session.make_callable(fetches, feed_list=feeds)


def _variable_handles(operations: Iterable[Any]) -> set[Any]:
    """Return the `VarHandleOp`s that operations depend on."""
    waiting, seen = list(operations), set()
    while waiting:
        operation = waiting.pop()
        if operation not in seen:
            seen.add(operation)
            waiting += [tensor.op for tensor in operation.inputs]
            waiting += list(operation.control_inputs)
    return {operation for operation in seen if operation.type == "VarHandleOp"}


def _as_array(value: Any) -> Any:
    if isinstance(value, bytes):  # a string of rank 0
        boxed = np.empty((), dtype=object)
        boxed[()] = value
        return boxed
    return np.asarray(value)
