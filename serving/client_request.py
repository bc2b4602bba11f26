"""One request to the server, sent again while it makes sense."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from urllib.parse import quote, urlsplit

import httpx

from contract.errors import InputError
from serving.client_answer import error_message, read_predictions, request_body
from serving.client_images import ReadyImage
from serving.client_outcomes import Prediction, RefusedRequestError, ServerUnavailableError
from serving.client_retry import RetryPolicy, parse_retry_after

_BUSY = (429, 502, 503, 504)
# About what was sent; any other error is about the address, the rights or the server.
_REFUSALS = (400, 413, 422, 500)


class Requester:
    """Sends images to one model; a context manager.

    Args:
        url: Of the server, without `/v1`.
        model: Its name.
        version_label: Such as "canary"; "" for the newest version that is served.
        token: Sent as a bearer token; "" for none.
        timeout_s: For the connection, and again for each piece of the answer.
        retry: When to ask again.
        tell_wait: Told why, before each wait.

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
        tell_wait: Callable[[str], None],
    ) -> None:
        base = _check_url(url)
        label = f"/labels/{quote(version_label, safe='')}" if version_label else ""
        self._url = f"{base}/v1/models/{quote(model, safe='')}{label}:predict"
        self._retry = retry
        self._tell_wait = tell_wait
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

    def __enter__(self) -> Requester:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(self, images: Sequence[ReadyImage]) -> list[Prediction]:
        """Ask for all `images` in one request.

        Raises:
            RefusedRequestError: The server will not judge them.
            ServerUnavailableError: It cannot be asked, or is none of TensorFlow Serving's kind.
        """
        body = request_body(images)
        num_failed = 0
        while True:
            retry_after_s = None
            try:
                response = self._http.post(self._url, content=body)
            except httpx.TransportError as error:
                problem = _transport_problem(error)
            except httpx.RequestError as error:
                raise ServerUnavailableError(f"{self._url}: {error}") from error
            else:
                if response.status_code == 200:
                    return read_predictions(response.content, images)
                message = error_message(response.content)
                problem = f"answered {response.status_code}: {message}"
                if response.status_code in _REFUSALS:
                    raise RefusedRequestError(f"the server {problem}")
                if response.status_code not in _BUSY:
                    raise ServerUnavailableError(f"{self._url} {problem}")
                retry_after_s = parse_retry_after(response.headers.get("Retry-After"))
            num_failed += 1
            self._wait(num_failed, problem, retry_after_s)

    def _wait(self, num_failed: int, problem: str, retry_after_s: float | None) -> None:
        if num_failed > self._retry.num_retries:
            times = "once" if num_failed == 1 else f"{num_failed} times"
            raise ServerUnavailableError(f"{self._url} {problem} (asked {times})")
        wait_s = self._retry.wait_s(num_failed, retry_after_s)
        if wait_s > self._retry.max_wait_s:
            raise ServerUnavailableError(
                f"{self._url} {problem}, and asks to wait {wait_s:.0f} s; try again then"
            )
        self._tell_wait(f"{self._url} {problem}")
        time.sleep(wait_s)


def _transport_problem(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "could not be connected to in time"
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
