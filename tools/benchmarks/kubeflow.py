"""Compiling for Kubeflow, a task's entrypoint, and a whole run under the emulation."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from pipeline.load_config import load_settings
from tools.benchmarks.command_figures import (
    CommandSeconds,
    CompilationFigures,
    EmulationFigures,
    TaskFigures,
)
from tools.benchmarks.command_seconds import commands_in_turn, run_command
from tools.benchmarks.images import Sizes
from tools.benchmarks.kubeflow_cases import COMPILE, TASK
from tools.benchmarks.kubeflow_task import lone_task
from tools.benchmarks.measurement import Show

# A run takes minutes: so few show no more than whether the target is near.
_NUM_RUNS: Mapping[str, int] = {"quick": 1, "synthetic": 2}
_BLESSED_OR_REFUSED = (0, 3)
_IMPORTS = """
import sys
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor
from tfx.utils import import_utils
import_utils.import_class_by_path(sys.argv[1])
"""


def measure(
    data: str | None, work_dir: Path, sizes: Sizes, show: Show, case: str
) -> CompilationFigures | TaskFigures | EmulationFigures:
    """Measure one case.

    Args:
        data: Not used: a run draws its images, and the rest needs none.
        work_dir: For everything that is written.
        sizes: How often short commands are measured.
        show: Receives a line for each measurement.
        case: See `tools.benchmarks.kubeflow_cases`.

    Raises:
        InputError: The configuration cannot be used.
        RuntimeError: A command failed.
        LaunchError: A task failed.
    """
    del data
    kind, argument = case.split()
    if kind == COMPILE:
        return _measure_compilation(argument, work_dir, sizes, show)
    if kind == TASK:
        return _measure_task(argument, work_dir, sizes, show)
    return _measure_run(argument, work_dir, show)


def _compiled(config: str, work_dir: Path) -> Path:
    return work_dir / f"{config}.yaml"


def _compile(config: str, work_dir: Path) -> None:
    command = [sys.executable, "kubeflow/compile.py", "--config", config]
    # Runs' notes go where a task may write.
    command += ["--set", f"kubeflow.runs_dir={work_dir / 'runs'}"]
    command += ["--output", str(_compiled(config, work_dir))]
    run_command([*command, "--log", str(work_dir / "compile.log")])


def _measure_compilation(
    config: str, work_dir: Path, sizes: Sizes, show: Show
) -> CompilationFigures:
    sides = {COMPILE: lambda: _compile(config, work_dir)}
    seconds = commands_in_turn(sides, sizes.num_rounds, show, with_warm_up=sizes.has_warm_up)[
        COMPILE
    ]
    return CompilationFigures(
        config=config,
        num_candidates=len(load_settings(config, []).candidates),
        seconds=seconds,
        size_kib=_compiled(config, work_dir).stat().st_size / 1024,
    )


def _measure_task(node: str, work_dir: Path, sizes: Sizes, show: Show) -> TaskFigures:
    compiled = _compiled("default", work_dir)
    if not compiled.is_file():  # compiling has not been measured before
        _compile("default", work_dir)
    task = lone_task(compiled, node, work_dir / "task")
    sides = {"task": task.attempt, "import": lambda: task.import_only(_IMPORTS)}
    seconds = commands_in_turn(sides, sizes.num_rounds, show, with_warm_up=sizes.has_warm_up)
    return TaskFigures(
        node=node,
        ours="one attempt of the task as the launcher starts it: our entrypoint, nothing warm",
        bare="a fresh process that imports TFX's own entrypoint and the task's executor",
        ours_seconds=seconds["task"],
        bare_seconds=seconds["import"],
    )


def _measure_run(config: str, work_dir: Path, show: Show) -> EmulationFigures:
    seconds = _runs_in_turn(config, work_dir, show)
    return EmulationFigures(
        config=config,
        ours="kubeflow/local.py: draw, convert, compile, every task in its own process",
        bare="local_runner.py with the same configuration: draw, convert, every node",
        ours_seconds=seconds["emulated"],
        bare_seconds=seconds["local"],
    )


def _runs_in_turn(config: str, work_dir: Path, show: Show) -> dict[str, CommandSeconds]:
    outputs = (work_dir / f"output-{number}" for number in range(2 * _NUM_RUNS[config]))

    def run(script: str) -> None:
        # Nothing is answered from what an earlier run left.
        command = [sys.executable, script, "--config", config, "--output", str(next(outputs))]
        run_command(command, _BLESSED_OR_REFUSED)

    sides = {
        "emulated": lambda: run("kubeflow/local.py"),
        "local": lambda: run("local_runner.py"),
    }
    return commands_in_turn(sides, _NUM_RUNS[config], show, with_warm_up=False)
