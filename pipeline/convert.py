"""Turn X-rays into the records that a run on Kubeflow reads: `python -m pipeline.convert`.

It is the ingestion of `local_runner.py` alone, for a Job that fills the volume.
The last line on stdout is the folder to give as the run parameter `data_dir`.

Exit codes: 0 the records are there, 2 the data or the configuration cannot be
used, 1 something broke, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from contract import features
from contract.command_line import EXIT_DONE, run_command
from contract.long_lived import end_program, lasting_imports
from contract.plain_path import is_plain
from contract.settings import PipelineSettings
from pipeline.load_config import load_settings
from pipeline.logs import quiet_logs, set_environment
from pipeline.settings_options import add_settings_options

WORK_FOLDER = "conversion-work"
_NAME_DIGITS = 16


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse_arguments(arguments)
    # Beam has absl parse the command line as its own.
    sys.argv = sys.argv[:1]
    work_dir = options.work_dir or _default_work_dir(options)
    log_file = work_dir / "logs" / f"convert-{time.strftime('%Y%m%d-%H%M%S')}.log"
    set_environment()

    def convert() -> int:
        settings = load_settings(options.config, options.overrides)
        with quiet_logs(log_file, options.verbose) as console:
            records_dir = convert_source(settings, options, work_dir, console, log_file)
        print(records_dir)
        return EXIT_DONE

    return run_command(
        convert,
        cannot="convert",
        interrupted="Interrupted. Run the same command again; no half-written folder is left.",
        broken="The conversion broke",
        advice=f"See the log: {log_file}",
        verbose=options.verbose,
    )


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.convert", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--data",
        metavar="SOURCE",
        help="folder or zip of X-rays, CSV manifest, folder of TFRecords, or `kaggle`; "
        "without it a synthetic set is drawn",
    )
    parser.add_argument(
        "--output", metavar="DIR", type=Path, required=True, help="the folder of the records"
    )
    parser.add_argument(
        "--in-folder-named-by-content",
        action="store_true",
        help="put the records into DIR/FINGERPRINT, so that no folder ever changes in place "
        "and runs that read the same folder may be answered from the cache",
    )
    parser.add_argument(
        "--external-set",
        action="store_true",
        help="convert a set from outside the training data, for `external.NAME.source` of the "
        "configuration: all images are judged, and images of one class are enough",
    )
    add_settings_options(
        parser,
        default=None,
        default_text="the built-in settings",
        set_help="e.g. --set data.num_shards=8",
    )
    parser.add_argument(
        "--work-dir",
        metavar="DIR",
        type=Path,
        help=f"for unpacked archives and logs (default: {WORK_FOLDER} beside the records)",
    )
    parser.add_argument(
        "--verbose", action="store_true", help="show the libraries' log on stdout, too"
    )
    return parser.parse_args(arguments)


def _default_work_dir(options: argparse.Namespace) -> Path:
    output: Path = options.output.absolute()
    return (output if options.in_folder_named_by_content else output.parent) / WORK_FOLDER


def convert_source(
    settings: PipelineSettings,
    options: argparse.Namespace,
    work_dir: Path,
    console: Console,
    log_file: Path,
) -> Path:
    """Open or draw the source and convert it, unless the records are there already.

    Args:
        settings: The configuration; its sections `data` and `beam` count here.
        options: As `parse_arguments` gives them.
        work_dir: For what has to be unpacked or drawn.
        console: Where progress is shown.
        log_file: Named where something fails.

    Returns:
        The absolute path of the folder with the records.

    Raises:
        InputError: The source, the settings or a folder cannot be used, or another run works in
            the folder of the records.
    """
    # Imported here: Beam takes seconds, which --help and a typing error need not wait for.
    with lasting_imports():
        from ingestion.conversion import convert
        from ingestion.external import SPLIT, open_external_source
        from ingestion.fingerprint import fingerprint_source
        from ingestion.open_source import open_source
        from ingestion.synthetic import write_synthetic_set
        from pipeline.console import RunConsole
        from pipeline.folder_lock import locked_folder
        from pipeline.job_server import check_job_servers, explained_job_servers
        from pipeline.node_events import listen

    check_job_servers([settings.beam.pipeline_args])
    with (
        locked_folder(options.output, replaced=True),
        RunConsole(console, [], log_file) as run_console,
        listen(run_console),
    ):
        source_path = options.data
        if source_path is None:
            with run_console.step("Draw synthetic X-rays"):
                drawn_dir = work_dir / "synthetic"
                source_path = str(write_synthetic_set(drawn_dir, settings.data.synthetic))
        with run_console.step("Open source"):
            open_images = open_external_source if options.external_set else open_source
            source = open_images(source_path, work_dir, settings.data)
        records_dir: Path = options.output.absolute()
        if options.in_folder_named_by_content:
            records_dir /= fingerprint_source(source, settings.data)[:_NAME_DIGITS]
        with (
            run_console.step("Convert"),
            explained_job_servers([settings.beam.pipeline_args]),
        ):
            card = convert(
                source,
                settings.data,
                records_dir,
                settings.beam.pipeline_args,
                filled_splits=(SPLIT,) if options.external_set else features.SPLITS,
            )
    console.print(f"{card.num_images} images of {card.num_patients} patients, {card.kind}")
    warnings = list(card.warnings)
    if not is_plain(records_dir):
        warnings.append(
            f"TFX reads some characters of {records_dir} as a pattern: rename the folder before a "
            "run on Kubeflow reads it as `data_dir`"
        )
    for warning in warnings:
        console.print(escape(f"Warning: {warning}"), soft_wrap=True)
    return records_dir


if __name__ == "__main__":
    end_program(main())
