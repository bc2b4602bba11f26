"""What a method and a path ask for.

The patterns, the order of checks and the messages follow TF Serving: anything below `/v1/` of
another form is a malformed request (400), not a missing page.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Literal, cast
from urllib.parse import unquote

from serving.server.rest.errors import invalid_argument

_MODEL = r"/v1/models/(?P<name>[^/:]+)"
_VERSION = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_PREDICTION = re.compile(rf"{_MODEL}{_VERSION}:(?P<action>classify|regress|predict)", re.IGNORECASE)
_STATUS = re.compile(rf"{_MODEL}{_VERSION}(?:/(?P<action>metadata))?", re.IGNORECASE)
_MAX_VERSION = 2**63 - 1
_MAX_VERSION_DIGITS = len(str(_MAX_VERSION))

Action = Literal["predict", "classify", "regress", "status", "metadata"]


@dataclasses.dataclass(frozen=True)
class Target:
    """What a request is about.

    Attributes:
        action: What to do.
        name: The model.
        version: Its version; None for the label's, else for the newest.
        label: Its version's label.
    """

    action: Action
    name: str
    version: int | None = None
    label: str | None = None


def read_target(method: str, path: str) -> Target:
    """Read what a request is about.

    Args:
        method: "GET", "POST", ...
        path: As it was sent, percent-encoded, with the query.

    Raises:
        ServingError: The request has no form that TF Serving knows.
    """
    pattern = {"POST": _PREDICTION, "GET": _STATUS}.get(method)
    match = pattern.fullmatch(path) if pattern else None
    # The patterns ignore case, but TF Serving compares the action itself exactly.
    if match is None or (method == "POST" and not match["action"].islower()):
        if method == "GET" and path.lower().rstrip("/") == "/v1/models":
            raise invalid_argument("Missing model name in request.")
        raise invalid_argument(f"Malformed request: {method} {path}")
    found = match.groupdict()
    action = found["action"]
    if method == "GET" and action != "metadata":
        action = "status"
    return Target(
        action=cast(Action, action),
        name=unquote(found["name"]),
        version=None if found["version"] is None else _version(found["version"]),
        label=None if found["label"] is None else unquote(found["label"]),
    )


def _version(text: str) -> int:
    digits = text.lstrip("0") or "0"
    # Counted first: Python refuses to convert thousands of digits.
    if len(digits) > _MAX_VERSION_DIGITS or int(digits) > _MAX_VERSION:
        raise invalid_argument(f"Failed to convert version: {text} to numeric.")
    return int(digits)
