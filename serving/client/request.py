"""One request to the server, sent again while it makes sense."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from urllib.parse import quote, urlsplit

import httpx

from contract.errors import InputError
from serving.client.answer import error_message, read_predictions, request_body
from serving.client.images import ReadyImage
from serving.client.outcomes import Prediction, RefusedRequestError, ServerUnavailableError
from serving.client.retry import BusyError, RetryPolicy, parse_retry_after

_BUSY = (429, 502, 503, 504)
# About what was sent; any other error is about the address, the rights or the server.
_REFUSALS = (400, 413, 422, 500)


class Requester:
    """Sends images to one model, until it is closed.

    Args:
        url: Address of the server, without `/v1`.
        model: Name of the model.
        version_label: Such as "canary"; "" for the newest version that is served.
        token: Sent as a bearer token; "" for none.
        timeout_s: Seconds for the connection, and again for each piece of the answer.
        retry: When to ask again.
        on_wait: Called with the reason before each wait.

    Raises:
        InputError: The address cannot be one of a server.
    """

    def __init__(
        self,
        url: str,
        model: str,
        version_label: str,
        token: str,
        timeout_s: float,
        retry: RetryPolicy,
        on_wait: Callable[[str], None],
    ) -> None:
        base = _check_url(url)
        label = f"/labels/{quote(version_label, safe='')}" if version_label else ""
        self._url = f"{base}/v1/models/{quote(model, safe='')}{label}:predict"
        self._retry = retry
        self._on_wait = on_wait
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        # A proxy of the environment is for other machines; redirects are not followed, so
        # that neither images nor the token go anywhere else.
        self._http = httpx.Client(
            headers=headers,
            timeout=timeout_s,
            trust_env=not _is_loopback(base.host),
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(self, images: Sequence[ReadyImage]) -> list[Prediction]:
        """Ask for all `images` in one request, and again while the server is busy.

        Raises:
            RefusedRequestError: The server will not judge them.
            ServerUnavailableError: It does not answer, or is not of TensorFlow Serving's kind.
        """
        retrying = self._retry.retrying(lambda error: self._on_wait(f"{self._url} {error}"))
        try:
            return retrying(self._ask, request_body(images), images)
        except BusyError as error:
            num_failed = retrying.statistics["attempt_number"]
            if num_failed <= self._retry.num_retries:
                raise ServerUnavailableError(
                    f"{self._url} {error}, and asks to wait {error.retry_after_s:.0f} s; "
                    "try again then"
                ) from error
            times = "once" if num_failed == 1 else f"{num_failed} times"
            raise ServerUnavailableError(f"{self._url} {error} (asked {times})") from error

    def _ask(self, body: bytes, images: Sequence[ReadyImage]) -> list[Prediction]:
        try:
            response = self._http.post(self._url, content=body)
        except httpx.TransportError as error:
            raise BusyError(_transport_problem(error)) from error
        except httpx.RequestError as error:
            raise ServerUnavailableError(f"{self._url}: {error}") from error
        if response.status_code == 200:
            return read_predictions(response.content, images)
        problem = f"answered {response.status_code}: {error_message(response.content)}"
        if response.status_code in _REFUSALS:
            raise RefusedRequestError(f"the server {problem}")
        if response.status_code in _BUSY:
            raise BusyError(problem, parse_retry_after(response.headers.get("Retry-After")))
        raise ServerUnavailableError(f"{self._url} {problem}")


def _transport_problem(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "did not accept a connection in time"
    if isinstance(error, httpx.TimeoutException):
        return "did not answer in time"
    if isinstance(error, httpx.ConnectError):
        # TensorFlow Serving does not listen before it has loaded its model.
        return (
            f"could not be connected to: {error}; check that the server is started and its model "
            "is loaded"
        )
    return f"broke off: {error}"


def _check_url(url: str) -> httpx.URL:
    try:
        urlsplit(url)  # httpx takes an open bracket for a host
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise InputError(f"expected an address such as http://localhost:8501: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InputError(f"expected an address such as http://localhost:8501, got {url!r}")
    if parsed.userinfo:
        # Not shown: it would be in logs, as it would be with every error.
        raise InputError(
            f"expected an address without user and password, got one for {parsed.host}; "
            "use a token (--token-file)"
        )
    if parsed.query or parsed.fragment:
        raise InputError(f"expected an address that ends with a path, got {url!r}")
    return parsed.copy_with(path=parsed.path.rstrip("/"))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
