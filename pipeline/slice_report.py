"""Print the slices of the newest run: figures, intervals, and what the gate says.

    python -m pipeline.slice_report output
    python -m pipeline.slice_report output --csv > slices.csv

Exit codes: 0 done, 2 there is no evaluated run in the folder.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from contract.command_line import EXIT_DONE, run_command
from contract.long_lived import end_program, lasting_imports
from evaluation.slice_metrics import Estimate
from pipeline.logs import quiet_logs, set_environment
from report.page.estimate_cells import UNDEFINED, format_figure
from report.slices import (
    GATE_WORDS,
    NOT_JUDGED,
    TOO_SMALL_NOTE,
    SliceRow,
    to_csv,
)

_STYLES = dict(zip(GATE_WORDS.values(), ("green", "bold red", "yellow"), strict=True))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse_arguments(arguments)
    set_environment()
    return run_command(lambda: show_slices(options), cannot="show the slices")


def show_slices(options: argparse.Namespace) -> int:
    """Print the slices as the options ask; return the exit code.

    Raises:
        InputError: There is no evaluated run in the folder.
    """
    # What the libraries say about themselves is of no use here.
    with quiet_logs(Path(os.devnull)):
        # Late: it loads TensorFlow, whose messages are turned off above.
        with lasting_imports():
            from pipeline.slice_reading import read_slices

        rows = read_slices(options.output, options.pipeline)
    if options.csv:
        sys.stdout.write(to_csv(rows))
        return EXIT_DONE
    console = Console(highlight=False)
    console.print(slices_table(rows))
    console.print(TOO_SMALL_NOTE, style="dim")
    return EXIT_DONE


def slices_table(rows: Sequence[SliceRow]) -> Table:
    """Return the slices for a terminal of at least 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("slice", overflow="fold")
    for name in ("n", "pos.", "sensitivity", "specificity", "AUC"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("gate", no_wrap=True)
    for row in rows:
        table.add_row(
            # As text: a slice's value is the data's, and may look like rich's markup.
            Text(row.name.replace("=", "\n ")),
            f"{row.n:,}",
            f"{row.positives:,}",
            *(_estimate(estimate) for estimate in (row.recall, row.specificity, row.auc)),
            Text(row.gate, "dim" if row.gate == NOT_JUDGED else _STYLES[row.gate]),
        )
    return table


def _estimate(estimate: Estimate) -> Text:
    if estimate.value is None:
        return Text(UNDEFINED)
    text = Text(format_figure(estimate.value))
    interval = f"\n{format_figure(estimate.low)}-{format_figure(estimate.high)}"
    return text.append(interval, "dim")


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.slice_report", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "output", metavar="OUTPUT", type=Path, help="the run's output folder, such as ./output"
    )
    parser.add_argument("--csv", action="store_true", help="print CSV instead of a table")
    parser.add_argument(
        "--pipeline",
        metavar="NAME",
        help="the pipeline, where the folder's metadata store knows several",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    end_program(main())
