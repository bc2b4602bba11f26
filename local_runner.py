"""Run the whole pipeline on this machine: from X-rays to a verdict and a pushed model.

Exit codes: 0 the model was blessed and pushed, 3 it was refused, by the gate or
because its export does not serve what was judged, 2 the data or the configuration
cannot be used, 1 something broke, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from contract.command_line import EXIT_DONE, EXIT_REFUSED, run_command
from contract.long_lived import end_program
from pipeline.load_config import load_settings
from pipeline.logs import quiet_logs, set_environment
from pipeline.settings_options import (
    add_external_option,
    add_settings_options,
    external_overrides,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse_arguments(arguments)
    # TFX's executors have absl parse the command line as their own.
    sys.argv = sys.argv[:1]
    log_file = options.output / "logs" / f"run-{time.strftime('%Y%m%d-%H%M%S')}.log"
    set_environment()
    return run_command(
        lambda: run(options, log_file),
        cannot="run",
        interrupted="Interrupted. The same command continues after the nodes that have finished.",
        broken="The run broke",
        advice=f"See the log: {log_file}",
        verbose=options.verbose,
    )


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data",
        metavar="SOURCE",
        help="folder or zip of X-rays, CSV manifest, folder of TFRecords, or `kaggle`; "
        "without it a synthetic set is drawn",
    )
    add_external_option(parser, source_help="what --data takes")
    add_settings_options(
        parser,
        default=None,
        default_text="`default`, without --data `synthetic`",
        set_help="e.g. --set seed=1 tuner.max_trials=4",
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        type=Path,
        default=Path("output"),
        help="where everything goes; a further run there continues (default: ./output)",
    )
    parser.add_argument(
        "--verbose", action="store_true", help="show the libraries' log on the terminal, too"
    )
    return parser.parse_args(arguments)


def _default_config(options: argparse.Namespace) -> str:
    return "default" if options.data else "synthetic"


def run(options: argparse.Namespace, log_file: Path) -> int:
    """Ingest, run the DAG, summarise; return the exit code."""
    settings = load_settings(
        options.config or _default_config(options),
        [*external_overrides(options.external), *options.overrides],
    )
    with quiet_logs(log_file, options.verbose) as console:
        # Imported here: they bring TensorFlow and TFX, some ten seconds.
        from pipeline.closing_report import print_summary
        from pipeline.local_run import run_locally

        summary = run_locally(settings, options.data, options.output, console, log_file)
        print_summary(console, summary)
    return EXIT_DONE if summary.verdict == "blessed" else EXIT_REFUSED


if __name__ == "__main__":
    end_program(main())
