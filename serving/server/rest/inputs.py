"""The tensors of a `:predict` request: its row form (`instances`) or column form (`inputs`)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from serving.server.rest.document import RepeatedKeys, describe, members
from serving.server.rest.errors import ServingError, invalid_argument
from serving.server.rest.tensors import Array, Arrays, Signature, TensorSpec
from serving.server.rest.values import as_array, dense_shape, flatten, is_base64

_ROWS = "instances"
_COLUMNS = "inputs"
_STATUS_NAMES = {400: "INVALID_ARGUMENT", 501: "UNIMPLEMENTED"}


@dataclasses.dataclass(frozen=True)
class PredictInputs:
    """The tensors of a request.

    Attributes:
        arrays: By the names of the signature's inputs.
        is_row_form: Whether the answer has rows, too.
    """

    arrays: Arrays
    is_row_form: bool


def read_inputs(
    document: dict[str, Any], signature: Signature, max_instances: int
) -> PredictInputs:
    """Read the tensors of a request.

    Raises:
        ServingError: They are not there, are more than allowed or do not fit the signature.
    """
    if _ROWS in document and _COLUMNS in document:
        raise invalid_argument(
            f"JSON Value: {describe(document)} Not formatted correctly expecting only one of "
            f"'{_COLUMNS}' or '{_ROWS}' keys to exist "
        )
    if _ROWS in document:
        rows = document[_ROWS]
        if not isinstance(rows, list):
            raise invalid_argument(
                f"JSON Value: {describe(document)} Expecting '{_ROWS}' to be an list/array"
            )
        if not rows:
            raise invalid_argument(f"JSON Value: {describe(document)} No values in '{_ROWS}' array")
        check_instances(len(rows), max_instances)
        arrays = _read_rows(rows, signature.inputs)
    elif _COLUMNS in document:
        arrays = _read_columns(document[_COLUMNS], signature.inputs)
        check_instances(max((len(a) for a in arrays.values() if a.ndim), default=0), max_instances)
    else:
        raise invalid_argument(f"Missing '{_COLUMNS}' or '{_ROWS}' key")
    _check_shapes(arrays, signature.inputs)
    return PredictInputs(arrays, _ROWS in document)


def check_instances(num_instances: int, max_instances: int) -> None:
    """Refuse more instances than a request may have.

    Raises:
        ServingError: There are more.
    """
    if num_instances > max_instances:
        raise invalid_argument(
            f"expected at most {max_instances} instances in a request, got {num_instances}; "
            "send them in several requests"
        )


def _read_rows(rows: list[Any], specs: Mapping[str, TensorSpec]) -> Arrays:
    are_named = _is_named(rows[0])
    if not are_named and len(specs) > 1:
        if is_base64(rows[0]):
            raise invalid_argument(f"input size does not match signature: 1!={len(specs)}")
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    columns = {name: _Column(spec) for name, spec in specs.items()}
    only_name = next(iter(specs))
    for index, row in enumerate(rows):
        if _is_named(row) != are_named:
            expected, got = ("object", "list") if are_named else ("value/list", "object")
            raise invalid_argument(
                f"Expecting {expected} but got {got} at item {index} of input list"
            )
        if isinstance(row, RepeatedKeys) and len(rows) > 1:
            # TF Serving would give the repeated value to the next row.
            raise invalid_argument(
                f"expected each key once in element {index} of '{_ROWS}' list, got one repeated"
            )
        for name, value in members(row) if are_named else ((only_name, row),):
            try:
                if name not in columns:
                    raise invalid_argument(f"JSON object: does not have named input: {name[:80]}")
                columns[name].add(value)
            except ServingError as error:
                place = f"{index} key: {name[:80]}" if are_named else f"{index}"
                raise invalid_argument(
                    f"Failed to process element: {place} of '{_ROWS}' list. "
                    f"Error: {_STATUS_NAMES[error.status]}: {error.message}"
                ) from error
        if are_named and row.keys() != columns.keys():
            raise invalid_argument(
                f"Failed to process element: {index} of '{_ROWS}' list. JSON object: "
                f"{describe(row)} keys must be equal to: {','.join(sorted(columns))}"
            )
    return {name: column.as_array(len(rows)) for name, column in columns.items()}


def _read_columns(value: Any, specs: Mapping[str, TensorSpec]) -> Arrays:
    if not _is_named(value):
        if len(specs) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                "required as per tensorinfo_map"
            )
        value = {next(iter(specs)): value}
    arrays = {}
    for name, spec in specs.items():
        if name not in value:
            raise invalid_argument(f"Missing named input: {name} in '{_COLUMNS}' object.")
        shape = dense_shape(value[name])
        values: list[Any] = []
        flatten(value[name], shape, spec.type_name, values)
        arrays[name] = as_array(values, shape, spec.type_name)
    return arrays


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _check_shapes(arrays: Arrays, specs: Mapping[str, TensorSpec]) -> None:
    for name, array in arrays.items():
        if not specs[name].admits(array.shape):
            raise invalid_argument(
                f"expected input {name} of shape {list(specs[name].shape or ())}, where -1 is any "
                f"size, got {list(array.shape)}"
            )


class _Column:
    """Gathers one input's values row by row; all rows have one shape."""

    def __init__(self, spec: TensorSpec) -> None:
        self.spec = spec
        self.values: list[Any] = []
        self.shape: tuple[int, ...] | None = None

    def add(self, value: Any) -> None:
        shape = dense_shape(value)
        flatten(value, shape, self.spec.type_name, self.values)
        if self.shape is None:
            self.shape = shape
        elif math.prod(shape) != math.prod(self.shape):
            raise invalid_argument(
                f"Expecting tensor size: {math.prod(self.shape)} but got: {math.prod(shape)}"
            )
        elif shape != self.shape:
            raise invalid_argument(
                f"Expecting shape {_shape_text(self.shape)} but got: {_shape_text(shape)}"
            )

    def as_array(self, num_rows: int) -> Array:
        """Return the first values that make up the rows; a repeated key leaves more than these."""
        shape = (num_rows, *(self.shape or ()))
        return as_array(self.values[: math.prod(shape)], shape, self.spec.type_name)


def _shape_text(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"
