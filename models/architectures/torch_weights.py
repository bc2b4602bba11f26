"""Reading PyTorch's weight files with NumPy alone.

A file of `torch.save` is a pickle, and a pickle can call anything. The unpickler below knows
tensors and the dictionary around them; whatever else a file asks for is refused before it runs.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from contract.errors import InputError

# https://github.com/pytorch/pytorch/blob/main/torch/serialization.py, `_legacy_save`.
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001
_DTYPES: dict[str, np.dtype] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
_FAULTS = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,  # of NumPy and of names in a pickle
    TypeError,
    AttributeError,
    IndexError,
    KeyError,
)


@dataclasses.dataclass(frozen=True)
class _Tensor:
    """A tensor before its storage is read."""

    storage: str
    kind: str  # of the storage
    offset: int  # elements
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # elements


def read_torch_weights(path: Path) -> dict[str, np.ndarray]:
    """Read the tensors of a state dictionary that PyTorch saved before version 1.6.

    Args:
        path: A file of `torch.save(network.state_dict(), path)` in the format before zip files,
            little-endian, with float32 and int64 tensors.

    Returns:
        Tensors by their names, of the shapes and types that they were saved with.

    Raises:
        InputError: The file has another format, or holds anything but tensors.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        try:
            return _read(file)
        except _FAULTS as error:
            raise InputError(
                f"Expected {str(path)!r} to be a PyTorch state dictionary of float32 and int64 "
                f"tensors, saved before PyTorch 1.6, got another file: {error} Use the file of "
                "the package as it is, or save the weights with Keras."
            ) from error


def _read(file: BinaryIO) -> dict[str, np.ndarray]:
    magic_number, version, system = (_Unpickler(file).load() for _ in range(3))
    if magic_number != _MAGIC_NUMBER or version != _PROTOCOL_VERSION:
        raise ValueError("its first numbers are not PyTorch's.")
    if not system["little_endian"]:
        raise ValueError("it is big-endian.")
    unpickler = _Unpickler(file)
    tensors = unpickler.load()
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(tensor, _Tensor) for name, tensor in tensors.items()
    ):
        raise ValueError("it is not a dictionary of tensors.")
    storages = {}
    for key in _Unpickler(file).load():
        kind, expected = unpickler.storages[key]
        dtype = _DTYPES[kind]
        (num_elements,) = np.frombuffer(file.read(8), "<i8")
        if num_elements != expected:
            raise ValueError(f"a storage has {num_elements} elements in place of {expected}.")
        storages[key] = np.frombuffer(file.read(int(num_elements) * dtype.itemsize), dtype)
        if len(storages[key]) != num_elements:
            raise ValueError("it ends too early.")
    return {name: _view(tensor, storages[tensor.storage]) for name, tensor in tensors.items()}


def _view(tensor: _Tensor, storage: np.ndarray) -> np.ndarray:
    """Copy a tensor out of its storage, which must hold all of it."""
    if (
        not len(tensor.shape) == len(tensor.strides)
        or min((tensor.offset, *tensor.shape, *tensor.strides), default=0) < 0
    ):
        raise ValueError("a tensor has an impossible shape.")
    if math.prod(tensor.shape) > len(storage):
        raise ValueError("a tensor is larger than its storage.")
    reach = sum(
        (size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    if 0 not in tensor.shape and tensor.offset + reach >= len(storage):
        raise ValueError("a tensor reaches beyond its storage.")
    bytes_apart = [stride * storage.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(
        storage[tensor.offset :], tensor.shape, bytes_apart, writeable=False
    ).copy()


class _Unpickler(pickle.Unpickler):
    """Admits an ordered dictionary, tensors and their storages; nothing else is ever called."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, tuple[str, int]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            # Anew each time: a pickle may set attributes of what it is given.
            return lambda *arguments: _rebuild_tensor(*arguments)
        if module == "torch" and name in _DTYPES:
            return name
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not a tensor.")

    def persistent_load(self, identifier: Any) -> tuple[str, str]:
        what, kind, key, _location, num_elements, view = identifier
        if what != "storage" or view is not None or kind not in _DTYPES:
            raise pickle.UnpicklingError("it refers to something that is not a storage.")
        self.storages[key] = (kind, num_elements)
        return key, kind


def _rebuild_tensor(
    storage: tuple[str, str],
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *_: Any,
) -> _Tensor:
    """Stand in for `torch._utils._rebuild_tensor_v2`; gradients and hooks are left out."""
    return _Tensor(*storage, offset, tuple(shape), tuple(strides))
