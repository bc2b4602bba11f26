"""Measure the pipeline's stages against bare loops that do the same work, as ratios.

Exit codes: 0 measured, whatever the figures; 2 the data or the arguments cannot be
used; 1 a benchmark broke.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from contract.architectures import ARCHITECTURES
from contract.command_line import EXIT_BROKEN, EXIT_DONE, run_command
from contract.long_lived import end_program
from tools.benchmarks.candidate_cases import CASES
from tools.benchmarks.figures import Measurement
from tools.benchmarks.fresh_process import BenchmarkFailedError, run_in_fresh_process
from tools.benchmarks.images import FULL, QUICK, default_data
from tools.benchmarks.kubeflow_cases import CASES as KUBEFLOW_CASES
from tools.benchmarks.kubeflow_cases import QUICK_CASES as QUICK_KUBEFLOW_CASES
from tools.benchmarks.overhead import read_overhead
from tools.benchmarks.report import print_report, write_json

PAIRED = ("conversion", "transform", "training")
OVERHEAD = "overhead"
CANDIDATES = "candidates"
KUBEFLOW = "kubeflow"
SERVING = "serving"
NAMES = (*PAIRED, OVERHEAD, CANDIDATES, "beam_workers", KUBEFLOW, SERVING)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse_arguments(arguments)
    return run_command(lambda: _measure(options), cannot="measure")


def _measure(options: argparse.Namespace) -> int:
    console = Console(highlight=False)
    try:
        measurements = measure_all(options, console)
    except BenchmarkFailedError as error:
        console.print(f"[bold red]A benchmark broke:[/] {escape(str(error))}", soft_wrap=True)
        return EXIT_BROKEN
    print_report(console, measurements)
    if options.json:
        write_json(options.json, _images(options), measurements)
    return EXIT_DONE


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line, and fill in what was left open."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.benchmarks", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "names",
        metavar="NAME",
        nargs="*",
        help=f"of {', '.join(NAMES)} (default: {', '.join(PAIRED)}, "
        f"and {OVERHEAD} where --summary is given)",
    )
    parser.add_argument(
        "--data",
        metavar="SOURCE",
        default=default_data(),
        help="zip or folder of JPEG and PNG images, as for local_runner.py "
        "(default: the real X-rays beside the checkout, or else drawn images)",
    )
    parser.add_argument("--quick", action="store_true", help="fewer images, in a few minutes")
    parser.add_argument(
        "--summary", metavar="FILE", type=Path, help="summary.json of a run, for its overhead"
    )
    parser.add_argument(
        "--model",
        metavar="DIR",
        help=f"for {SERVING}: a SavedModel or a folder of versions (default: the newest pushed "
        "under output/serving, or else an untrained network)",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there, too")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"expected names of {', '.join(NAMES)}, got {', '.join(unknown)}")
    if not options.names:
        options.names = [*PAIRED, OVERHEAD] if options.summary else list(PAIRED)
    if OVERHEAD in options.names and not options.summary:
        parser.error("expected --summary OUTPUT/summary.json of a finished run for the overhead")
    return options


def measure_all(options: argparse.Namespace, console: Console) -> list[Measurement]:
    """Run the chosen benchmarks, one after the other.

    Raises:
        InputError: The data or the summary cannot be used.
        BenchmarkFailedError: A benchmark broke.
    """
    sizes = QUICK if options.quick else FULL
    measurements = []
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        if set(options.names) != {OVERHEAD}:
            console.print(f"Images: {escape(_images(options))}", soft_wrap=True)
        for name in options.names:
            console.print(f"[bold]{name}[/]")
            if name == OVERHEAD:
                measurements.append(Measurement(figures=read_overhead(options.summary)))
            else:
                data = str(Path(options.data).resolve()) if options.data else None
                for case in _cases(name, options.quick):
                    if case is not None:
                        console.print(f" {case}")
                    model = _model(options) if name == SERVING else None
                    measurements.append(
                        run_in_fresh_process(name, data, Path(folder), sizes, case, model)
                    )
    return measurements


def _images(options: argparse.Namespace) -> str:
    """Return what is measured on, for people."""
    # Kubeflow's runs draw their own, whatever --data says.
    data = None if options.names == [KUBEFLOW] else options.data
    return data or "drawn by a program"


def _model(options: argparse.Namespace) -> str | None:
    return None if options.model is None else str(Path(options.model).resolve())


def _cases(name: str, is_quick: bool) -> Sequence[str | None]:
    """Return the parts of a benchmark that get a process each."""
    if name == CANDIDATES:
        return tuple(ARCHITECTURES) if is_quick else CASES
    if name == KUBEFLOW:
        return QUICK_KUBEFLOW_CASES if is_quick else KUBEFLOW_CASES
    return (None,)


if __name__ == "__main__":
    end_program(main())
