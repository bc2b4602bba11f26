"""The bearer token that requests have to carry, where one is set."""

from __future__ import annotations

import hmac

from starlette.requests import Request

from serving.server.rest.errors import ServingError

_SCHEME = "bearer "


def check_token(request: Request, token: str) -> None:
    """Refuse a request without the token; "" lets all in.

    Raises:
        ServingError: It carries none or another one.
    """
    if not token:
        return
    header = request.headers.get("authorization", "")
    given = header[len(_SCHEME) :].strip() if header.lower().startswith(_SCHEME) else ""
    # In constant time, so that how long an answer takes reveals nothing of the token.
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise ServingError(401, "expected the header `Authorization: Bearer TOKEN`")
