"""What the user sees while a run goes on: each node and step, its time, its progress.

On a terminal the running node has a spinner, with bars for long work below it.
On a pipe there are plain lines, and few of them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.spinner import Spinner
from rich.table import Column
from rich.text import Text

from contract.errors import InputError
from contract.progress import Progress
from pipeline.stages import Stage, format_seconds

_LOGGER = logging.getLogger("pneumonia.run")
_DETAIL = "    "  # what belongs to a node is indented below it
_NUMBER_COLUMNS, _NAME_COLUMNS = 7, 24  # of the terminal, so that the times are in line
_MAX_ERROR_CHARACTERS = 300
_BAR_COLUMNS = 16


@dataclasses.dataclass
class _Work:
    """A node or a step while it runs."""

    name: str
    start_s: float
    stages: dict[str, Stage] = dataclasses.field(default_factory=dict)


class RunConsole:
    """Shows a run; a context manager, and a `pipeline.node_events.RunListener`.

    An exception that leaves its block is shown with the node or step that was
    running, and is logged with its traceback; an `InputError` is not repeated,
    as the runner prints its message whole.

    Attributes:
        timings_s: Seconds of every node and step that has ended, by name.
    """

    def __init__(
        self, console: Console, node_ids: Sequence[str] = (), log_file: Path | None = None
    ) -> None:
        """Take what is known beforehand.

        Args:
            console: Where to write.
            node_ids: The pipeline's nodes, as for `expect`, where they are known already.
            log_file: The log to point at where something fails.
        """
        self.timings_s: dict[str, float] = {}
        self._console = console
        self._log_file = log_file
        self._numbers: dict[str, int] = {}
        self._running: dict[str, _Work] = {}
        # Progress comes from Beam's worker threads, too. Nothing that draws takes this lock.
        self._lock = threading.RLock()
        self._bars = _create_bars(console)
        self._live: Live | None = None
        self.expect(node_ids)

    def __enter__(self) -> Self:
        if self._console.is_interactive:
            self._live = Live(
                self,
                console=self._console,
                refresh_per_second=5,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            for name in list(self._running):
                self.work_failed(name, error)
        if self._live is not None:
            self._live.stop()
        if isinstance(error, Exception):
            _LOGGER.error("The run failed.", exc_info=error)

    def expect(self, node_ids: Sequence[str]) -> None:
        """Number the pipeline's nodes.

        Args:
            node_ids: All of them, in the order in which they run.
        """
        self._numbers = {node_id: number for number, node_id in enumerate(node_ids, 1)}

    def node_started(self, node_id: str) -> None:
        """Show that a node runs."""
        self._start(node_id)

    def node_finished(self, node_id: str, seconds: float) -> None:
        """Show that a node has done its work, in `seconds`."""
        self._end(node_id, "passed", format_seconds(seconds), seconds)

    def node_cached(self, node_id: str, seconds: float) -> None:
        """Show that a node was answered from an earlier run, in `seconds`."""
        self._end(node_id, "cached", "cached", seconds)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show the block as a separate step, beside the nodes.

        Args:
            name: What is done, as a user reads it, e.g. "Convert".
        """
        start_s = time.monotonic()
        self._start(name)
        try:
            yield
        except BaseException as error:
            self.work_failed(name, error)
            raise
        seconds = time.monotonic() - start_s
        self._end(name, "passed", format_seconds(seconds), seconds)

    def work_progressed(self, progress: Progress) -> None:
        """Show how far a stage of what runs now has come."""
        with self._lock:
            now_s = time.monotonic()
            if not self._running:
                self._start("")  # work outside of any node and step has no line
            work = list(self._running.values())[-1]
            stage = work.stages.get(progress.stage)
            if stage is None:
                stage = work.stages[progress.stage] = Stage(progress, work.start_s)
                is_new = True
            else:
                is_new = stage.advance(progress)
            if self._live is not None:
                self._draw_bar(stage, is_new)
            elif stage.line_due(now_s):
                self._print(Text(_DETAIL + stage.describe()))

    def work_failed(self, name: str, error: BaseException) -> None:
        """Show that a node or step has ended with an exception.

        Args:
            name: The node or the step.
            error: What ended it; its last line is shown.
        """
        with self._lock:
            work = self._running.get(name)
            seconds = time.monotonic() - work.start_s if work else 0.0
            is_failure = isinstance(error, Exception)
            verb = "failed" if is_failure else "interrupted"
            self._end(name, "failed", f"{verb} after {format_seconds(seconds)}", seconds)
            if not is_failure or isinstance(error, InputError):
                return
            self._print(Text(f"{_DETAIL}{last_line(error)}", style="red"))
            if self._log_file is not None:
                self._print(Text(f"{_DETAIL}log: {self._log_file}"))

    def _start(self, name: str) -> None:
        with self._lock:
            self._running[name] = _Work(name, time.monotonic())
            if self._live is None and name:
                self._print(Text(f"{self._label(name)}  started"))

    def _end(self, name: str, outcome: str, remark: str, seconds: float) -> None:
        with self._lock:
            work = self._running.pop(name, None)
            for task_id in self._bars.task_ids:
                self._bars.remove_task(task_id)
            if name:
                self.timings_s[name] = seconds
                if self._live is None and outcome == "passed":
                    remark = f"finished in {remark}"  # where no sign says it
                self._print(self._outcome(outcome).append(f"{self._label(name)}  {remark}"))
            for stage in work.stages.values() if work else ():
                if stage.describe() != stage.written:
                    self._print(Text(_DETAIL + stage.describe(), style="dim"))

    def _outcome(self, outcome: str) -> Text:
        if self._live is None:
            return Text()  # the words say it
        has_signs = self._console.encoding.startswith("utf")
        sign, style = {
            "passed": ("✓" if has_signs else "+", "green"),
            "cached": ("✓" if has_signs else "+", "cyan"),
            "failed": ("✗" if has_signs else "x", "bold red"),
        }[outcome]
        return Text.assemble((sign, style), " ")

    def _label(self, name: str) -> str:
        number = self._numbers.get(name)
        place = f"[{number}/{len(self._numbers)}]" if number else ""
        return f"{place:>{_NUMBER_COLUMNS}} {name:<{_NAME_COLUMNS}}"

    def _print(self, line: Text) -> None:
        # Not wrapped: a path must stay in one piece to be copied.
        self._console.print(line, soft_wrap=True)

    def _draw_bar(self, stage: Stage, is_new: bool) -> None:
        latest = stage.latest
        bars = {task.description: task.id for task in self._bars.tasks}
        if is_new or latest.stage not in bars:
            for task in self._bars.tasks:
                # A stage that begins takes the place of those that are through.
                if task.finished or task.description == latest.stage:
                    self._bars.remove_task(task.id)
            bars[latest.stage] = self._bars.add_task(latest.stage, title="", count="", figures="")
        self._bars.update(
            bars[latest.stage],
            total=latest.total,
            completed=latest.done,
            title=stage.title(),
            count=stage.count(),
            figures=stage.figures(),
        )

    def __rich__(self) -> RenderableType:
        """Return what moves: the running nodes' lines and the bars, as they are now."""
        now_s = time.monotonic()
        lines: list[RenderableType] = []
        for work in list(self._running.values()):
            if work.name:
                elapsed = format_seconds(now_s - work.start_s)
                lines.append(_spinner(f"{self._label(work.name)}  {elapsed}", self._console))
        return Group(*lines, self._bars)


def last_line(error: BaseException) -> str:
    """Return an exception's type and the last line of its message.

    Printable characters only, and at most 300 of them: libraries quote what they could not read,
    which may be a whole image. The log file has all of it.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[-1]}" if lines else type(error).__name__
    if len(text) > _MAX_ERROR_CHARACTERS:
        text = text[: _MAX_ERROR_CHARACTERS - 3] + "..."
    return "".join(character if character.isprintable() else "?" for character in text)


def _create_bars(console: Console) -> Bars:
    return Bars(
        TextColumn(_DETAIL + "{task.fields[title]}", markup=False),
        BarColumn(_BAR_COLUMNS),
        TextColumn("{task.fields[count]}", markup=False),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        TextColumn(
            "{task.fields[figures]}",
            style="dim",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis"),
        ),
        console=console,
        auto_refresh=False,
    )


def _spinner(text: str, console: Console) -> RenderableType:
    spinner = Spinner("dots" if console.encoding.startswith("utf") else "line", Text(text))
    # Every drawing makes a new one: its frame follows the clock, not its own age.
    spinner.start_time = 0.0
    return spinner
