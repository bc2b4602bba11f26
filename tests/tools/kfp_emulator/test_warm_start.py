"""Tasks forked from a server, held to what `python -m` does with the same module."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tools.kfp_emulator.fork_server import PRELOADED
from tools.kfp_emulator.warm_start import WarmProcess, WarmStarter

TIMEOUT_S = 60.0
TASK = "import sys\nexec(sys.argv[1])\n"  # a module that does what its argument says
HOLD = """
import fcntl, time
lock = open({file!r}, "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


class Starter:
    """A server in the folder of its module."""

    def __init__(self, folder: Path, modules: tuple[str, ...] = ("json",)) -> None:
        self.folder, self.server_log = folder, folder / "logs" / "server.log"
        (folder / "task.py").write_text(TASK)
        repository = Path(__file__).resolve().parents[3]
        environment = os.environ | {"PYTHONPATH": str(repository), "OF_THE_SERVER": "1"}
        self.warm = WarmStarter(self.server_log, environment, folder, modules)

    def start(
        self,
        code: str,
        log: str = "task.log",
        environment: Mapping[str, str] | None = None,
        working_dir: Path | None = None,
    ) -> WarmProcess:
        return self.warm.start(
            "task", [code], environment or {}, working_dir or self.folder, self.folder / log
        )

    def run(self, code: str) -> tuple[int, str]:
        """Return the exit code and the log."""
        exit_code = self.start(code).wait(TIMEOUT_S)
        return exit_code, (self.folder / "task.log").read_text()

    def hold(self, file: Path) -> WarmProcess:
        """Start a task that holds a lock for as long as it lives."""
        process = self.start(HOLD.format(file=str(file)), log="holder.log")
        wait_until(lambda: has_said("held", self.folder / "holder.log"))
        assert not is_free(file)
        return process


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def has_said(word: str, log: Path) -> bool:
    return log.exists() and word in log.read_text()


def is_free(file: Path) -> bool:
    """Return whether the process that held a lock has ended, even if nobody has waited for it."""
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    starter = Starter(tmp_path_factory.mktemp("shared"))
    with starter.warm:
        yield starter


@pytest.mark.parametrize(
    "code",
    [
        "pass",
        "sys.exit()",
        "sys.exit(3)",
        "sys.exit(True)",
        "sys.exit(256 + 7)",
        "sys.exit('no such file')",
        "print('said'); raise ValueError('broken')",
        "raise KeyboardInterrupt",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "import os; os.abort()",
    ],
)
def test_it_ends_as_a_process_of_its_own_would(shared: Starter, code: str) -> None:
    cold = subprocess.run(
        [sys.executable, "-m", "task", code], cwd=shared.folder, capture_output=True, text=True
    )
    exit_code, log = shared.run(code)
    # An interpreter ends an interrupted program by the signal; what counts here is that it failed.
    assert exit_code == (1 if "KeyboardInterrupt" in code else cold.returncode)
    for told in (cold.stdout, *cold.stderr.splitlines()[-1:]):
        assert told.strip() in log


def test_a_crash_leaves_its_traceback(shared: Starter) -> None:
    _, log = shared.run("raise ValueError('broken')")
    assert "Traceback (most recent call last)" in log
    assert "task.py" in log
    assert log.endswith("ValueError: broken\n")


def test_a_log_is_of_one_start(shared: Starter) -> None:
    shared.run("print('first')")
    assert shared.run("print('second')") == (0, "second\n")


def test_arguments_variables_folder_and_input_are_the_tasks_own(
    shared: Starter, tmp_path: Path
) -> None:
    code = """
import json, os
print(json.dumps([__name__, len(sys.argv), dict(os.environ), os.getcwd(), sys.stdin.read()]))
"""
    process = shared.start(code, "facts.log", {"NAME": "välue"}, tmp_path)
    assert process.wait(TIMEOUT_S) == 0
    facts = json.loads((shared.folder / "facts.log").read_text())
    assert facts == ["__main__", 2, {"NAME": "välue"}, str(tmp_path), ""]


def test_a_task_leaves_nothing_to_the_next(shared: Starter) -> None:
    code = "import json; print(hasattr(json, 'mark')); json.mark = 1; sys.path.append('/x')"
    assert shared.run(code) == (0, "False\n")
    assert shared.run(code) == (0, "False\n")


def test_tasks_run_side_by_side(shared: Starter, tmp_path: Path) -> None:
    code = """
import time
from pathlib import Path
mine, other = {names}
Path(mine).touch()
while not Path(other).exists():
    time.sleep(0.01)
"""
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    processes = [
        shared.start(code.format(names=names), log=f"{index}.log")
        for index, names in enumerate([(a, b), (b, a)])
    ]
    assert processes[0].pid != processes[1].pid
    assert [process.wait(TIMEOUT_S) for process in processes] == [0, 0]


def test_a_task_is_a_group_of_its_own_and_may_be_killed(shared: Starter, tmp_path: Path) -> None:
    process = shared.start("import time; time.sleep(600)")
    assert os.getpgid(process.pid) == process.pid
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(TIMEOUT_S) == -signal.SIGKILL
    assert process.wait() == -signal.SIGKILL  # it may be asked again
    assert shared.run("print('next')") == (0, "next\n")


def test_tasks_end_with_the_context(tmp_path: Path) -> None:
    starter = Starter(tmp_path)
    with starter.warm:
        process = starter.hold(tmp_path / "lock")
    assert process.wait(TIMEOUT_S) == -signal.SIGKILL
    wait_until(lambda: is_free(tmp_path / "lock"))


def test_the_death_of_the_server_is_told(tmp_path: Path) -> None:
    starter = Starter(tmp_path)
    with starter.warm:
        _, server_id = starter.run("import os; print(os.getppid())")
        process = starter.hold(tmp_path / "lock")
        os.kill(int(server_id), signal.SIGKILL)
        assert process.wait(TIMEOUT_S) == -signal.SIGKILL
        wait_until(lambda: is_free(tmp_path / "lock"))
        for _ in range(2):
            with pytest.raises(OSError, match=f"has ended; see {starter.server_log}"):
                starter.start("pass")


def test_a_server_that_cannot_import_is_told(tmp_path: Path) -> None:
    starter = Starter(tmp_path, modules=("no_such_module",))
    with starter.warm, pytest.raises(OSError, match="has ended; see"):
        starter.start("pass")
    assert "No module named 'no_such_module'" in starter.server_log.read_text()


def test_tasks_end_when_the_emulator_is_killed(tmp_path: Path) -> None:
    (tmp_path / "task.py").write_text(TASK)
    lock = tmp_path / "lock"
    program = f"""
import time
from pathlib import Path
from tools.kfp_emulator.warm_start import WarmStarter
folder = Path({str(tmp_path)!r})
with WarmStarter(folder / "server.log", modules=["json"]) as warm:
    warm.start("task", [{HOLD.format(file=str(lock))!r}], {{}}, folder, folder / "task.log")
    time.sleep(600)
"""
    repository = Path(__file__).resolve().parents[3]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    emulator = subprocess.Popen([sys.executable, "-c", program], cwd=repository, env=environment)
    log = tmp_path / "task.log"
    try:
        wait_until(lambda: has_said("held", log))
        assert not is_free(lock)
    finally:
        emulator.kill()
        emulator.wait()
    wait_until(lambda: is_free(lock))


@pytest.mark.slow
def test_tasks_of_the_pipeline_have_their_libraries_at_once(tmp_path: Path) -> None:
    starter = Starter(tmp_path, modules=PRELOADED)
    with starter.warm:
        code = f"print({set(PRELOADED) | {'tensorflow', 'tfx'}} - set(sys.modules))"
        assert starter.run(code) == (0, "set()\n")
        # A task can compute: what TensorFlow starts, it starts in the task.
        assert starter.run("import tensorflow as tf; print(int(tf.constant(20) + 22))") == (
            0,
            "42\n",
        )
