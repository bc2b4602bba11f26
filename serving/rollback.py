"""Make an earlier version of the pushed model the newest again.

    python -m serving.rollback            # the one before, of other content
    python -m serving.rollback --to 3

Exit codes: 0 done, 2 there is no such version or the folder cannot be written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from contract.command_line import EXIT_DONE, run_command
from serving.push_folder import roll_back


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse_arguments(arguments)

    def roll_back_and_report() -> int:
        version, number = roll_back(options.model_dir, options.to)
        print(
            f"Version {version} serves again, as version {number} of {options.model_dir}. Servers "
            "that poll the folder load it without a restart; the next run is compared with it."
        )
        return EXIT_DONE

    return run_command(roll_back_and_report, cannot="roll back")


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.rollback", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--model-dir",
        metavar="DIR",
        type=Path,
        default=Path("output/serving/pneumonia"),
        help="folder of numbered versions (default: %(default)s)",
    )
    parser.add_argument(
        "--to",
        metavar="VERSION",
        type=int,
        help="version to serve again (default: the newest whose content differs)",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
