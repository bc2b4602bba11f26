"""The server that the contract is asked of: TF_SERVING_URL's, else the embedded one."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Iterator

import httpx
import pytest

MODEL = os.environ.get("TF_SERVING_MODEL", "pneumonia")
OUTPUTS = {
    "probability",
    "label",
    "threshold",
    "decision",
    "familiarity",
    "familiarity_threshold",
}


@dataclasses.dataclass(frozen=True)
class Api:
    """Requests to one model."""

    http: httpx.Client
    path: str

    def get(self, suffix: str = "") -> httpx.Response:
        return self.http.get(self.path + suffix)

    def post(self, document, suffix: str = ":predict") -> httpx.Response:
        return self.http.post(self.path + suffix, json=document)

    def post_text(self, text: str | bytes, suffix: str = ":predict", **headers) -> httpx.Response:
        return self.http.post(self.path + suffix, content=text, headers=headers)


@pytest.fixture(scope="session")
def base_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    url = os.environ.get("TF_SERVING_URL")
    if url:
        yield url.rstrip("/")
        return
    # Imported here: against another server, none of it is needed.
    from contract.server_settings import ServerSettings
    from tests.serving.running import serve

    folder = tmp_path_factory.mktemp("contract") / MODEL
    shutil.copytree(request.getfixturevalue("exports").first, folder / "1")
    with serve(ServerSettings(folder, model_name=MODEL)) as running:
        yield running.url


@pytest.fixture(scope="session")
def api(base_url: str) -> Iterator[Api]:
    with httpx.Client(base_url=base_url, timeout=60) as http:
        yield Api(http, f"/v1/models/{MODEL}")


@pytest.fixture(scope="session")
def signatures(api: Api) -> dict:
    return api.get("/metadata").json()["metadata"]["signature_def"]["signature_def"]


@pytest.fixture
def needs_contract_model(signatures: dict) -> None:
    """Skip where a pushed model is served, not the contract's own."""
    if "contract_pair" not in signatures:
        pytest.skip("the served model is not the one of tests/serving/contract/model.py")


def error_of(response: httpx.Response, status: int) -> str:
    """Return the message of an error in TF Serving's form."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"error"}
    assert body["error"]
    return body["error"]
