"""The connection to KFP's API: `kfp.Client`, made quiet, bounded in time and quick to fail."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kfp
from kfp.client.set_volume_credentials import ServiceAccountTokenVolumeCredentials

from contract.errors import InputError
from pipeline.kubeflow.submission.errors import api_errors

_ENDPOINT_VARIABLE = "KF_PIPELINES_ENDPOINT"
_TOKEN_PATH_VARIABLE = "KF_PIPELINES_SA_TOKEN_PATH"
_KFP_NAMESPACE = "kubeflow"
_TIMEOUT_S = (20, 120)  # to connect, to read


@dataclasses.dataclass(frozen=True)
class Connection:
    """Where KFP is and how to log in, as `kfp.Client` has it.

    Attributes:
        host: The API's or the UI's address; None for `kfp.Client`'s own ways to find it.
        namespace: The user's own, in an installation for many users.
        token: To send as it is.
        token_file: To read a token from for each request, so that one that is renewed is used.
        verify_tls: Whether the server's certificate is checked.
    """

    host: str | None = None
    namespace: str | None = None
    token: str | None = dataclasses.field(default=None, repr=False)
    token_file: Path | None = None
    client_id: str | None = None
    other_client_id: str | None = None
    other_client_secret: str | None = dataclasses.field(default=None, repr=False)
    cookies: str | None = dataclasses.field(default=None, repr=False)
    proxy: str | None = None
    ssl_ca_cert: Path | None = None
    verify_tls: bool = True
    kube_context: str | None = None
    ui_host: str | None = None

    @property
    def address(self) -> str:
        """The host that is meant, for messages."""
        return self.host or os.environ.get(_ENDPOINT_VARIABLE) or "the cluster of kube config"


class Client(kfp.Client):
    """`kfp.Client` that asks for the server's health once, and never waits for ever."""

    _health: Any = None

    def get_kfp_healthz(self, sleep_duration: int = 0) -> Any:
        """Ask for the server's health, once: kfp's own would repeat a refused log-in for 20 s."""
        if self._health is None:
            self._bound_time()
            self._health = self._healthz_api.healthz_service_get_healthz()
        return self._health

    def link(self, kind: str, identifier: str) -> str:
        """Return the UI's page of a run (`runs`) or a schedule (`recurringrun`)."""
        return f"{self._get_url_prefix().rstrip('/')}/#/{kind}/details/{identifier}"

    def read_text(self, path: str, query: dict[str, str]) -> str:
        """Get a text from the server, beside the API that kfp knows.

        Args:
            path: Below the host.
            query: Names and values of the query.
        """
        response = self._run_api.api_client.call_api(
            path,
            "GET",
            query_params=list(query.items()),
            header_params={"Accept": "text/plain"},
            auth_settings=["Bearer"],
            _return_http_data_only=True,
            _preload_content=False,
        )
        text: str = response.data.decode(errors="replace")
        return text

    def get_workflow(self, run_id: str) -> dict[str, Any]:
        """Return the Argo workflow of a run, which only the older API gives; {} before it is made.

        Raises:
            ValueError: KFP answered with something else than a run.
        """
        answer = json.loads(self.read_text(f"/apis/v1beta1/runs/{run_id}", {}))
        manifest = answer.get("pipeline_runtime", {}).get("workflow_manifest")
        workflow: dict[str, Any] = json.loads(manifest) if manifest else {}
        return workflow

    def _bound_time(self) -> None:
        rest = self._healthz_api.api_client.rest_client
        unbounded = rest.request

        def request(*arguments: Any, **options: Any) -> Any:
            options["_request_timeout"] = options.get("_request_timeout") or _TIMEOUT_S
            return unbounded(*arguments, **options)

        rest.request = request


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep back what kfp and urllib3 print and warn of by themselves."""
    # The child logger, which logs each retry: kfp sets the level of `urllib3` itself.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def connect(connection: Connection) -> Client:
    """Connect and make sure that KFP answers.

    Raises:
        InputError: It does not, or not to this user.
    """
    for path, option in (
        (connection.token_file, "--token-file"),
        (connection.ssl_ca_cert, "--ssl-ca-cert"),
    ):
        if path is not None and not (path.is_file() and os.access(path, os.R_OK)):
            raise InputError(
                f"{option}: expected a file that can be read, got {path}. "
                "How to fix: check the path and its permissions."
            )
    printed = io.StringIO()
    try:
        with api_errors(connection.address), quiet(), contextlib.redirect_stdout(printed):
            client = _create(connection)
            health = client.get_kfp_healthz()
    finally:
        if "Failed to load kube config" in printed.getvalue():
            raise InputError(
                f"expected KFP's address, got none: no --host, no {_ENDPOINT_VARIABLE}, not in a "
                "cluster, no usable kube config. How to fix: add --host URL."
            )
    if health.multi_user is None:
        raise InputError(
            f"expected KFP's API at {connection.address}, got something else, perhaps a log-in "
            "page. How to fix: give the address without /apis/v2beta1, with --token-file "
            "or --cookies where it asks for a log-in."
        )
    if health.multi_user and not (connection.namespace or client.get_user_namespace()):
        raise InputError(
            "expected a namespace, as this KFP has many users, got none. "
            "How to fix: add --namespace with your profile's name."
        )
    return client


def _create(connection: Connection) -> Client:
    token_file = connection.token_file or os.environ.get(_TOKEN_PATH_VARIABLE)
    credentials = None
    if token_file and not connection.token:
        credentials = ServiceAccountTokenVolumeCredentials(path=str(token_file))
    has_host = bool(connection.host or os.environ.get(_ENDPOINT_VARIABLE))
    return Client(
        host=connection.host,
        # Without a host, kfp looks for its service in this namespace, which is not the user's.
        namespace=(connection.namespace if has_host else None) or _KFP_NAMESPACE,
        existing_token=connection.token,
        credentials=credentials,
        client_id=connection.client_id,
        other_client_id=connection.other_client_id,
        other_client_secret=connection.other_client_secret,
        cookies=connection.cookies,
        proxy=connection.proxy,
        ssl_ca_cert=str(connection.ssl_ca_cert) if connection.ssl_ca_cert else None,
        verify_ssl=None if connection.verify_tls else False,
        kube_context=connection.kube_context,
        ui_host=connection.ui_host,
    )
