"""Values of parameters: their types, and the texts that stand for them."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import struct_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from tools.kfp_emulator.protojson import parse_json, to_dict

_TYPES = pipeline_spec_pb2.ParameterType
_KINDS = {
    _TYPES.STRING: ("string_value",),
    _TYPES.NUMBER_INTEGER: ("number_value",),
    _TYPES.NUMBER_DOUBLE: ("number_value",),
    _TYPES.BOOLEAN: ("bool_value",),
    _TYPES.LIST: ("list_value",),
    _TYPES.STRUCT: ("struct_value",),
    _TYPES.TASK_FINAL_STATUS: ("struct_value",),
}


def convert(value: Any, parameter_type: int) -> Any:
    """Return a `google.protobuf.Value` as the driver hands it over.

    Anything becomes JSON text where text is wanted; nothing else is converted.

    Raises:
        ValueError: The value has another type.
    """
    kind = value.WhichOneof("kind")
    if kind in _KINDS.get(parameter_type, ()):
        return value
    if parameter_type == _TYPES.STRING:
        return struct_pb2.Value(string_value=to_text(value))
    name = _TYPES.ParameterTypeEnum.Name(parameter_type)
    raise ValueError(f"type mismatch: expect {name}, got {kind.removesuffix('_value')}")


def to_text(value: Any) -> str:
    """Return what replaces a placeholder: text as it is, everything else as JSON.

    Raises:
        ValueError: The value is null.
    """
    if value.WhichOneof("kind") == "null_value":
        raise ValueError("expected a value, got null")
    if value.WhichOneof("kind") == "string_value":
        return str(value.string_value)
    return json.dumps(to_dict(value), ensure_ascii=False, separators=(",", ":"))


def parse_text(text: str, parameter_type: int) -> Any:
    """Return the `google.protobuf.Value` that a task wrote as text into an output's file.

    Raises:
        ValueError: The text is none of that type.
    """
    value = struct_pb2.Value()
    if parameter_type == _TYPES.STRING:
        value.string_value = text
    elif parameter_type == _TYPES.NUMBER_INTEGER:
        value.number_value = int(text.strip())
    elif parameter_type == _TYPES.NUMBER_DOUBLE:
        value.number_value = float(text.strip())
    elif parameter_type == _TYPES.BOOLEAN:
        if text.strip() not in ("true", "True", "TRUE", "false", "False", "FALSE"):
            raise ValueError(f"expected true or false, got {text!r}")
        value.bool_value = text.strip().lower() == "true"
    else:
        parse_json(text, value)
        if value.WhichOneof("kind") not in _KINDS.get(parameter_type, ()):
            raise ValueError(f"expected JSON of another type, got {text!r}")
    return value
