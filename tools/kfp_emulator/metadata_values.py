"""Artifacts' metadata on its way through KFP's metadata store, which changes its form."""

from __future__ import annotations

from typing import Any

from google.protobuf import struct_pb2

from tools.kfp_emulator.protojson import to_dict


def to_properties(metadata: Any) -> dict[str, Any]:
    """Return metadata in the form in which the store gives it back.

    Args:
        metadata: A `google.protobuf.Struct`.

    Returns:
        Text as it is, numbers and booleans as floats, lists as `{"list": [...]}` and mappings
        as `{"struct": {...}}`.

    Raises:
        ValueError: A value is null, for which the store has no type.
    """
    return {name: _to_property(name, value) for name, value in metadata.fields.items()}


def to_struct(properties: dict[str, Any]) -> Any:
    """Return properties as a `google.protobuf.Struct`."""
    struct = struct_pb2.Struct()
    struct.update(properties)
    return struct


def _to_property(name: str, value: Any) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            return value.number_value
        case "bool_value":
            return float(value.bool_value)
        case "list_value":
            return {"list": to_dict(value.list_value)}
        case "struct_value":
            return {"struct": to_dict(value.struct_value)}
        case _:
            raise ValueError(
                f"expected text, a number, a list or a mapping as metadata {name!r}, "
                "got null, which KFP cannot store"
            )
