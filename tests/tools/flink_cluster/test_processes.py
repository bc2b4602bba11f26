"""Processes of a cluster are found by pid file and variable, and no other is ended."""

import os
import signal
import sys
import time

import psutil
import pytest

from tools.flink_cluster import processes

SLEEP = "import time; time.sleep(60)"
PARENT = (
    "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', sys.argv[1]]); " + SLEEP
)


@pytest.fixture
def folder(tmp_path):
    yield tmp_path / "one"
    for name in ("one", "two"):
        processes.end_all(tmp_path / name)


def start(name, folder, code=SLEEP):
    return processes.start(name, [sys.executable, "-c", code, SLEEP], folder, folder.parent)


def wait_until(condition):
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def test_what_was_started_is_found_by_name_and_ended(folder):
    pids = {name: start(name, folder) for name in ("a", "b")}
    assert {name: each.pid for name, each in processes.running(folder).items()} == pids
    assert processes.end_all(folder) == 2
    assert processes.running(folder) == {}
    assert not any(psutil.pid_exists(pid) for pid in pids.values())


@pytest.mark.parametrize("hidden", [(True, True), (False, True), (True, False, True)])
def test_what_turns_into_another_program_is_running(folder, monkeypatch, hidden):
    """Linux shows no variables for a moment, as reads here find it; `sh` is such a program."""
    pid = start("a", folder)
    variables, reads = psutil.Process.environ, list(reversed(hidden))
    monkeypatch.setattr(
        psutil.Process,
        "environ",
        lambda process: {} if reads and reads.pop() else variables(process),
    )
    assert {name: each.pid for name, each in processes.running(folder).items()} == {"a": pid}
    monkeypatch.setattr(psutil.Process, "environ", lambda process: {})
    monkeypatch.setattr(processes, "_EXEC_S", 0.0)
    assert processes.running(folder) == {}


def test_children_are_ended_also_after_their_parent_was_killed(folder):
    pid = start("parent", folder, PARENT)
    wait_until(lambda: len(processes.all_of(folder)) == 2)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: processes.running(folder) == {})
    assert len(processes.all_of(folder)) == 1
    assert processes.end_all(folder) == 1
    assert processes.all_of(folder) == []


def test_another_cluster_and_a_pid_that_is_somebody_elses_are_left_alone(folder, tmp_path):
    start("a", folder)
    other = start("a", tmp_path / "two")
    (folder / "pids" / "stranger.pid").write_text(str(os.getpid()))
    (folder / "pids" / "of_another.pid").write_text(str(other))
    (folder / "pids" / "broken.pid").write_text("")
    assert set(processes.running(folder)) == {"a"}
    assert processes.end_all(folder) == 1
    assert processes.running(tmp_path / "two")["a"].pid == other
