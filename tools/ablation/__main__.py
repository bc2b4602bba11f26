"""Run the ablation behind the defaults: `python -m tools.ablation --data chest_xray.zip`.

Every variant is trained with every seed on a part of the training split, in a shortened
schedule, and judged on plain and stressed validation; nothing of the test split is read. Each
result is a file: a run that was stopped goes on, and several of these commands may share one
output folder.

Exit codes: 0 done, 2 the data cannot be used.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from contract.command_line import EXIT_DONE, run_command
from contract.long_lived import end_program
from pipeline.logs import quiet_logs, set_environment
from tools.ablation.variants import VARIANTS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse_arguments(arguments)
    set_environment()

    def run() -> int:
        with quiet_logs(options.output / "logs" / "ablation.log") as console:
            # Imported here: it brings TensorFlow, some ten seconds.
            from tools.ablation.ablation import run_ablation

            run_ablation(options, console)
        return EXIT_DONE

    return run_command(run, cannot="run")


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.ablation", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--data", metavar="SOURCE", required=True, help="as for local_runner.py")
    parser.add_argument(
        "--output", metavar="DIR", type=Path, default=Path("output-ablation"), help="results"
    )
    parser.add_argument("--seeds", metavar="N", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", metavar="N", type=int, default=8, help="of each training")
    parser.add_argument(
        "--train-fraction", metavar="PART", type=float, default=0.5, help="of the training split"
    )
    parser.add_argument(
        "--only", metavar="VARIANT", nargs="+", choices=list(VARIANTS), help="of all variants"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    end_program(main())
