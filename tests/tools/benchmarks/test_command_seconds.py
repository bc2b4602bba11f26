from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from tools.benchmarks.command_seconds import REPOSITORY, commands_in_turn, run_command

# A process's own processor seconds do not depend on how busy the machine is.
BUSY = "import time\nwhile time.process_time() < 0.3: pass"
CHILD_IS_BUSY = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])"


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_a_command_runs_in_the_repository() -> None:
    folder = f"import os\nassert os.getcwd() == {str(REPOSITORY)!r}"
    assert run_command(python(folder)) == 0


def test_an_exit_code_that_is_not_expected_is_told_with_the_command() -> None:
    assert run_command(python("raise SystemExit(3)"), exit_codes=(0, 3)) == 3
    with pytest.raises(RuntimeError, match=r"expected exit code 0 or 3, got 4 of: .*SystemExit"):
        run_command(python("raise SystemExit(4)"), exit_codes=(3, 0))


@pytest.mark.parametrize(
    ("with_warm_up", "labels"),
    [(True, ["warm-up", "round 1", "round 2"]), (False, ["round 1", "round 2"])],
)
def test_sides_take_turns(with_warm_up: bool, labels: list[str]) -> None:
    order: list[str] = []
    told: list[str] = []

    def side(name: str) -> Callable[[], object]:
        def work() -> None:
            order.append(name)
            run_command(python("pass"))

        return work

    sides = {"a": side("a"), "b": side("b")}
    seconds = commands_in_turn(sides, 2, told.append, with_warm_up=with_warm_up)
    assert order == ["a", "b"] * len(labels)
    assert [line.split(": ")[0].strip() for line in told] == [it for it in labels for _ in "ab"]
    assert {name: len(it.clock_s) for name, it in seconds.items()} == {"a": 2, "b": 2}


def test_processors_count_what_a_commands_own_children_do_and_nothing_before() -> None:
    sides = {
        "busy": lambda: run_command(python(CHILD_IS_BUSY)),
        "idle": lambda: run_command(python("pass")),
    }
    seconds = commands_in_turn(sides, 1, lambda _: None, with_warm_up=False)
    (busy_s,), (idle_s,) = seconds["busy"].processor_s, seconds["idle"].processor_s
    assert busy_s >= 0.3
    assert idle_s < busy_s
