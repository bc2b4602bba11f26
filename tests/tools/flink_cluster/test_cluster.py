"""What prevents a cluster is said in one line, before anything is started."""

import re
import socket
import subprocess

import pytest

from contract.errors import InputError
from pipeline.load_config import load_settings
from tools.flink_cluster import __main__ as command
from tools.flink_cluster import artifacts, cluster
from tools.flink_cluster.cluster import Ports


def without(monkeypatch, missing):
    monkeypatch.setattr(
        artifacts.shutil, "which", lambda name: None if name == missing else f"/bin/{name}"
    )


@pytest.mark.parametrize(
    ("missing", "named"), [("java", "Java"), ("javac", "Java's compiler"), ("mvn", "Maven")]
)
def test_a_missing_tool_is_named(monkeypatch, tmp_path, capsys, missing, named):
    without(monkeypatch, missing)
    assert command.main(["up", "--folder", str(tmp_path / "cluster")]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert error.startswith(f"Cannot start the cluster: expected {named} for a Flink cluster")
    assert "apt install openjdk-17-jdk-headless maven" in error
    assert not (tmp_path / "cluster" / "run").exists()


def test_a_java_that_flink_does_not_run_on_is_refused(monkeypatch):
    without(monkeypatch, None)
    told = subprocess.CompletedProcess([], 0, stderr='openjdk version "1.8.0_392"\n')
    monkeypatch.setattr(artifacts.subprocess, "run", lambda *args, **options: told)
    assert artifacts.missing_tools().startswith("expected Java 11 to 21 for a Flink cluster")
    told.stderr = 'openjdk version "17.0.15" 2025-04-15\n'
    assert artifacts.missing_tools() == ""


def test_what_maven_says_is_shown_and_nothing_is_taken_for_fetched(monkeypatch, tmp_path):
    def run(command, stdout, **options):
        stdout.write(b"[ERROR] Could not resolve org.apache.beam\n[ERROR] more\n")
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(artifacts, "missing_tools", lambda: "")
    monkeypatch.setattr(artifacts.subprocess, "run", run)
    for _ in range(2):
        with pytest.raises(InputError, match=r"got exit code 1: \[ERROR\] Could not resolve"):
            artifacts.fetch_artifacts(tmp_path / "artifacts")


def test_a_maven_that_does_not_end_is_named(monkeypatch, tmp_path):
    def run(command, timeout, **options):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(artifacts, "missing_tools", lambda: "")
    monkeypatch.setattr(artifacts.subprocess, "run", run)
    with pytest.raises(InputError, match=r"expected Maven to fetch .* within 600 s, got no end"):
        artifacts.fetch_artifacts(tmp_path / "artifacts")


def test_artifacts_are_fetched_once_for_each_state_of_the_pom(monkeypatch, tmp_path):
    calls = []

    def run(command, **options):
        calls.append(command)
        return subprocess.CompletedProcess(command, 0)

    pom = tmp_path / "pom.xml"
    pom.write_bytes(artifacts.POM.read_bytes())
    monkeypatch.setattr(artifacts, "POM", pom)
    monkeypatch.setattr(artifacts, "missing_tools", lambda: "")
    monkeypatch.setattr(artifacts.subprocess, "run", run)
    for _ in range(2):
        jars = artifacts.fetch_artifacts(tmp_path / "artifacts")
    assert len(calls) == 1
    assert jars.is_dir()
    pom.write_text("another version")
    artifacts.fetch_artifacts(tmp_path / "artifacts")
    assert len(calls) == 2


def test_a_port_in_use_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(cluster, "fetch_artifacts", lambda folder, on_fetch: folder)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(InputError, match=re.escape(f"{port} (job_server) in use")):
            cluster.start(tmp_path / "cluster", Ports(0, 0, port, 0, 0))  # none is at 0
    assert not (tmp_path / "cluster" / "run").exists()


def test_what_does_not_run_cannot_be_killed(tmp_path):
    with pytest.raises(InputError, match=r"expected jobserver to run in .*, got nothing that runs"):
        cluster.kill(cluster.JOB_SERVER, tmp_path)


def test_an_empty_folder_has_nothing_to_end(tmp_path, capsys):
    assert command.main(["down", "--folder", str(tmp_path / "cluster")]) == 0
    assert capsys.readouterr().out == "Nothing was running\n"


def test_the_named_configuration_is_for_this_cluster():
    of_configuration = load_settings("flink").beam.pipeline_args
    assert len(of_configuration) == len(cluster.pipeline_args())
    further = load_settings("flink").beam.node_pipeline_args
    assert further == {"Transform": cluster.TRANSFORM_ARGS}
    relative = [argument.replace(f"{cluster.ROOT}/", "") for argument in cluster.pipeline_args()]
    assert set(of_configuration) == set(relative)
