"""Ask a model server about chest X-rays: `python -m serving.client IMAGE...`, or import `Client`.

It stands on the REST API of TensorFlow Serving, which the project's own server speaks, too.

Exit codes: 0 every image was answered, 1 some were, 2 none was or the arguments
cannot be used, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from contract.command_line import run_command
from serving.client_api import Client
from serving.client_images import find_images
from serving.client_options import parse_arguments, read_token
from serving.client_outcomes import Failure, Outcome, Prediction, UnansweredError
from serving.client_output import print_failures, print_table, printable, write_json_line
from serving.client_retry import RetryPolicy

__all__ = ["Client", "Failure", "Outcome", "Prediction", "RetryPolicy", "UnansweredError", "main"]

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
    told: set[str] = set()

    def tell_wait(problem: str) -> None:
        if problem not in told:
            told.add(problem)
            errors.print(f"Waiting: {printable(problem)}", markup=False)

    client = Client(
        options.url,
        options.model,
        version_label=options.version_label,
        batch_size=options.batch_size,
        timeout_s=options.timeout_s,
        retry=RetryPolicy(num_retries=options.retries),
        token=read_token(options.token_file),
        tell_wait=tell_wait,
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


if __name__ == "__main__":
    sys.exit(main())
