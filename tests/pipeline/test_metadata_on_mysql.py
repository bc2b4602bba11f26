"""The metadata store on a real server: whole runs, the cache, and each way it can fail."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ml_metadata.metadata_store import metadata_store

import local_runner
from contract.errors import InputError
from contract.settings import MetadataSettings
from pipeline.metadata_store import connection_config, explained
from tests.pipeline.mariadb_server import PASSWORD, USER, MariaDb, is_installed
from tests.tools.kfp_emulator.test_emulated_runs import LENIENT, OVERRIDES

pytestmark = pytest.mark.skipif(
    not is_installed(), reason="no MariaDB: apt-get install mariadb-server"
)
ELSEWHERE = Path("/unused")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MariaDb]:
    monkeypatch.setenv("MYSQL_PASSWORD", PASSWORD)
    # Not pytest's folder: the path of a socket is at most 107 characters.
    with tempfile.TemporaryDirectory() as folder, MariaDb(Path(folder)) as running:
        yield running


def settings_of(server: MariaDb, **changes: str) -> MetadataSettings:
    return MetadataSettings(
        backend="mysql", mysql_host="127.0.0.1", mysql_port=server.port, mysql_user=USER
    ).model_copy(update=changes)


def test_a_missing_database_is_made_and_used(server: MariaDb) -> None:
    for _ in range(2):
        store = metadata_store.MetadataStore(connection_config(settings_of(server), ELSEWHERE))
        assert store.get_artifacts() == []


def test_a_wrong_password_is_told(server: MariaDb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYSQL_PASSWORD", "another")
    with pytest.raises(InputError, match=rf"takes the user {USER} with the password in MYSQL_PASS"):
        connection_config(settings_of(server), ELSEWHERE)


def test_a_database_that_may_not_be_made_is_told(server: MariaDb) -> None:
    with pytest.raises(InputError, match=r"expected the database other at .* How to fix: create"):
        connection_config(settings_of(server, mysql_database="other"), ELSEWHERE)


def test_a_server_that_goes_away_is_told(server: MariaDb) -> None:
    settings = settings_of(server)
    store = metadata_store.MetadataStore(connection_config(settings, ELSEWHERE))
    with pytest.raises(ZeroDivisionError), explained(settings):
        raise ZeroDivisionError  # what has nothing to do with the server stays as it is
    server.stop()
    gone = f"expected a MySQL server at 127.0.0.1:{server.port}, got .* the same command"
    with pytest.raises(InputError, match=gone), explained(settings):
        store.get_artifacts()
    with pytest.raises(InputError, match=gone):
        connection_config(settings, ELSEWHERE)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_second_run_is_answered_from_the_cache(
    server: MariaDb, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store = [
        *("metadata.backend=mysql", "metadata.mysql_host=127.0.0.1"),
        *(f"metadata.mysql_port={server.port}", f"metadata.mysql_user={USER}"),
    ]
    one_candidate = [
        *("candidates={ann_small: {}}", "report.enabled=false"),
        *(each for each in OVERRIDES if "cnn_baseline" not in each and "report" not in each),
    ]
    lenient = [f"gate.{name.removeprefix('gate_')}={value}" for name, value in LENIENT.items()]
    command = ["--output", str(tmp_path), "--set", *one_candidate, *lenient, *store]
    assert local_runner.main(command) == 0
    first = capfd.readouterr().out
    assert local_runner.main(command) == 0
    second = capfd.readouterr().out
    # What follows has a new baseline: the model that the first run pushed.
    cached = set(re.findall(r"\] ([\w-]+) +cached", second))
    assert {"ImportExampleGen", "Transform", "Trainer-ann-small", "Selector"} <= cached, second
    assert "cached" not in first
    assert not (tmp_path / "metadata.sqlite").exists()
    assert os.environ["MYSQL_PASSWORD"] not in first + second
