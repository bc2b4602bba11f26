"""Each benchmark in a new process, so that none affects the next.

The parent calls `run_in_fresh_process`; the child is this module's `main`.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from contract.errors import InputError
from contract.long_lived import end_program
from pipeline.logs import quiet_logs, set_environment
from tools.benchmarks.figures import Measurement
from tools.benchmarks.images import Sizes
from tools.benchmarks.peak_memory import peak_memory_mb

_EXIT_BAD_INPUT = 2
_LOG_LINES_SHOWN = 20


class BenchmarkFailedError(RuntimeError):
    """A benchmark's process broke; the message ends with the last lines of its log."""


def run_in_fresh_process(
    name: str,
    data: str | None,
    work_dir: Path,
    sizes: Sizes,
    case: str | None = None,
    model: str | None = None,
) -> Measurement:
    """Run one benchmark; its lines go to stdout, the libraries' talk to a log in `work_dir`.

    Args:
        name: A module of this package that has a `measure` function.
        data: The source, or None for drawn images.
        work_dir: For everything that is written.
        sizes: How many images, how often.
        case: Which part of it, where the module's `measure` takes one.
        model: Folder of the model, where it takes one.

    Raises:
        InputError: The data cannot be used.
        BenchmarkFailedError: Anything else went wrong.
    """
    result_file, log_file = _files(work_dir, name, case)
    command = [sys.executable, "-m", __name__, name, str(work_dir), repr(sizes.num_images or 0)]
    command += [str(sizes.num_training_images), str(sizes.num_rounds)]
    command += [str(sizes.min_transformed_images)]
    if data is not None:
        command += ["--data", data]
    if case is not None:
        command += ["--case", case]
    if model is not None:
        command += ["--model", model]
    # It starts in the checkout, so that the package is found from wherever this is called.
    root = Path(__file__).resolve().parents[2]
    exit_code = subprocess.run(command, cwd=root, check=False).returncode
    if exit_code == _EXIT_BAD_INPUT:
        raise InputError(result_file.read_text(encoding="utf-8"))
    if exit_code:
        lines = log_file.read_text("utf-8", errors="replace").splitlines()[-_LOG_LINES_SHOWN:]
        raise BenchmarkFailedError(
            "\n".join(
                [f"{name} {case or ''} ended with exit code {exit_code}; its log ends:", *lines]
            )
        )
    return Measurement.model_validate_json(result_file.read_bytes())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one benchmark in this process and write its `Measurement`; return the exit code."""
    parser = argparse.ArgumentParser(
        description="Run one benchmark; `python -m tools.benchmarks` does."
    )
    parser.add_argument("name")
    parser.add_argument("work_dir", type=Path)
    parser.add_argument("num_images", type=int, help="0 for all")
    parser.add_argument("num_training_images", type=int)
    parser.add_argument("num_rounds", type=int)
    parser.add_argument("min_transformed_images", type=int)
    parser.add_argument("--data")
    parser.add_argument("--case")
    parser.add_argument("--model")
    options = parser.parse_args(arguments)
    sizes = Sizes(
        num_images=options.num_images or None,
        num_training_images=options.num_training_images,
        num_rounds=options.num_rounds,
        min_transformed_images=options.min_transformed_images,
    )
    result_file, log_file = _files(options.work_dir, options.name, options.case)
    further = [given for given in (options.case, options.model) if given is not None]
    set_environment()
    with quiet_logs(log_file) as console:
        try:
            module = importlib.import_module(f"tools.benchmarks.{options.name}")
            figures = module.measure(options.data, options.work_dir, sizes, console.print, *further)
        except InputError as error:
            result_file.write_text(str(error), encoding="utf-8")
            return _EXIT_BAD_INPUT
        measurement = Measurement(figures=figures, peak_memory_mb=peak_memory_mb())
        result_file.write_text(measurement.model_dump_json(), encoding="utf-8")
    return 0


def _files(work_dir: Path, name: str, case: str | None) -> tuple[Path, Path]:
    """Return where a benchmark's result goes, and its log."""
    stem = name if case is None else f"{name} {case}"
    return work_dir / f"{stem}.json", work_dir / f"{stem}.log"


if __name__ == "__main__":
    end_program(main())
