"""The bearer token that requests have to carry, where one is set."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from starlette.requests import Request

from contract.errors import InputError
from serving.server.rest.errors import ServingError

TOKEN_VARIABLE = "PNEUMONIA_SERVING_TOKEN"
_SCHEME = "bearer "


def read_token(file: Path | None) -> str:
    """Return the token of a file, else of the environment, else "".

    It cannot be given on the command line, where every user of the machine could read it.

    Raises:
        InputError: The file cannot be read or holds no token.
    """
    if file is None:
        return os.environ.get(TOKEN_VARIABLE, "").strip()
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--token-file: expected a text file, got {file}: {error}") from error
    if not token or not token.isascii() or len(token.split()) != 1:
        raise InputError(f"--token-file: expected one word of ASCII in {file}")
    return token


def check_token(request: Request, token: str) -> None:
    """Refuse a request without the token; "" lets all in.

    Raises:
        ServingError: It carries none or another one.
    """
    if not token:
        return
    header = request.headers.get("authorization", "")
    given = header[len(_SCHEME) :].strip() if header.lower().startswith(_SCHEME) else ""
    # In constant time: an answer's time tells nothing of how much was right.
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise ServingError(401, "expected the header `Authorization: Bearer TOKEN`")
