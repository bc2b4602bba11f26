"""The endpoint of everything below `/v1/`: from a request to the answer, or the error."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from contract.server_settings import ServerSettings
from serving.server.authorization import check_token
from serving.server.body import announced_bytes, drain, read_body
from serving.server.images import check_images
from serving.server.metrics import Metrics
from serving.server.queue import RunQueue
from serving.server.rest.document import describe, parse_document, signature_name
from serving.server.rest.errors import ServingError, invalid_argument, timed_out
from serving.server.rest.inputs import PredictInputs, read_inputs
from serving.server.rest.outputs import write_error, write_outputs
from serving.server.rest.paths import Target, read_target
from serving.server.rest.tensors import Signature
from serving.server.status import write_metadata, write_status
from serving.server.versions import VersionPool

if TYPE_CHECKING:  # it brings TensorFlow
    from serving.server.saved_model import SavedModel

_JSON = "application/json"
_CLIENT_CLOSED = 499  # nginx's number for a client that did not wait
_MALFORMED = "malformed"
_PREFLIGHT = "preflight"
_LARGE_BYTES = 64 * 1024
_WEB_ORIGIN = re.compile("https?://")

log = logging.getLogger(__name__)


class RestEndpoint:
    """Answers TF Serving's REST API."""

    def __init__(
        self, settings: ServerSettings, pool: VersionPool, queue: RunQueue, metrics: Metrics
    ) -> None:
        self._limits = settings.limits
        self._token = settings.token
        self._pool = pool
        self._queue = queue
        self._metrics = metrics

    async def __call__(self, request: Request) -> Response:
        """Answer one request, whatever it is; nothing is raised."""
        started_at = time.perf_counter()
        action = _MALFORMED
        try:
            check_token(request, self._token)
            if request.method == "OPTIONS":
                action = _PREFLIGHT
                response = _answer_preflight(request)
            else:
                target = read_target(request.method, _sent_path(request))
                action = target.action
                response = Response(await self._answer(request, target), 200, media_type=_JSON)
        except ServingError as error:
            await drain(request, self._limits.max_body_bytes)
            response = error_response(error)
        except ClientDisconnect:
            response = Response(status_code=_CLIENT_CLOSED)
        except Exception as error:
            # Its text may hold what was sent: only its kind and place are logged.
            log.error("request failed: %s%s", type(error).__name__, _place(error))
            response = error_response(
                ServingError(500, "internal error; see the log of the server")
            )
        seconds = time.perf_counter() - started_at
        self._metrics.count_answer(action, response.status_code, seconds)
        log.debug("%s %d in %.0f ms", action, response.status_code, seconds * 1000)
        return response

    async def _answer(self, request: Request, target: Target) -> bytes:
        if target.action == "status":
            return write_status(self._pool, target)
        if target.action == "metadata":
            with self._lease(target) as model:
                return write_metadata(model, target.name)
        with self._queue.admit(_expected_bytes(request)):
            limit_s = self._limits.timeout_s
            try:
                async with asyncio.timeout(limit_s):
                    body = await read_body(request, self._limits.max_body_bytes)
                    return await self._answer_body(target, body)
            except TimeoutError as error:
                raise timed_out(f"no answer within {limit_s:g} s") from error

    async def _answer_body(self, target: Target, body: bytes) -> bytes:
        """Answer `:predict`, `:classify` or `:regress`."""
        # A large body is read in a thread, so that other requests are answered meanwhile.
        call = asyncio.to_thread if len(body) >= _LARGE_BYTES else _call_here
        document = await call(parse_document, body)
        if target.action != "predict":
            self._refuse_examples(target, document)
        with self._lease(target) as model:
            signature = _input_signature(model, signature_name(document))
            inputs = await call(self._read_inputs, document, signature)
            outputs = await self._queue.predict(model, signature, inputs.arrays)
        self._metrics.observe_scores(outputs)
        return write_outputs(outputs, inputs.is_row_form)

    def _read_inputs(self, document: dict[str, Any], signature: Signature) -> PredictInputs:
        inputs = read_inputs(document, signature, self._limits.max_instances)
        check_images(inputs.arrays, self._limits.max_image_pixels)
        return inputs

    def _lease(self, target: Target) -> contextlib.AbstractContextManager[SavedModel]:
        return self._pool.lease(target.name, target.version, target.label)

    def _refuse_examples(self, target: Target, document: dict[str, Any]) -> None:
        """Answer `:classify` and `:regress` as TF Serving does for signatures of `:predict`.

        Raises:
            ServingError: Always.
        """
        name = signature_name(document)
        examples = document.get("examples")
        if not isinstance(examples, list) or not examples:
            raise invalid_argument(
                f"JSON Value: {describe(document)} When method is classify, key 'examples' is "
                "expected, as a list that is not empty"
            )
        with self._lease(target) as model:
            signature = model.signatures.get(name)
        if signature is None:
            raise invalid_argument(f"No signature was found with the name: {name[:80]}")
        kind = {"classify": "classification", "regress": "regression"}[target.action]
        method_name = f"tensorflow/serving/{target.action}"
        if signature.method_name != method_name:
            raise invalid_argument(
                f"Expected {kind} signature method_name to be {method_name}. "
                f"Was: {signature.method_name}"
            )
        raise ServingError(501, f"the embedded server does not answer :{target.action}")


def error_response(error: ServingError) -> Response:
    """Return an error as TF Serving writes it."""
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(write_error(error.message), error.status, headers, media_type=_JSON)


def _answer_preflight(request: Request) -> Response:
    """Answer OPTIONS of any path as TF Serving does without its CORS flag: 200, nothing allowed.

    Where origins are allowed, the application's middleware answers before this is reached.

    Raises:
        ServingError: The request does not come from a web page.
    """
    if not _WEB_ORIGIN.search(request.headers.get("origin", "")):
        raise invalid_argument("Origin header is missing in CORS preflight")
    return Response(status_code=200)


def _expected_bytes(request: Request) -> int | None:
    # How far gzip unpacks is not announced.
    return None if "content-encoding" in request.headers else announced_bytes(request)


def _sent_path(request: Request) -> str:
    """Return path and query as they were sent: a name may hold an encoded slash."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope.get("query_string", b"")
    return (raw + b"?" + query if query else raw).decode("ascii", "replace")


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f" in {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _input_signature(model: SavedModel, name: str) -> Signature:
    signature = model.signatures.get(name)
    if signature is None:
        raise invalid_argument(f'Serving signature name: "{name[:80]}" not found in signature def')
    if not signature.inputs:
        raise invalid_argument(f"Failed to get input map for signature: {name[:80]}")
    return signature


async def _call_here(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)
