"""Reaching KFP: tokens, TLS, and each way it can fail."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.kubeflow.submission import client
from tests.pipeline.kubeflow.submission.conftest import Submit
from tests.pipeline.kubeflow.submission.fake_argo_workflow import node_of, workflow
from tests.pipeline.kubeflow.submission.fake_kfp_api import Failure, FakeKfp, Snapshot

TOKEN = "s3cr3t-t0ken"
QUICK = ("--poll-s", "0.01")
DONE = {"ImportExampleGen": "Succeeded", "Trainer-small": "Succeeded", "RunSummary": "Succeeded"}
BROKEN = {"ImportExampleGen": "Succeeded", "Trainer-small": "Failed", "RunSummary": "Succeeded"}


@pytest.mark.parametrize("option", ["--token", "--existing-token", "--token-file"])
def test_the_token_is_sent_and_never_shown(
    submit: Submit, fake: FakeKfp, tmp_path: Path, option: str
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    value = str(tmp_path / "token") if option == "--token-file" else TOKEN
    fake.token = TOKEN
    fake.snapshots = [Snapshot("FAILED", workflow(BROKEN))]
    fake.logs = {node_of(workflow(BROKEN), "Trainer-small")["id"]: f"ValueError: {TOKEN}"}
    code, output, errors = submit(option, value, "--wait", *QUICK)
    assert code == 1
    assert {request.headers["authorization"] for request in fake.requests} == {f"Bearer {TOKEN}"}
    assert "BROKEN in Trainer-small: ValueError: ***" in output
    fake.failures = [Failure("healthz", 403, f"no rights for {TOKEN}")]
    code, more, denied = submit(option, value)
    assert code == 2
    assert "403" in denied
    assert TOKEN not in output + errors + more + denied


def test_a_token_that_is_renewed_is_read_anew(
    submit: Submit, fake: FakeKfp, tmp_path: Path
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("first")
    fake.token = "first"
    fake.snapshots = [Snapshot("RUNNING"), Snapshot("SUCCEEDED", workflow(DONE))]

    def renew() -> None:
        fake.token = "second"
        token_file.write_text("second")

    fake.on_look = renew
    assert submit("--token-file", token_file, "--wait", *QUICK)[0] == 0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
         "-out", files[0], "-keyout", files[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    return files


def test_tls_needs_the_authoritys_certificate(
    submit: Submit, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    with FakeKfp(certificate=certificate) as server:
        code, _, errors = submit(host=server.url)
        assert code == 2
        assert "expected a TLS connection to be made" in errors
        assert "--ssl-ca-cert FILE" in errors
        assert errors.count("\n") == 1
        assert submit("--ssl-ca-cert", certificate[0], host=server.url)[0] == 0
        assert submit("--skip-tls-verify", host=server.url)[0] == 0
        assert len(server.stored["runs"]) == 2
    code, _, errors = submit("--ssl-ca-cert", tmp_path / "absent", host=server.url)
    assert code == 2
    assert "--ssl-ca-cert: expected a file that can be read" in errors


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (Failure("healthz", 401, '{"message": "who are you"}'), ["401", "who are you", "--token"]),
        (Failure("healthz", 403, "<html><b>RBAC</b></html>"), ["403", "RBAC", "--namespace"]),
        (Failure("healthz", 404, "nothing here"), ["404", "--host", "/apis/v2beta1"]),
        (Failure("healthz", 200, "<html>Log in</html>"), ["something else", "log-in"]),
        (Failure("upload_version", 500, '{"error_message": "disk full"}'), ["500", "disk full"]),
        (Failure("upload_version", 413, "large"), ["413", "smaller pipeline"]),
        (Failure("/runs", 400, '{"message": "bad parameter"}'), ["400", "bad parameter"]),
    ],
)
def test_a_refused_request_is_one_line_with_what_to_do(
    submit: Submit, fake: FakeKfp, failure: Failure, words: list[str]
) -> None:
    fake.failures = [failure]
    code, _, errors = submit()
    assert code == 2
    assert errors.count("\n") == 1
    assert errors.startswith("Cannot submit: expected ")
    assert "How to fix: " in errors
    for word in words:
        assert word in errors
    assert not fake.stored["runs"]


def test_a_version_name_that_is_taken_is_told(submit: Submit, fake: FakeKfp) -> None:
    assert submit("--version", "one")[0] == 0
    code, _, errors = submit("--version", "one")
    assert code == 2
    assert "--version: expected a name that is free, got 'one'" in errors
    assert len(fake.stored["runs"]) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("http://127.0.0.1:{port}", "got Failed to establish a new connection: [Errno 111] Conn"),
        ("127.0.0.1:{port}", "expected KFP to answer at 127.0.0.1:"),
        ("http://[nowhere", "expected an address at http://[nowhere"),
    ],
)
def test_nobody_there_is_told_in_one_line(
    repository: Path, compiled: Path, host: str, words: str
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = host.format(port=unused.getsockname()[1])
        # As a process, as pytest keeps back what libraries log.
        done = subprocess.run(
            [sys.executable, repository / "kubeflow" / "submit.py", compiled, "--host", address],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_server_that_never_answers_is_not_waited_for(
    submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_TIMEOUT_S", (0.1, 0.1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        code, _, errors = submit(host=f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert code == 2
    assert "timed out" in errors


def test_tls_where_there_is_none_is_told(submit: Submit, fake: FakeKfp) -> None:
    code, _, errors = submit(host=fake.url.replace("http:", "https:"))
    assert code == 2
    assert "got [SSL: WRONG_VERSION_NUMBER] wrong version number" in errors
    assert "write http:// in --host" in errors


def test_no_address_at_all_is_told(repository: Path, compiled: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, repository / "kubeflow" / "submit.py", compiled],
        env={"HOME": str(tmp_path), "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "expected KFP's address, got none" in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_is_wrong_with_the_input_is_told_before_any_request(
    submit: Submit, fake: FakeKfp
) -> None:
    for arguments in (
        ("--param", "epoch=5"),
        ("--param", "epochs=many"),
        ("--recurring", "every Sunday"),
    ):
        code, _, errors = submit(*arguments)
        assert code == 2
        assert errors.count("\n") == 1
    assert not fake.requests
