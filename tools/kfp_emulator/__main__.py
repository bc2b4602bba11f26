"""Run a compiled pipeline on this machine as KFP's driver and launcher would.

Exit codes: 0 the run succeeded, 1 it failed, 2 the pipeline or a parameter cannot be used,
130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.table import Table
from rich.text import Text

from contract.command_line import EXIT_BROKEN, EXIT_DONE, run_command
from contract.long_lived import end_program
from tools.kfp_emulator.cluster import DEFAULT_ROOT, Cluster
from tools.kfp_emulator.containers import ContainerEngine
from tools.kfp_emulator.documents import read_documents
from tools.kfp_emulator.parameters import parse_parameters
from tools.kfp_emulator.results import RunResult, TaskEvent
from tools.kfp_emulator.warm_start import WarmStarter

_STYLES = {"SUCCEEDED": "green", "CACHED": "cyan", "FAILED": "bold red", "SKIPPED": "yellow"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parse_arguments(arguments)
    signal.signal(signal.SIGTERM, _interrupt)  # so that the tasks' processes end, too
    return run_command(
        lambda: _run(options),
        cannot="run",
        interrupted="Interrupted. The same command takes what had finished from the cache.",
    )


def _run(options: argparse.Namespace) -> int:
    console = Console(highlight=False)
    spec = read_documents(options.pipeline).spec
    with warm_starter(options.home, is_cold=options.cold or options.containers) as warm:
        result = Cluster(
            options.home,
            max_parallel=options.parallel,
            backoff_factor=options.backoff_factor,
            warm=warm,
            containers=_containers(options),
        ).run(
            options.pipeline,
            parse_parameters(spec.root.input_definitions, options.param),
            root=options.root,
            on_event=lambda event: print_event(console, event),
        )
    print_result(console, result)
    console.print(f"Logs: {options.home / 'runs' / result.run_id}", soft_wrap=True)
    return EXIT_DONE if result.state == "SUCCEEDED" else EXIT_BROKEN


def _containers(options: argparse.Namespace) -> ContainerEngine | None:
    if not options.containers:
        return None
    claims = dict(claim.split("=", maxsplit=1) for claim in options.claim)
    return ContainerEngine(
        shlex.split(options.engine),
        shlex.split(options.engine_flags),
        {name: Path(folder) for name, folder in claims.items()},
    )


def warm_starter(
    home: Path, *, is_cold: bool
) -> contextlib.AbstractContextManager[WarmStarter | None]:
    """Return what starts tasks warm, or nothing where each shall start from nothing."""
    return contextlib.nullcontext() if is_cold else WarmStarter(home / "warm-start.log")


def print_result(console: Console, result: RunResult) -> None:
    """Show a run as a table of its tasks, in the order in which they started."""
    table = Table(box=None, pad_edge=False)
    longest = max((len(name) for name in result.tasks), default=0)
    table.add_column("Task", no_wrap=True, min_width=longest)  # the errors make room
    for title in ("State", "Attempts", "Seconds"):
        table.add_column(title)
    table.add_column("Error", overflow="fold")
    for task in sorted(result.tasks.values(), key=lambda task: task.started_s):
        table.add_row(
            Text(task.name),
            Text(task.state, style=_STYLES[task.state]),
            str(task.attempts),
            f"{task.ended_s - task.started_s:.1f}",
            Text("\n".join((*((task.error,) if task.error else ()), *task.warnings))),
        )
    console.print(table)
    console.print(
        Text.assemble(
            "Run ", (result.state, _STYLES[result.state]), f" after {result.wall_s:.1f} s"
        )
    )


def _parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.kfp_emulator",
        description=str(__doc__).splitlines()[0],
    )
    parser.add_argument("pipeline", type=Path, help="the compiled YAML")
    parser.add_argument(
        "--home",
        type=Path,
        required=True,
        metavar="DIR",
        help="where objects, cache and logs last; a further run there uses them",
    )
    parser.add_argument(
        "--param",
        metavar="NAME=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="run parameters, e.g. --param epochs=1 push_dir=/srv/models",
    )
    parser.add_argument("--root", default=DEFAULT_ROOT, help="pipeline root (default: %(default)s)")
    parser.add_argument(
        "--parallel", type=int, default=2, metavar="N", help="tasks at a time (default: 2)"
    )
    parser.add_argument(
        "--backoff-factor",
        type=float,
        default=0.0,
        metavar="F",
        help="stretches pauses before retries; 1 waits as a cluster does (default: 0)",
    )
    parser.add_argument(
        "--cold",
        action="store_true",
        help="start each task from nothing, as a pod does; otherwise from a process that has "
        "imported the libraries",
    )
    parser.add_argument(
        "--containers",
        action="store_true",
        help="start each task in a container of its image: no network, closed root, uid 10001",
    )
    parser.add_argument(
        "--engine",
        default="docker",
        metavar="COMMAND",
        help="the program for --containers, with its own options (default: %(default)s)",
    )
    parser.add_argument(
        "--engine-flags",
        default="",
        metavar="TEXT",
        help="more options of its `run`, written --engine-flags='--option ...'",
    )
    parser.add_argument(
        "--claim",
        metavar="CLAIM=DIR",
        nargs="+",
        action="extend",
        default=[],
        type=_claim,
        help="folders for the volume claims that containers mount",
    )
    return parser.parse_args(arguments)


def _claim(text: str) -> str:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise argparse.ArgumentTypeError(f"expected CLAIM=DIR, got {text!r}")
    return text


def print_event(console: Console, event: TaskEvent) -> None:
    """Show an event of a run as one line."""
    words = {
        "started": "started" if event.attempt < 2 else f"started, attempt {event.attempt}",
        "retrying": f"attempt {event.attempt} failed",
        "finished": (event.state or "").lower(),
    }[event.kind]
    error = f"  {event.error}" if event.error else ""
    console.print(
        Text(f"{event.elapsed_s:7.1f} s  {event.task:<24} {words}{error}"), soft_wrap=True
    )


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    end_program(main())
