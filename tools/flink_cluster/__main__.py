"""Start and end a Flink cluster on this machine: `python -m tools.flink_cluster up`, `down`.

Exit codes: 0 done, 2 it cannot be started, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from contract.command_line import EXIT_DONE, run_command
from tools.flink_cluster.cluster import DEFAULT_FOLDER, HOST, Ports, start, stop


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parse_arguments(arguments)
    work = _up if options.command == "up" else _down
    return run_command(
        lambda: work(options.folder.absolute()),
        cannot=f"{'start' if options.command == 'up' else 'end'} the cluster",
    )


def _parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.flink_cluster", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "command", choices=("up", "down"), help="start what is not running, or end everything"
    )
    parser.add_argument(
        "--folder",
        metavar="DIR",
        type=Path,
        default=DEFAULT_FOLDER,
        help="the cluster's own folder (default: build/flink)",
    )
    return parser.parse_args(arguments)


def _up(folder: Path) -> int:
    ports = Ports()
    start(folder, ports, lambda step: print(step, flush=True))
    print(f"Flink: http://{HOST}:{ports.rest}")
    print(f"Beam's job server: {HOST}:{ports.job_server}; a run on it: --config flink")
    return EXIT_DONE


def _down(folder: Path) -> int:
    ended = stop(folder)
    print(f"Ended {ended} processes" if ended else "Nothing was running")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
