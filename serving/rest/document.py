"""The JSON document of a request's body."""

from __future__ import annotations

import json
import math
from typing import Any

from serving.rest.errors import invalid_argument

_SIGNATURE_KEY = "signature_name"
DEFAULT_SIGNATURE = "serving_default"


def parse_document(body: bytes) -> dict[str, Any]:
    """Parse a body.

    NaN, Infinity and -Infinity are numbers, as for TF Serving.

    Raises:
        ServingError: The body is no JSON object.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        document = json.loads(body, parse_float=_parse_float)
    except json.JSONDecodeError as error:
        raise invalid_argument(f"JSON Parse error: {error.msg} at offset: {error.pos}") from error
    except UnicodeDecodeError as error:
        raise invalid_argument(
            f"JSON Parse error: Invalid encoding in string. at offset: {error.start}"
        ) from error
    except ValueError as error:  # of a number: the message is ours, or Python's on its digits
        raise invalid_argument(
            "JSON Parse error: Number too big to be stored in double."
        ) from error
    except RecursionError as error:
        raise invalid_argument("JSON Parse error: The document is nested too deep") from error
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {describe(document)} Is not object")
    return document


def signature_name(document: dict[str, Any]) -> str:
    """Return the signature that a request names, or the default one's name.

    Raises:
        ServingError: The name is no string.
    """
    name = document.get(_SIGNATURE_KEY, "")
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {describe(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return name or DEFAULT_SIGNATURE


def type_name(value: Any) -> str:
    """Return the name that TF Serving gives to a JSON value's type."""
    if isinstance(value, bool):
        return "True" if value else "False"
    return {type(None): "Null", dict: "Object", list: "Array", str: "String"}.get(
        type(value), "Number"
    )


def describe(value: Any) -> str:
    """Return a value as it may stand in a message.

    TF Serving repeats what it was sent. Messages end in logs, and strings here are images and
    records of patients: of them, only the size is told.
    """
    if isinstance(value, str):
        return f"<string of {len(value)} characters>"
    if isinstance(value, list):
        return f"<list of {len(value)}>"
    if isinstance(value, dict):
        return f"<object of {len(value)}>"
    text = json.dumps(value)
    return text if len(text) <= 40 else f"<number of {len(text)} digits>"


def _parse_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("expected a number that a double can hold")
    return value
