"""Calibrate a model's threshold for another site: `python -m pipeline.site_calibration`.

    python -m pipeline.site_calibration --model output/serving/pneumonia --data LOCAL --by NAME

LOCAL is a folder, a zip or a CSV manifest. Without labels the distribution of scores is aligned to
that of validation, with the prevalence estimated or given; with labels the threshold is chosen
again. The result is the next version of the served model: docs/site-calibration.md.

Exit codes: 0 pushed, or with --dry-run worth pushing, 3 nothing is pushed and the reasons say why,
2 the model, the images or the options cannot be used, 1 something broke, 130 interrupted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import track

from contract.command_line import EXIT_DONE, EXIT_REFUSED, run_command
from contract.errors import InputError
from contract.long_lived import end_program, lasting_imports
from pipeline.folder_lock import locked_folder
from pipeline.load_config import load_settings
from pipeline.logs import quiet_logs, set_environment
from pipeline.settings_options import add_settings_options

if TYPE_CHECKING:  # it brings TensorFlow, some ten seconds
    from serving.site_calibration.run import SiteReport
    from serving.site_calibration.site_images import SiteImage


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse_arguments(arguments)
    log_file = options.work_dir / "logs" / f"calibrate-{time.strftime('%Y%m%d-%H%M%S')}.log"
    set_environment()

    def calibrate() -> int:
        with quiet_logs(log_file, options.verbose) as console:
            report = _calibrate(options, console)
        return EXIT_DONE if report.verdict == "changed" else EXIT_REFUSED

    return run_command(
        calibrate,
        cannot="calibrate",
        interrupted="Interrupted; nothing was pushed.",
        broken="The calibration failed",
        advice=f"Nothing was pushed. See the log: {log_file}",
        verbose=options.verbose,
    )


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.site_calibration", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--model",
        metavar="DIR",
        type=Path,
        required=True,
        help="the folder of numbered versions (the newest is used), or the folder of one version",
    )
    parser.add_argument(
        "--data",
        metavar="SOURCE",
        required=True,
        help="the site's images: a folder or zip, with or without class folders, or a CSV manifest",
    )
    parser.add_argument(
        "--by", metavar="NAME", required=True, help="person responsible for the new threshold"
    )
    parser.add_argument(
        "--prevalence",
        metavar="SHARE",
        type=float,
        help="share of pneumonia among these images, above 0 and below 1, if it is known and they "
        "have no labels (default: estimated)",
    )
    parser.add_argument(
        "--ignore-labels",
        action="store_true",
        help="treat labelled images as unlabelled, and measure the result by the labels",
    )
    parser.add_argument(
        "--push-dir",
        metavar="DIR",
        type=Path,
        help="the folder of numbered versions to push to (default: where the model comes from)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="report only: push nothing, whatever the verdict"
    )
    parser.add_argument(
        "--report", metavar="FILE", type=Path, help="write the report as JSON to this file"
    )
    add_settings_options(
        parser,
        default=None,
        default_text="the built-in settings",
        set_help="e.g. --set site_calibration.min_images=300",
    )
    parser.add_argument(
        "--work-dir",
        metavar="DIR",
        type=Path,
        default=Path("output/site-calibration"),
        help="folder for unpacked archives and logs (default: %(default)s)",
    )
    parser.add_argument(
        "--verbose", action="store_true", help="show the libraries' log on the terminal, too"
    )
    options = parser.parse_args(arguments)
    if not options.by.strip():
        parser.error("argument --by: expected a name, got none")
    return options


def _calibrate(options: argparse.Namespace, console: Console) -> SiteReport:
    settings = load_settings(options.config, options.overrides)
    # Imported here: they bring TensorFlow, some ten seconds.
    with lasting_imports():
        from serving.site_calibration.run import Request, calibrate_for_site
        from serving.site_calibration.text import describe

    def progress(images: Iterable[SiteImage]) -> Iterable[SiteImage]:
        return track(
            images, "Scoring", console=console, transient=True, disable=not console.is_terminal
        )

    request = Request(
        model_dir=options.model,
        source=options.data,
        by=options.by.strip(),
        work_dir=options.work_dir,
        push_dir=options.push_dir,
        prevalence=options.prevalence,
        ignore_labels=options.ignore_labels,
        dry_run=options.dry_run,
    )
    with locked_folder(options.work_dir, option="--work-dir"):
        report = calibrate_for_site(request, settings, progress)
    for line in describe(report, dry_run=options.dry_run):
        console.print(escape(line), soft_wrap=True, highlight=False)
    if options.report is not None:
        _write(report, options.report)
    return report


def _write(report: SiteReport, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"expected a file that can be written, got --report {path}: {error.strerror}; choose "
            "another place"
        ) from error


if __name__ == "__main__":
    end_program(main())
