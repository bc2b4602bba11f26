"""Ask a model server about chest X-rays: `python -m serving.client IMAGE...`.

Exit codes: 0 every image was answered, 1 some were, 2 none was or the arguments
cannot be used, 130 interrupted.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from contract.command_line import run_command
from serving.client.api import Client
from serving.client.images import find_images
from serving.client.outcomes import Outcome, Prediction
from serving.client.output import print_failures, print_table, printable, write_json_line
from serving.client.retry import RetryPolicy
from serving.token_file import read_token

EXIT_ALL_ANSWERED = 0
EXIT_SOME_ANSWERED = 1
EXIT_NONE_ANSWERED = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse_arguments(arguments)
    return run_command(lambda: _answer(options), cannot="ask")


def _answer(options: argparse.Namespace) -> int:
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        outcomes = _ask(options, errors)
    except BrokenPipeError:
        return _reader_is_gone()
    print_failures(outcomes, errors)
    num_answered = sum(isinstance(each, Prediction) for each in outcomes)
    if num_answered == len(outcomes):
        return EXIT_ALL_ANSWERED
    return EXIT_SOME_ANSWERED if num_answered else EXIT_NONE_ANSWERED


def _ask(options: argparse.Namespace, errors: Console) -> list[Outcome]:
    # pydicom's warnings quote values of the file, which may be a patient's.
    warnings.filterwarnings("ignore", module="pydicom")
    paths = find_images(options.images)
    shown: set[str] = set()

    def show_wait(problem: str) -> None:
        if problem not in shown:
            shown.add(problem)
            errors.print(f"Waiting: {printable(problem)}", markup=False)

    client = Client(
        options.url,
        options.model,
        version_label=options.version_label,
        batch_size=options.batch_size,
        timeout_s=options.timeout_s,
        retry=RetryPolicy(num_retries=options.retries),
        token=read_token(options.token_file) if options.token_file else "",
        on_wait=show_wait,
    )
    progress = Progress(
        TextColumn("Asking"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal or (options.json and sys.stdout.isatty()),
        # It would send what is written to stdout to its own console, which is stderr.
        redirect_stdout=False,
        redirect_stderr=False,
    )
    outcomes = []
    with client, progress:
        task = progress.add_task("", total=len(paths))
        for outcome in client.predict_each(paths):
            outcomes.append(outcome)
            if options.json:
                write_json_line(outcome, sys.stdout)
            progress.advance(task)
    if not options.json:
        print_table(outcomes, sys.stdout)
        sys.stdout.flush()
    return outcomes


def _reader_is_gone() -> int:
    # As with `| head`. Python would complain at its end, when it flushes what is left.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_SOME_ANSWERED


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.client",
        description="Ask a model server about chest X-rays.",
        epilog=(__doc__ or "").partition("\n\n")[2],
    )
    parser.add_argument(
        "images",
        metavar="IMAGE",
        nargs="+",
        type=Path,
        help="JPEG, PNG or DICOM file, or a folder of them (with its folders)",
    )
    parser.add_argument(
        "--url",
        default="http://localhost:8501",
        help="address of a server of TensorFlow Serving's REST API (default: %(default)s)",
    )
    parser.add_argument(
        "--model",
        metavar="NAME",
        default="pneumonia",
        help="name of the model (default: %(default)s)",
    )
    parser.add_argument(
        "--version-label",
        metavar="LABEL",
        default="",
        help="label of the version to ask, such as stable or canary (default: the newest served)",
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object per image, errors included"
    )
    parser.add_argument(
        "--batch-size",
        metavar="N",
        type=_number(int, 1),
        default=16,
        help="most images per request (default: %(default)s)",
    )
    parser.add_argument(
        "--timeout-s",
        metavar="S",
        type=_number(float, 0.001),
        default=60.0,
        help="seconds to wait for the connection, and again for the answer (default: %(default)s)",
    )
    parser.add_argument(
        "--retries",
        metavar="N",
        type=_number(int, 0),
        default=4,
        help="times to ask a busy or unreachable server again (default: %(default)s)",
    )
    parser.add_argument(
        "--token-file", metavar="FILE", type=Path, help="file with the server's bearer token"
    )
    return parser.parse_args(arguments)


def _number(kind: Callable[[str], float], least: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value < math.inf:
            raise argparse.ArgumentTypeError(
                f"expected {'a whole number' if kind is int else 'a number'} "
                f"of at least {least:g}, got {text!r}"
            )
        return value

    return parse
