"""What a method and a path ask for.

The patterns, the order of checks and the messages follow TF Serving: anything below `/v1/` that
is no known form is a malformed request (400), not a missing page.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Literal, cast
from urllib.parse import unquote

from serving.rest.errors import invalid_argument

_MODEL = r"/v1/models/(?P<name>[^/:]+)"
_VERSION = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_PREDICTION = re.compile(rf"{_MODEL}{_VERSION}:(?P<action>classify|regress|predict)", re.IGNORECASE)
_STATUS = re.compile(rf"{_MODEL}{_VERSION}(?:/(?P<action>metadata))?", re.IGNORECASE)
_MAX_VERSION = 2**63 - 1

Action = Literal["predict", "classify", "regress", "status", "metadata"]


@dataclasses.dataclass(frozen=True)
class Target:
    """What a request is about.

    Attributes:
        action: What is asked for.
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
    if match is None:
        if method == "GET" and path.lower().rstrip("/") == "/v1/models":
            raise invalid_argument("Missing model name in request.")
        raise invalid_argument(f"Malformed request: {method} {path}")
    found = match.groupdict()
    version = found["version"]
    if version is not None and int(version[:20]) > _MAX_VERSION:
        raise invalid_argument(f"Failed to convert version: {version} to numeric.")
    return Target(
        action=cast(Action, (found["action"] or "status").lower()),
        name=unquote(found["name"]),
        version=None if version is None else int(version),
        label=None if found["label"] is None else unquote(found["label"]),
    )
