"""The JSON of answers: `predictions` in row form, `outputs` in column form, and errors."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from serving.server.rest.errors import invalid_argument
from serving.server.rest.tensors import Arrays

_BYTES_SUFFIX = "_bytes"
_FLOATS = {"float32", "float64"}
_INTEGERS = {"int8", "int16", "int32", "int64", "uint8", "uint32", "uint64"}


def write_outputs(outputs: Arrays, is_row_form: bool) -> bytes:
    """Return the JSON of a model's outputs.

    One output is written without its name, several as objects. Strings are base64 in
    `{"b64": ...}` where the output's name ends in `_bytes`. NaN and infinite numbers are written
    bare, which is not strict JSON, but what TF Serving does and most parsers read.

    Raises:
        ServingError: In row form, the outputs differ in their number of rows or have none; or
            JSON has no form for a type. The types are TF Serving's: float16 and uint16 are not
            among them.
    """
    text = _rows(outputs) if is_row_form else _columns(outputs)
    return text.encode()


def write_error(message: str) -> bytes:
    """Return the JSON of an error."""
    return json.dumps({"error": message}, indent=4, ensure_ascii=False).encode(errors="replace")


def _rows(outputs: Arrays) -> str:
    num_rows = None
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if num_rows is not None and len(array) != num_rows:
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} "
                f"expecting: {num_rows}"
            )
        num_rows = len(array)
    columns = [[_nested(name, row) for row in array] for name, array in sorted(outputs.items())]
    if len(columns) == 1:
        rows = columns[0]
    else:
        keys = [json.dumps(name) for name in sorted(outputs)]
        rows = [
            "{\n"
            + ",\n".join(
                f"            {key}: {value}" for key, value in zip(keys, row, strict=True)
            )
            + "\n        }"
            for row in zip(*columns, strict=True)
        ]
    separator = ", " if len(columns) == 1 else ",\n        "
    start, end = ("", "\n    ") if len(columns) == 1 else ("\n        ", "\n    ")
    return f'{{\n    "predictions": [{start}{separator.join(rows)}{end}]\n}}'


def _columns(outputs: Arrays) -> str:
    if len(outputs) == 1:
        ((name, array),) = outputs.items()
        return f'{{\n    "outputs": {_nested(name, array)}\n}}'
    members = ",\n".join(
        f"        {json.dumps(name)}: {_nested(name, array)}"
        for name, array in sorted(outputs.items())
    )
    return f'{{\n    "outputs": {{\n{members}\n    }}\n}}'


def _nested(name: str, values: Any) -> str:
    if isinstance(values, np.ndarray) and values.ndim:
        return f"[{', '.join(_nested(name, value) for value in values)}]"
    return _scalar(name, values.item() if _is_boxed(values) else values)


def _is_boxed(value: Any) -> bool:
    # A string of rank 0 is an array around bytes.
    return isinstance(value, np.ndarray) and value.dtype == object


def _scalar(name: str, value: Any) -> str:
    if isinstance(value, bytes):
        if name.endswith(_BYTES_SUFFIX):
            return f'{{"b64": "{base64.b64encode(value).decode("ascii")}"}}'
        return json.dumps(value.decode(errors="replace"), ensure_ascii=False)
    type_name = np.asarray(value).dtype.name
    if type_name == "bool":
        return "true" if value else "false"
    if type_name in _INTEGERS:
        return str(int(value))
    if type_name in _FLOATS:
        return _decimal(value)
    type_name = "half" if type_name == "float16" else type_name
    raise invalid_argument(f"Failed to write JSON value for tensor type: {type_name}")


def _decimal(value: Any) -> str:
    """Write six digits where they are exact, else as many as identify the number."""
    number = float(value)
    if np.isnan(number):
        return "NaN"
    if np.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    dtype = np.asarray(value).dtype.type
    text = f"{number:g}"
    if dtype(text) != dtype(number):
        text = f"{number:.{17 if dtype is np.float64 else 9}g}"
    return text if "." in text or "e" in text else f"{text}.0"
