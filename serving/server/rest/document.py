"""The JSON document of a request's body."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from serving.server.rest.errors import ServingError, invalid_argument

_SIGNATURE_KEY = "signature_name"
DEFAULT_SIGNATURE = "serving_default"
# Words for numbers that TF Serving's parser reads and Python's does not.
_SHORT_WORDS = ("Inf", "-Inf", "-NaN")
# Strings are matched first, so that no word inside one is replaced.
_STRING_OR_SHORT_WORD = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|-?Inf(?!inity)|-NaN', re.DOTALL)

# Group 1: the first half of a surrogate pair without the second. Each match takes an escape as a
# whole, so that an escaped backslash begins none.
_ESCAPE = re.compile(r"\\(u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F]))?.", re.DOTALL)


class RepeatedKeys(dict[str, Any]):
    """An object with a repeated key. A lookup finds the first one, as in TF Serving.

    Args:
        pairs: The members.

    Attributes:
        pairs: All members, in order.
    """

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(reversed(pairs))
        self.pairs = pairs


def members(value: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """Return all members of an object, repeated ones included."""
    return value.pairs if isinstance(value, RepeatedKeys) else value.items()


def parse_document(body: bytes) -> dict[str, Any]:
    """Parse a body.

    As in TF Serving, NaN, Inf and Infinity, with or without a minus sign, are numbers, and the
    first of equal keys counts.

    Raises:
        ServingError: The body is not a JSON object.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        # Decoded here: given bytes, Python would read UTF-16 and UTF-32, too.
        text = body.decode("utf-8-sig")
        document = _parse(text)
    except json.JSONDecodeError as error:
        raise invalid_argument(f"JSON Parse error: {error.msg} at offset: {error.pos}") from error
    except UnicodeDecodeError as error:
        raise invalid_argument(
            f"JSON Parse error: Invalid encoding in string. at offset: {error.start}"
        ) from error
    except ValueError as error:  # of a number: the message is ours, or Python's on its digits
        raise number_too_big() from error
    except RecursionError as error:
        raise invalid_argument("JSON Parse error: The document is nested too deep") from error
    # One character is sought many times faster than two, and an image has none.
    if "\\" in text and any(match[1] for match in _ESCAPE.finditer(text)):
        raise invalid_argument("JSON Parse error: The surrogate pair in string is invalid.")
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {describe(document)} Is not object")
    return document


def signature_name(document: dict[str, Any]) -> str:
    """Return the signature that a request names, or the default one's name.

    Raises:
        ServingError: The name is not a string.
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
    if isinstance(value, dict):
        return "Object"
    return {type(None): "Null", list: "Array", str: "String"}.get(type(value), "Number")


def number_too_big() -> ServingError:
    """Return the error of a number beyond the range of a double."""
    return invalid_argument("JSON Parse error: Number too big to be stored in double.")


def describe(value: Any) -> str:
    """Return a value in a form that is safe in a message.

    TF Serving repeats what it was sent. Messages end up in logs, and strings here are images and
    records of patients: only their size is given.
    """
    if isinstance(value, str):
        return f"<string of {len(value)} characters>"
    if isinstance(value, list):
        return f"<list of {len(value)}>"
    if isinstance(value, dict):
        return f"<object of {len(value)}>"
    text = json.dumps(value)
    return text if len(text) <= 40 else f"<number of {len(text)} digits>"


def _parse(text: str) -> Any:
    try:
        return _load(text)
    except json.JSONDecodeError as error:
        if not text.startswith(_SHORT_WORDS, error.pos):
            raise
    return _load(_STRING_OR_SHORT_WORD.sub(_write_in_full, text))


def _load(text: str) -> Any:
    return json.loads(text, parse_float=_parse_float, object_pairs_hook=_object)


def _write_in_full(match: re.Match[str]) -> str:
    token = match[0]
    if token.startswith('"'):
        return token
    return "NaN" if token == "-NaN" else f"{token}inity"


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    return value if len(value) == len(pairs) else RepeatedKeys(pairs)


def _parse_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("expected a number that a double can hold")
    return value
