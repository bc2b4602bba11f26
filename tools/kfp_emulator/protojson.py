"""JSON of protocol buffers as Go writes and reads it, where Python's differs."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format


def to_json(message: Any) -> str:
    """Return a message as JSON; whole numbers have no fraction, as Go writes them."""
    return json.dumps(to_dict(message), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def to_dict(message: Any) -> Any:
    """Return a message as plain values; whole numbers are ints."""
    return _whole_numbers(json_format.MessageToDict(message))


def parse_json(text: str, message: Any) -> Any:
    """Fill `message` from JSON and return it.

    Raises:
        ValueError: The text is not JSON (NaN is not), has a key twice or a field that the
            message does not know.
    """
    document = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    return parse_dict(document, message)


def parse_dict(document: Any, message: Any, *, ignores_unknown: bool = False) -> Any:
    """Fill `message` from plain values and return it.

    Args:
        document: The values.
        message: What they go into.
        ignores_unknown: Whether fields that the message does not have are passed over.

    Raises:
        ValueError: A field is unknown or of another type.
    """
    try:
        return json_format.ParseDict(document, message, ignore_unknown_fields=ignores_unknown)
    except json_format.ParseError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _whole_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"expected each key once, got {', '.join(twice)} again")
    return document


def _refuse_constant(text: str) -> None:
    raise ValueError(f"expected JSON, which has no {text}")
