"""One JSON value, nested lists included, to a tensor's values.

Checks and messages follow TF Serving's, except that no message repeats a string (`describe`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pybase64

from serving.server.rest.document import RepeatedKeys, describe, number_too_big, type_name
from serving.server.rest.errors import ServingError, invalid_argument, unimplemented
from serving.server.rest.tensors import Array

_MAX_RANK = 32
_BASE64_KEY = "b64"
_INTEGERS = {
    "int8": (np.int8, -(2**7), 2**7),
    "uint8": (np.uint8, 0, 2**8),
    "int16": (np.int16, -(2**15), 2**15),
    "int32": (np.int32, -(2**31), 2**31),
    "uint32": (np.uint32, 0, 2**32),
    "int64": (np.int64, -(2**63), 2**63),
    "uint64": (np.uint64, 0, 2**64),
}
_FLOATS: dict[str, type[np.floating[Any]]] = {"float": np.float32, "double": np.float64}


def is_base64(value: Any) -> bool:
    """Return whether a value is `{"b64": "..."}`, without other members."""
    return (
        isinstance(value, dict)
        and not isinstance(value, RepeatedKeys)
        and len(value) == 1
        and isinstance(value.get(_BASE64_KEY), str)
    )


def dense_shape(value: Any) -> tuple[int, ...]:
    """Return the shape that the first elements of nested lists imply.

    Raises:
        ServingError: The nesting is deeper than any tensor's.
    """
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        if len(shape) > _MAX_RANK:
            raise invalid_argument(f"Encountered lists nested deeper than {_MAX_RANK} levels")
        if not value:
            break
        value = value[0]
    return tuple(shape)


def flatten(value: Any, shape: tuple[int, ...], dtype: str, values: list[Any]) -> None:
    """Append the values of nested lists.

    Args:
        value: What the JSON holds.
        shape: What `dense_shape` says of it.
        dtype: As in `TensorSpec.type_name`.
        values: Appended to, in row-major order.

    Raises:
        ServingError: A value or a list does not fit.
    """
    _flatten(value, 0, shape, dtype, values)


def as_array(values: list[Any], shape: tuple[int, ...], dtype: str) -> Array:
    """Return checked values as an array: strings as objects, else in the type's own dtype.

    Numbers are rounded to the nearest of the type, those beyond its range to infinity.

    Raises:
        ServingError: JSON has no form for the type.
    """
    if dtype == "string":
        array = np.empty(len(values), dtype=object)
        array[:] = values
    elif dtype == "bool":
        array = np.array(values, dtype=np.bool_)
    elif dtype in _FLOATS:
        with np.errstate(over="ignore"):
            array = np.array(values, dtype=np.float64).astype(_FLOATS[dtype])
    elif dtype in _INTEGERS:
        array = np.array(values, dtype=_INTEGERS[dtype][0])
    else:  # an empty list: no value was refused before
        raise unimplemented(f"Conversion of a JSON list to type: {dtype}")
    return array.reshape(shape)


def _flatten(value: Any, level: int, shape: tuple[int, ...], dtype: str, values: list[Any]) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid_argument(
                f"JSON Value: {describe(value)} found at incorrect level: {level + 1} in the JSON "
                f"DOM. Expected at level: {len(shape)}"
            )
        values.append(_scalar(value, dtype))
        return
    if level >= len(shape):
        raise invalid_argument(
            f"Encountered list at unexpected level: {level} expected < {len(shape)}"
        )
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for item in value:
        _flatten(item, level + 1, shape, dtype, values)


def _scalar(value: Any, dtype: str) -> Any:
    if dtype == "string":
        return _string(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if dtype in _FLOATS and is_number:
        return _float(value)
    if dtype in _INTEGERS and is_number and isinstance(value, int):
        _, low, end = _INTEGERS[dtype]
        if low <= value < end:
            return value
    if dtype == "bool" and isinstance(value, bool):
        return value
    if dtype not in {*_FLOATS, *_INTEGERS, "bool"} and not isinstance(value, dict):
        raise unimplemented(f"Conversion of JSON Value: {describe(value)} to type: {dtype}")
    raise _type_error(value, dtype)


def _string(value: Any) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise invalid_argument(
                "JSON Parse error: The surrogate pair in string is invalid."
            ) from error
    if not isinstance(value, dict):
        raise _type_error(value, "string")
    if not is_base64(value):
        raise invalid_argument(
            f"JSON Value: {describe(value)} not formatted correctly for base64 data"
        )
    return _decode_base64(value[_BASE64_KEY])


def _decode_base64(text: str) -> bytes:
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        pass
    # Like TF Serving: white space is passed over, and the padding may be left out.
    packed = "".join(text.split())
    if "=" not in packed:
        packed += "=" * (-len(packed) % 4)
    try:
        return pybase64.b64decode(packed, validate=True)
    except ValueError as error:
        raise invalid_argument("Unable to base64 decode") from error


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError as error:  # an integer beyond the range of a double
        raise number_too_big() from error


def _type_error(value: Any, dtype: str) -> ServingError:
    return invalid_argument(
        f"JSON Value: {describe(value)} Type: {type_name(value)} is not of expected type: {dtype}"
    )
