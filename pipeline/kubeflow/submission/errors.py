"""What can go wrong between this machine and KFP, each as one line that a person can act on."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

from kfp.client.client import kfp_server_api
from urllib3.exceptions import HTTPError, LocationParseError

from contract.errors import InputError

ApiException: Any = kfp_server_api.ApiException
NETWORK_ERRORS: tuple[Any, ...] = (ApiException, HTTPError, OSError)
_LONGEST_SHOWN = 300
_CONFLICT, _TOO_MANY, _SERVER_ERRORS = 409, 429, 500
_FIXES = {
    400: "correct what it names",
    401: "give a token that is valid, with --token-file FILE or --token TOKEN",
    403: "ask for access to that namespace, or name another with --namespace",
    404: "check --host: it is the address without /apis/v2beta1",
    413: "compile a smaller pipeline, or raise the proxy's limit for uploads",
}
_MEANINGS = {
    401: "a log-in that KFP accepts",
    403: "permission for this user",
    404: "KFP's API with this object",
}


class AlreadyThereError(InputError):
    """A name is taken."""


@contextlib.contextmanager
def api_errors(address: str) -> Iterator[None]:
    """Turn every expected failure of a call into an `InputError`.

    Args:
        address: Of KFP, for the message.
    """
    try:
        yield
    except NETWORK_ERRORS as error:
        raise describe(error, address) from error


def describe(error: Any, address: str) -> InputError:
    """Describe a failed call.

    Args:
        error: One of `NETWORK_ERRORS`.
        address: Of KFP.
    """
    if isinstance(error, ApiException) and error.status:
        status = error.status
        got = f"{status} {error.reason}: {message_of(error)}"
        if status == _CONFLICT or "already exist" in got.lower():
            return AlreadyThereError(f"expected a name that is free, got {got}")
        if status >= _SERVER_ERRORS:
            expected, fix = "an answer", "look at the log of the deployment ml-pipeline"
        else:
            expected = _MEANINGS.get(status, "a request that KFP takes")
            fix = _FIXES.get(status, "see the message")
        return InputError(f"expected {expected} at {address}, got {got}. How to fix: {fix}.")
    problem = _plain(str(error))
    if isinstance(error, LocationParseError):
        return _unreachable("an address", address, problem, "write --host like https://kfp.example")
    if re.search(r"certificate|SSL|TLS", problem):
        return _unreachable(
            "a TLS connection to be made",
            address,
            problem,
            "give the certificate of its authority with --ssl-ca-cert FILE, or write http:// in "
            "--host where there is no TLS",
        )
    return _unreachable(
        "KFP to answer",
        address,
        problem,
        "check --host, and that the port-forward or the VPN runs",
    )


def may_pass(error: Any) -> bool:
    """Return whether a failed call may succeed when it is made again."""
    if isinstance(error, ApiException) and error.status:
        return bool(error.status >= _SERVER_ERRORS or error.status == _TOO_MANY)
    return True


def message_of(error: Any) -> str:
    """Return what the server says of a failure, in one line."""
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else error.body
    try:
        fields = json.loads(body or "")
        body = fields.get("error_message") or fields.get("message") or fields.get("error") or body
    except (ValueError, AttributeError):
        body = re.sub(r"<[^>]*>", " ", body or "")  # a proxy's page
    return _plain(str(body)) or "no message"


def _unreachable(expected: str, address: str, problem: str, fix: str) -> InputError:
    return InputError(f"expected {expected} at {address}, got {problem}. How to fix: {fix}.")


def _plain(text: str) -> str:
    # urllib3 nests: "HTTPConnectionPool(...): Max retries exceeded with url: ... (Caused by ...)".
    cause = re.search(r"\(Caused by \w+\((.*)\)\)$", " ".join(text.split()))
    text = cause[1] if cause else " ".join(text.split())
    text = text.strip("\"'")
    text = re.sub(r"^HTTPS?Connection\(.*?\): |^\w+\(\d+, '|'\)$", "", text)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
