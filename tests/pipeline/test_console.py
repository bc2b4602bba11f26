"""Tests of `pipeline.console`."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from contract.errors import InputError
from contract.progress import Progress
from pipeline.console import RunConsole, last_line

NODES = ("Examples", "Transform", "Trainer")
LOG = Path("/logs/run.log")


class Clock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    stand_in = types.SimpleNamespace(monotonic=clock.monotonic)
    monkeypatch.setattr("pipeline.console.time", stand_in)
    return clock


def pipe() -> Console:
    return Console(file=io.StringIO(), width=80, force_terminal=False)


def terminal(encoding: str = "utf-8") -> Console:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    return Console(file=file, width=80, force_terminal=True, force_interactive=True)


def line(number: int | None, name: str, rest: str) -> str:
    place = f"  [{number}/3]" if number else "       "
    return f"{place} {name:<24}  {rest}"


def shown(console: Console) -> str:
    """Return what was written, on a terminal without its control sequences."""
    if isinstance(console.file, io.StringIO):
        return console.file.getvalue()
    console.file.flush()
    written = console.file.buffer.getvalue().decode()  # type: ignore[attr-defined]
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written).replace("\r", "\n")


@contextlib.contextmanager
def ended_by(error: BaseException, console: Console) -> Iterator[RunConsole]:
    """Give a run that `error` ends after the block."""
    with contextlib.suppress(type(error)), RunConsole(console, NODES, LOG) as run_console:
        yield run_console
        raise error


def epochs(done: int, total: int = 15, **values: float) -> Progress:
    return Progress("Training", done, total, "epoch", values)


def test_a_pipe_gets_plain_lines(clock: Clock) -> None:
    console = pipe()
    with RunConsole(console, NODES) as run_console:
        with run_console.step("Convert"):
            clock.now_s += 2.5
        run_console.node_started("Examples")
        run_console.node_finished("Examples", 1.25)
        run_console.node_started("Transform")
        run_console.node_cached("Transform", 0.01)
    assert shown(console).splitlines() == [
        line(None, "Convert", "started"),
        line(None, "Convert", "finished in 2.5 s"),
        line(1, "Examples", "started"),
        line(1, "Examples", "finished in 1.2 s"),
        line(2, "Transform", "started"),
        line(2, "Transform", "cached"),
    ]
    assert run_console.timings_s == {"Convert": 2.5, "Examples": 1.25, "Transform": 0.01}


def test_nodes_may_become_known_while_the_run_goes_on(clock: Clock) -> None:
    console = pipe()
    with RunConsole(console) as run_console:
        with run_console.step("Convert"):
            pass
        run_console.expect(NODES)
        run_console.node_started("Trainer")
        run_console.node_started("Unknown")
    assert shown(console).splitlines()[1:] == [
        line(None, "Convert", "finished in 0.0 s"),
        line(3, "Trainer", "started"),
        line(None, "Unknown", "started"),
    ]


def test_a_pipe_gets_one_line_per_stage_in_ten_seconds_and_the_outcome(clock: Clock) -> None:
    console = pipe()
    with RunConsole(console, NODES) as run_console:
        run_console.node_started("Trainer")
        for done in range(1, 8):
            clock.now_s += 4.0
            run_console.work_progressed(epochs(done, loss=1 / done))
        run_console.node_finished("Trainer", 28.0)
    lines = shown(console).splitlines()[1:]
    assert lines == [
        "    Training: 3 of 15 epochs, loss 0.333",
        "    Training: 6 of 15 epochs, loss 0.167",
        line(3, "Trainer", "finished in 28.0 s"),
        "    Training: 7 of 15 epochs, loss 0.143",
    ]


def test_a_pipe_gets_no_line_twice(clock: Clock) -> None:
    console = pipe()
    with RunConsole(console, NODES) as run_console:
        run_console.node_started("Trainer")
        clock.now_s += 11.0
        run_console.work_progressed(epochs(2, 2))
        run_console.node_finished("Trainer", 11.0)
    assert shown(console).count("Training: 2 of 2 epochs") == 1


def test_no_control_characters_on_a_pipe(clock: Clock) -> None:
    console = pipe()
    error = ValueError("\x1b[31mred\x07")
    with ended_by(error, console) as run_console:
        run_console.node_started("Trainer")
        clock.now_s += 20.0
        run_console.work_progressed(epochs(1))
    assert all(character.isprintable() or character == "\n" for character in shown(console))


def test_a_stage_that_runs_again_is_told_as_such(clock: Clock) -> None:
    console = pipe()
    with RunConsole(console, NODES) as run_console:
        run_console.node_started("Trainer")
        for done in (1, 2, 1, 2):
            run_console.work_progressed(epochs(done, 2))
        run_console.node_finished("Trainer", 1.0)
        run_console.node_started("Transform")
        run_console.work_progressed(epochs(2, 2))
        run_console.node_finished("Transform", 1.0)
    assert shown(console).count("    Training (run 2): 2 of 2 epochs") == 1
    assert shown(console).endswith("    Training: 2 of 2 epochs\n")


def test_progress_outside_of_any_node_is_shown(clock: Clock) -> None:
    console = pipe()
    with RunConsole(console, NODES) as run_console:
        run_console.work_progressed(epochs(1))
        clock.now_s += 11.0
        run_console.work_progressed(epochs(2))
    assert shown(console) == "    Training: 2 of 15 epochs\n"
    assert run_console.timings_s == {}


def test_a_failed_node_shows_its_error_and_the_log(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    console = pipe()
    with ended_by(RuntimeError("first\nlast [line]\n"), console) as run_console:
        run_console.node_started("Trainer")
        clock.now_s += 3.0
    assert shown(console).splitlines() == [
        line(3, "Trainer", "started"),
        line(3, "Trainer", "failed after 3.0 s"),
        "    RuntimeError: last [line]",
        "    log: /logs/run.log",
    ]
    assert run_console.timings_s == {"Trainer": 3.0}
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], RuntimeError)


def test_an_error_comes_through(clock: Clock) -> None:
    error = RuntimeError("mine")
    with pytest.raises(RuntimeError) as caught, RunConsole(pipe(), NODES):
        raise error
    assert caught.value is error


def test_a_failed_step_is_shown_once(clock: Clock) -> None:
    console = pipe()
    with (
        contextlib.suppress(OSError),
        RunConsole(console, NODES, LOG) as run_console,
        run_console.step("Convert"),
    ):
        raise OSError("disk full")
    assert shown(console).count("failed after 0.0 s") == 1
    assert shown(console).count("    OSError: disk full\n") == 1


def test_the_runner_tells_an_input_error_itself(clock: Clock) -> None:
    console = pipe()
    with ended_by(InputError("expected X, got Y"), console) as run_console:
        run_console.node_started("Trainer")
    assert shown(console).endswith(line(3, "Trainer", "failed after 0.0 s\n"))


def test_an_interrupted_run_is_no_failure(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    console = pipe()
    with ended_by(KeyboardInterrupt(), console) as run_console:
        run_console.node_started("Trainer")
        clock.now_s += 1.0
    assert shown(console).endswith(line(3, "Trainer", "interrupted after 1.0 s\n"))
    assert caplog.records == []


def test_a_long_path_stays_in_one_piece(clock: Clock) -> None:
    console = pipe()
    log = Path("/" + "long/" * 40 + "run.log")
    with contextlib.suppress(OSError), RunConsole(console, NODES, log) as run_console:
        run_console.node_started("Trainer")
        raise OSError
    assert f"    log: {log}\n" in shown(console)


def test_a_terminal_gets_signs_and_bars_while_work_goes_on() -> None:
    console = terminal()
    with RunConsole(console, NODES) as run_console:
        run_console.node_started("Examples")
        run_console.node_finished("Examples", 1.25)
        run_console.node_started("Transform")
        run_console.node_cached("Transform", 0.01)
        run_console.node_started("Trainer")
        run_console.work_progressed(epochs(6, loss=0.5))
        console.print("what is printed makes the bars be drawn")
        during = shown(console)
        run_console.node_finished("Trainer", 80.0)
        after = shown(console).removeprefix(during)
    assert "✓ " + line(1, "Examples", "1.2 s\n") in during
    assert "✓ " + line(2, "Transform", "cached\n") in during
    assert re.search(r"[⠀-⣿]   \[3/3\] Trainer +\d\.\d s", during)
    assert re.search(r"    Training ━+[╸╺]?━+ 6 of 15 epochs .* loss 0.5", during)
    assert "✓ " + line(3, "Trainer", "1 min 20 s\n") in after
    assert "    Training: 6 of 15 epochs, loss 0.5" in after
    assert "━" not in after.partition("1 min 20 s")[2].partition("Training: ")[2]


def test_bars_that_are_through_make_room() -> None:
    console = terminal()
    with RunConsole(console, NODES) as run_console:
        run_console.node_started("Trainer")
        for trial in (1, 2):
            run_console.work_progressed(epochs(1, 2))
            run_console.work_progressed(epochs(2, 2))
            run_console.work_progressed(Progress("Tuning", trial, 3, "trial", {}))
        run_console.work_progressed(Progress("Scoring", 1, 3, "image", {}))
        before = shown(console)
        console.print("draw")
        drawn = shown(console).removeprefix(before)
    assert "Tuning" in drawn
    assert "Scoring" in drawn
    assert "Training" not in drawn


def test_a_terminal_without_unicode_gets_plain_signs() -> None:
    console = terminal("ascii")
    with contextlib.suppress(OSError), RunConsole(console, NODES) as run_console:
        run_console.node_started("Examples")
        run_console.work_progressed(epochs(6))
        console.print("draw")
        run_console.node_finished("Examples", 1.0)
        run_console.node_started("Trainer")
        raise OSError
    assert "+ " + line(1, "Examples", "1.0 s\n") in shown(console)
    assert "x " + line(3, "Trainer", "failed after") in shown(console)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("one\n  two  \n\n"), "ValueError: two"),
        (KeyError("key"), "KeyError: 'key'"),
        (OSError(), "OSError"),
        (ValueError("tab\there"), "ValueError: tab?here"),
    ],
)
def test_the_last_line_of_an_error(error: Exception, text: str) -> None:
    assert last_line(error) == text


def test_the_last_line_of_an_error_that_quotes_an_image_is_bounded() -> None:
    shown = last_line(ValueError(f"cannot read {bytes(range(256)) * 99!r}"))
    assert shown.startswith("ValueError: cannot read b'")
    assert len(shown) == 300
