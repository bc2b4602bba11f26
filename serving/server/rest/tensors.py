"""Tensors as a signature declares them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
Arrays = dict[str, Array]


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """One input or output.

    Attributes:
        type_name: TensorFlow's name without "DT_", in lower case: "string", "float", ...
        shape: -1 where a dimension is open; None where the rank is.
    """

    type_name: str
    shape: tuple[int, ...] | None

    @property
    def is_batched(self) -> bool:
        """Whether the first dimension is open, as that of rows is."""
        return bool(self.shape) and self.shape is not None and self.shape[0] == -1

    def admits(self, shape: tuple[int, ...]) -> bool:
        """Return whether a tensor of `shape` can be this one."""
        if self.shape is None:
            return True
        return len(shape) == len(self.shape) and all(
            expected in (-1, got) for expected, got in zip(self.shape, shape, strict=True)
        )


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function of a model.

    Attributes:
        name: Its key.
        method_name: What TF Serving lets it be called by.
        inputs: By their names.
        outputs: By their names.
    """

    name: str
    method_name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]

    @property
    def is_batchable(self) -> bool:
        """Whether rows of several requests may be answered together, by the declared shapes."""
        specs = [*self.inputs.values(), *self.outputs.values()]
        return bool(self.inputs) and all(spec.is_batched for spec in specs)
