"""The embedded server as an ASGI application."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contract.server_settings import ServerSettings
from serving.server.authorization import check_token
from serving.server.endpoint import RestEndpoint, error_response
from serving.server.metrics import CONTENT_TYPE, Metrics
from serving.server.queue import RunQueue
from serving.server.rest.errors import ServingError, not_found
from serving.server.versions import VersionPool

_GZIP_FROM_BYTES = 1024
_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD")


def create_application(settings: ServerSettings, pool: VersionPool) -> Starlette:
    """Return the application.

    Args:
        settings: Settings of the server.
        pool: The versions; the caller refreshes them.
    """
    metrics = Metrics()
    metrics.watch_version(lambda: pool.newest)
    queue = RunQueue(settings.limits, settings.batching, metrics)
    endpoint = RestEndpoint(settings, pool, queue, metrics)

    async def healthz(_: Request) -> Response:
        version = pool.newest
        ready = version is not None
        return JSONResponse({"ready": ready, "version": version}, 200 if ready else 503)

    async def show_metrics(request: Request) -> Response:
        try:
            check_token(request, settings.token)
        except ServingError as error:
            return error_response(error)
        return Response(metrics.page(), headers={"Content-Type": CONTENT_TYPE})

    async def answer(request: Request) -> Response:
        if request.url.path.lower().startswith("/v1/"):
            return await endpoint(request)
        return error_response(not_found(f"Not Found: {request.url.path[:200]}"))

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            queue.close()

    middleware = [Middleware(GZipMiddleware, minimum_size=_GZIP_FROM_BYTES, compresslevel=5)]
    if settings.cors_origins:
        middleware.insert(
            0,
            Middleware(
                CORSMiddleware,
                allow_origins=list(settings.cors_origins),
                allow_methods=["GET", "POST"],
                allow_headers=["Authorization", "Content-Type"],
            ),
        )
    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/metrics", show_metrics),
            # Where TF Serving's monitoring configuration puts them.
            Route("/monitoring/prometheus/metrics", show_metrics),
            Route("/{path:path}", answer, methods=list(_METHODS)),
        ],
        middleware=middleware,
        lifespan=lifespan,
    )
