from __future__ import annotations

import pytest

from contract.command_line import (
    EXIT_BAD_INPUT,
    EXIT_BROKEN,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    run_command,
)
from contract.errors import InputError


def raising(error: BaseException):
    def work() -> int:
        raise error

    return work


def test_the_code_of_the_work_is_the_code_of_the_command(capsys: pytest.CaptureFixture[str]):
    assert run_command(lambda: EXIT_DONE, cannot="run") == EXIT_DONE
    assert run_command(lambda: 3, cannot="run") == 3
    assert capsys.readouterr() == ("", "")


def test_bad_input_is_one_line_on_stderr_with_nothing_read_as_markup(
    capsys: pytest.CaptureFixture[str],
):
    error = InputError("expected a file, got [bold]x[/]" + " and more" * 30)
    assert run_command(raising(error), cannot="run") == EXIT_BAD_INPUT
    assert capsys.readouterr() == ("", f"Cannot run: {error}\n")


def test_an_interrupted_command_says_how_to_go_on(capsys: pytest.CaptureFixture[str]):
    code = run_command(raising(KeyboardInterrupt()), cannot="run", interrupted="Run it again.")
    assert code == EXIT_INTERRUPTED
    assert capsys.readouterr().err == "Run it again.\n"


def test_what_breaks_is_named_with_advice(capsys: pytest.CaptureFixture[str]):
    work = raising(ZeroDivisionError("oh"))
    code = run_command(work, cannot="run", broken="The run broke", advice="See the log: x.log")
    assert code == EXIT_BROKEN
    assert capsys.readouterr().err == "The run broke: ZeroDivisionError: oh\nSee the log: x.log\n"


def test_what_breaks_is_raised_where_the_traceback_is_wanted(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(ZeroDivisionError):
        run_command(raising(ZeroDivisionError()), cannot="run")
    assert capsys.readouterr().err == ""
    with pytest.raises(ZeroDivisionError):
        run_command(raising(ZeroDivisionError()), cannot="run", broken="It broke", verbose=True)
    assert "It broke: ZeroDivisionError" in capsys.readouterr().err


def test_secrets_are_removed(capsys: pytest.CaptureFixture[str]):
    def redact(text: str) -> str:
        return text.replace("hunter2", "***")

    run_command(raising(InputError("token hunter2")), cannot="submit", redact=redact)
    assert capsys.readouterr().err == "Cannot submit: token ***\n"
