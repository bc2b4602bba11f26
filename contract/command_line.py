"""How every command line ends: one set of exit codes, one form of the error message.

What a command says when it succeeds is its own affair.
"""

from __future__ import annotations

from collections.abc import Callable

from contract.errors import InputError

EXIT_DONE = 0
EXIT_BROKEN = 1  # something broke
EXIT_BAD_INPUT = 2  # also argparse's, for a wrong option
EXIT_REFUSED = 3  # all went well, and the model is not good enough
EXIT_INTERRUPTED = 130  # as a shell reports SIGINT


def run_command(
    work: Callable[[], int],
    *,
    cannot: str,
    interrupted: str = "Interrupted.",
    broken: str = "",
    advice: str = "",
    verbose: bool = False,
    redact: Callable[[str], str] = str,
) -> int:
    """Do a command's work; turn what it raises into a message on stderr and an exit code.

    Args:
        work: Returns the exit code where nothing is raised.
        cannot: What is not possible with bad input, e.g. "run" for "Cannot run: ...".
        interrupted: Printed after Ctrl-C.
        broken: What any other exception means, e.g. "The run broke"; where it is empty, other
            exceptions pass.
        advice: A line to go with `broken`, e.g. where the log is.
        verbose: Raise other exceptions again, with their traceback.
        redact: Removes secrets from a message.

    Returns:
        What `work` returns, or `EXIT_BAD_INPUT`, `EXIT_INTERRUPTED`, `EXIT_BROKEN`.
    """
    try:
        return work()
    except InputError as error:
        _print(f"Cannot {cannot}:", redact(str(error)))
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        _print("", interrupted)
        return EXIT_INTERRUPTED
    except Exception as error:
        if not broken:
            raise
        _print(f"{broken}:", redact(f"{type(error).__name__}: {error}"))
        if advice:
            _print("", advice)
        if verbose:
            raise
        return EXIT_BROKEN


def _print(title: str, text: str) -> None:
    # Imported here: only a command that ends badly needs it.
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble((title, "bold red"), " " if title else "", text)
    Console(stderr=True, highlight=False, soft_wrap=True).print(line)
