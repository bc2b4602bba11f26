"""Tests of `pipeline.logs`."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import logging
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import warnings
from pathlib import Path

import pytest

from contract.errors import InputError
from pipeline.logs import quiet_logs, set_environment

ROOT = Path(__file__).resolve().parents[2]
TIMED = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ", re.MULTILINE)

# Speaks in every way in which the libraries do.
NOISY_PROGRAM = """
import ctypes, logging, os, subprocess, sys, threading, warnings
from pathlib import Path
from pipeline.logs import quiet_logs

print("before")
try:
    with quiet_logs(Path(sys.argv[1]), verbose="--verbose" in sys.argv) as console:
        console.print("shown", console.width)
        print("printed")
        logging.getLogger("some.library").info("logged %d", 1)
        os.write(2, b"written to descriptor 2\\n")
        libc = ctypes.CDLL(None)
        libc.printf(b"written by C\\n")
        libc.fflush(None)
        warnings.warn("warned")
        subprocess.run(["sh", "-c", "echo child; echo child error >&2"], check=True)
        thread = threading.Thread(target=lambda: logging.getLogger("worker").info("threaded"))
        thread.start()
        thread.join()
        if "--fail" in sys.argv:
            raise KeyError("failed")
finally:
    print("after")
"""
HIDDEN = (
    "printed",
    "logged 1",
    "written to descriptor 2",
    "written by C",
    "warned",
    "child",
    "child error",
    "threaded",
)


def run_noisy(log_file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", NOISY_PROGRAM, str(log_file), *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_on_a_pipe_only_the_console_is_seen(tmp_path: Path) -> None:
    run = run_noisy(tmp_path / "logs" / "run.log")
    assert run.returncode == 0
    assert run.stdout == "before\nshown 100\nafter\n"
    assert run.stderr == ""
    log = (tmp_path / "logs" / "run.log").read_text()
    for text in HIDDEN:
        assert text in log
    assert "shown" not in log
    lines = {line for line in log.splitlines() if TIMED.match(line)}
    assert any(line.endswith(" INFO some.library: logged 1") for line in lines)
    assert any(line.endswith(" INFO worker: threaded") for line in lines)
    assert any("WARNING py.warnings:" in line and "warned" in line for line in lines)


def test_what_is_printed_keeps_its_place_between_the_records(tmp_path: Path) -> None:
    run_noisy(tmp_path / "run.log")
    log = (tmp_path / "run.log").read_text()
    places = [log.index(text) for text in ("printed", "logged 1", "descriptor 2", "by C", "warned")]
    assert places == sorted(places)


def test_verbose_shows_the_records_only(tmp_path: Path) -> None:
    run = run_noisy(tmp_path / "run.log", "--verbose")
    assert "INFO some.library: logged 1" in run.stdout
    assert "WARNING py.warnings:" in run.stdout
    assert "INFO worker: threaded" in run.stdout
    assert "descriptor 2" not in run.stdout
    assert run.stderr == ""
    assert "INFO some.library: logged 1" in (tmp_path / "run.log").read_text()


def test_an_exception_comes_through_and_all_is_restored(tmp_path: Path) -> None:
    run = run_noisy(tmp_path / "run.log", "--fail")
    assert run.returncode == 1
    assert run.stdout == "before\nshown 100\nafter\n"
    assert "KeyError: 'failed'" in run.stderr


def test_the_log_is_appended_to(tmp_path: Path) -> None:
    run_noisy(tmp_path / "run.log")
    run_noisy(tmp_path / "run.log")
    assert (tmp_path / "run.log").read_text().count("logged 1") == 2


def test_on_a_terminal_its_width_is_found_although_it_is_no_standard_stream(
    tmp_path: Path,
) -> None:
    program = (
        "import sys; from pathlib import Path; from pipeline.logs import quiet_logs\n"
        "with quiet_logs(Path(sys.argv[1])) as console:\n"
        "    print('printed')\n"
        "    console.print(console.width, console.is_interactive)\n"
    )
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 133, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "run.log")],
        cwd=ROOT,
        env={**environment, "TERM": "xterm", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
        check=True,
    )
    os.close(follower)
    shown = os.read(leader, 10_000).decode()
    os.close(leader)
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown).split() == ["133", "True"]


def test_forced_colour_makes_no_pipe_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with quiet_logs(tmp_path / "run.log") as console:
        assert not console.is_interactive


def test_python_is_as_it_was_before(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, warnings.showwarning)
    descriptors = len(os.listdir("/proc/self/fd"))
    with contextlib.suppress(ZeroDivisionError), quiet_logs(tmp_path / "run.log"):
        assert root.handlers != before[0]
        assert root.isEnabledFor(logging.INFO)
        raise ZeroDivisionError
    assert (root.handlers, root.level, warnings.showwarning) == before
    assert len(os.listdir("/proc/self/fd")) == descriptors
    os.write(1, b"out")
    os.write(2, b"err")
    assert capfd.readouterr() == ("out", "err")


def test_threads_are_covered(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    libc = ctypes.CDLL(None)

    def write() -> None:
        os.write(1, b"from a thread\n")
        libc.fflush(None)

    with quiet_logs(tmp_path / "run.log"):
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert capfd.readouterr() == ("", "")
    assert (tmp_path / "run.log").read_text() == "from a thread\n"


@pytest.mark.parametrize("log_file", ["file/run.log", "folder"])
def test_a_log_that_cannot_be_written_is_refused(tmp_path: Path, log_file: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="give a writable folder") as caught:
        quiet_logs(tmp_path / log_file).__enter__()
    assert str(tmp_path / log_file) in str(caught.value)


def test_the_environment_keeps_what_the_user_has_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    monkeypatch.delenv("GRPC_VERBOSITY", raising=False)
    set_environment()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
    assert os.environ["GRPC_VERBOSITY"] == "ERROR"
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    set_environment()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "1"
