"""Commands that take turns, with what each costs by the clock and of the processor."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from tools.benchmarks.command_figures import CommandSeconds
from tools.benchmarks.measurement import Show

REPOSITORY = Path(__file__).resolve().parents[2]
Work = Callable[[], object]  # runs processes, and waits for them


def run_command(command: Sequence[str], exit_codes: Collection[int] = (0,)) -> int:
    """Run a command in the repository's root; return its exit code.

    Raises:
        RuntimeError: The exit code is not one of `exit_codes`.
    """
    code = subprocess.run(command, cwd=REPOSITORY, check=False).returncode
    if code not in exit_codes:
        expected = " or ".join(map(str, sorted(exit_codes)))
        raise RuntimeError(f"expected exit code {expected}, got {code} of: {' '.join(command)}")
    return code


def commands_in_turn(
    sides: Mapping[str, Work], num_rounds: int, show: Show, *, with_warm_up: bool
) -> dict[str, CommandSeconds]:
    """Measure A B A B.

    A processor's seconds are those of all processes that the work waited for, and of their
    children. No other child process may end meanwhile.

    Args:
        sides: What each side does.
        num_rounds: How often each side is measured, at least 1.
        show: Receives a line for each measurement.
        with_warm_up: Whether every side first runs once without being measured.
    """
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for number in range(0 if with_warm_up else 1, num_rounds + 1):
        for name, work in sides.items():
            spent_s = _spent(work)
            label = f"round {number}" if number else "warm-up"
            show(f"  {label}: {name} {spent_s[0]:.2f} s, {spent_s[1]:.2f} s of a processor")
            if number:
                measured[name].append(spent_s)
    return {
        name: CommandSeconds(
            clock_s=tuple(clock_s for clock_s, _ in spent),
            processor_s=tuple(processor_s for _, processor_s in spent),
        )
        for name, spent in measured.items()
    }


def _spent(work: Work) -> tuple[float, float]:
    processor_before_s, started_s = _processor_s(), time.perf_counter()
    work()
    return time.perf_counter() - started_s, _processor_s() - processor_before_s


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
