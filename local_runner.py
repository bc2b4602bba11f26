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

from rich.console import Console
from rich.markup import escape

from contract.errors import InputError
from contract.settings import PipelineSettings
from pipeline.load_config import load_settings
from pipeline.logs import quiet_logs, set_environment
from pipeline.settings_options import (
    add_external_option,
    add_settings_options,
    external_overrides,
)

EXIT_PUSHED = 0
EXIT_CRASHED = 1
EXIT_BAD_INPUT = 2
EXIT_REFUSED = 3
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse_arguments(arguments)
    # TFX's executors have absl parse the command line as their own.
    sys.argv = sys.argv[:1]
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    log_file = options.output / "logs" / f"run-{time.strftime('%Y%m%d-%H%M%S')}.log"
    set_environment()
    try:
        settings = load_settings(
            options.config or _default_config(options),
            [*external_overrides(options.external), *options.overrides],
        )
        return run(settings, options, log_file)
    except InputError as error:
        errors.print(f"[bold red]Cannot run:[/] {escape(str(error))}")
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        errors.print("Interrupted. The same command goes on from the nodes that have finished.")
        return EXIT_INTERRUPTED
    except Exception as error:
        errors.print(f"[bold red]The run broke:[/] {escape(f'{type(error).__name__}: {error}')}")
        errors.print(f"All that was logged: {log_file}")
        if options.verbose:
            raise
        return EXIT_CRASHED


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
        default_told="`default`, without --data `synthetic`",
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


def run(settings: PipelineSettings, options: argparse.Namespace, log_file: Path) -> int:
    """Ingest, run the DAG, summarise; return the exit code."""
    with quiet_logs(log_file, options.verbose) as console:
        # Imported here: they bring TensorFlow and TFX, some ten seconds.
        from pipeline.closing_report import print_summary
        from pipeline.local_run import run_locally

        summary = run_locally(settings, options.data, options.output, console, log_file)
        print_summary(console, summary)
    return EXIT_PUSHED if summary.is_blessed else EXIT_REFUSED


if __name__ == "__main__":
    sys.exit(main())
