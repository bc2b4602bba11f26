"""Keep the libraries' talk off the terminal: all of it goes to a log file.

TensorFlow writes from C++ to file descriptor 2, Keras prints, absl and Beam
log, Python warns. Descriptors 1 and 2 are therefore pointed at the log file,
which child processes inherit, and records of Python's logging are written
there with time, level and logger. Only the console that `quiet_logs` yields
reaches the terminal.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from contract.errors import InputError

_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_STDIN, _STDOUT, _STDERR = 0, 1, 2
_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "1",  # no INFO from C++; warnings and errors go to the log file
    "GRPC_VERBOSITY": "ERROR",
}


def set_environment() -> None:
    """Set the variables that libraries read once, when they are imported.

    Call it before TensorFlow is imported. What the user has set stays.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


@contextlib.contextmanager
def quiet_logs(log_file: Path, verbose: bool = False) -> Iterator[Console]:
    """Send everything that is written or logged to a file, for the length of a block.

    The file is appended to. Threads and child processes are covered. When the
    block ends, also by an exception, all is as it was before.

    Args:
        log_file: The file; its folder is made where it is missing.
        verbose: Show the records of Python's logging on the terminal, too.

    Yields:
        A console on what stdout was before, a terminal or a pipe.

    Raises:
        InputError: The file cannot be written.
    """
    with contextlib.ExitStack() as cleanup:
        log = cleanup.enter_context(_open_log(log_file))
        terminal = cleanup.enter_context(_open_terminal())
        console = _console_on(terminal)
        handlers = [_handler(log)]
        if verbose:
            handlers.append(_ConsoleHandler(console))
        cleanup.enter_context(_descriptors_to(log))
        cleanup.enter_context(_records_to(handlers))
        cleanup.enter_context(_warnings_to_log())
        yield console


class _ConsoleHandler(logging.Handler):
    """Shows records through the console, so that they do not cut through progress bars."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.setFormatter(logging.Formatter(_LINE))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._console.print(Text(self.format(record)), style="dim", soft_wrap=True)
        except Exception:
            # logging's convention: a message that cannot be shown must not end a run.
            self.handleError(record)


def _open_log(log_file: Path) -> TextIO:
    try:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        return log_file.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
    except OSError as error:
        raise InputError(
            f"{log_file}: expected a place where the log can be written, got {error.strerror}. "
            "How to fix: give a writable folder with --output."
        ) from error


def _open_terminal() -> TextIO:
    """Open a second handle on what stdout is now."""
    return open(
        os.dup(_STDOUT),
        "w",
        encoding=getattr(sys.stdout, "encoding", None) or "utf-8",
        errors="backslashreplace",
        buffering=1,
    )


def _console_on(terminal: TextIO) -> Console:
    width = None
    if terminal.isatty() and "COLUMNS" not in os.environ and not os.isatty(_STDIN):
        # Rich would measure descriptors 0 to 2, none of which is the terminal by then.
        width = os.get_terminal_size(terminal.fileno()).columns or None
    # Colour may be forced from outside (FORCE_COLOR); moving bars on a pipe may not.
    return Console(file=terminal, width=width, force_interactive=terminal.isatty())


def _handler(log: TextIO) -> logging.Handler:
    handler = logging.StreamHandler(log)
    handler.setFormatter(logging.Formatter(_LINE))
    return handler


@contextlib.contextmanager
def _descriptors_to(log: TextIO) -> Iterator[None]:
    """Point stdout and stderr, also of C++ code and of child processes, at the log."""
    streams = [stream for stream in (sys.stdout, sys.stderr) if stream is not None]
    saved = {number: os.dup(number) for number in (_STDOUT, _STDERR)}
    line_buffered = [_buffer_lines(stream, True) for stream in streams]
    try:
        for stream in streams:
            stream.flush()
        for number in saved:
            os.dup2(log.fileno(), number)
        yield
    finally:
        for stream, was_line_buffered in zip(streams, line_buffered, strict=True):
            stream.flush()
            _buffer_lines(stream, was_line_buffered)
        for number, copy in saved.items():
            os.dup2(copy, number)
            os.close(copy)


def _buffer_lines(stream: Any, line_buffered: bool) -> bool:
    """Buffer a stream by lines or not, where it can; return what it did before.

    In the log, printed lines then keep their place between the records.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return False
    before = stream.line_buffering
    stream.reconfigure(line_buffering=line_buffered)
    return before


@contextlib.contextmanager
def _records_to(handlers: list[logging.Handler]) -> Iterator[None]:
    """Make `handlers` the only ones of the root logger, from INFO on."""
    root = logging.getLogger()
    level, before = root.level, root.handlers[:]
    root.handlers[:] = handlers
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.handlers[:] = before
        root.setLevel(level)


@contextlib.contextmanager
def _warnings_to_log() -> Iterator[None]:
    """Log Python's warnings under `py.warnings`, which gives them a time."""
    show = warnings.showwarning

    def log_warning(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = f"{filename}:{lineno}: {category.__name__}: {message}"
        logging.getLogger("py.warnings").warning("%s", text)

    warnings.showwarning = log_warning
    try:
        yield
    finally:
        warnings.showwarning = show
