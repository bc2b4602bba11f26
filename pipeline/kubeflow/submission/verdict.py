"""How a run ended: pushed, refused, stopped by what it was given, or broken.

A refused model makes the task `Verdict` fail with a message that begins with REFUSED, and with it
the run. So the tasks' messages decide, and the run's own state only where there are none.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence

from contract import nodes as node_names
from contract.command_line import EXIT_BAD_INPUT, EXIT_BROKEN, EXIT_DONE, EXIT_REFUSED
from pipeline.kubeflow.submission.tasks import TaskState

VERDICT_TASK = node_names.VERDICT
RUN_ENDED = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED")
# Kubernetes' and Argo's words before a container's own message, as in
# "main: Error (exit code 1): Verdict: RefusedError: REFUSED: ...".
_EXIT = re.compile(r"^(?:[\w.-]+: )?(?:Error|OOMKilled) \(exit code \d+\)(?:: |$)")
# What a DAG or the last of several attempts says: that something below it failed.
_BELOW = re.compile(r"^(?:child '.*' failed|No more retries left.*|)$")
_REFUSED = re.compile(r"^(?:[\w.-]+: )*(REFUSED\b.*)$", re.MULTILINE)
_BAD_INPUT = re.compile(r"^(?:[\w-]+: )?(?:[\w.]+\.)?InputError: ")
_EXCEPTION = re.compile(r"^[\w.]*(?:Error|Exception|Interrupt|Exit)\b.*$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The end of a run: one line for the user, and the command's exit code."""

    text: str
    exit_code: int

    @property
    def style(self) -> str:
        """Rich's style for the line."""
        return "bold green" if self.exit_code == EXIT_DONE else "bold red"


def judge(
    state: str,
    error: str,
    tasks: Sequence[TaskState],
    has_verdict: bool,
    read_log: Callable[[TaskState], str],
) -> Verdict:
    """Judge a run that has ended.

    Args:
        state: The run's.
        error: What the API says of the run, often nothing.
        tasks: The pipeline's tasks that began; none where KFP does not give the workflow.
        has_verdict: Whether the pipeline has a task `Verdict`, without which a refused model does
            not fail the run.
        read_log: Returns the log of a task, empty where it cannot be read.
    """
    if state in ("CANCELED", "SKIPPED"):
        return Verdict(f"{state}: the run was not finished, nothing is decided", EXIT_BROKEN)
    failed = sorted(
        (task for task in tasks if task.state == "FAILED"),
        key=lambda task: task.ended.timestamp() if task.ended else float("inf"),
    )
    texts = {task.name: _reason(task, read_log) for task in failed}
    refusals = {name: match[1] for name, text in texts.items() if (match := _REFUSED.search(text))}
    broken = [task.name for task in failed if task.name not in refusals]
    if broken:
        return _broken(broken, texts[broken[0]])
    if refusals:
        return Verdict(next(iter(refusals.values())), EXIT_REFUSED)
    if state != "SUCCEEDED":
        problem = _shorten(error) or "KFP names no task that failed; see the run's page"
        return Verdict(f"BROKEN: {problem}", EXIT_BROKEN)
    if not has_verdict:
        return Verdict(
            f"UNKNOWN: the run succeeded, but the pipeline has no task {VERDICT_TASK}, without "
            "which a refused run succeeds, too; compile it again",
            EXIT_BROKEN,
        )
    return Verdict("BLESSED and pushed", EXIT_DONE)


def _reason(task: TaskState, read_log: Callable[[TaskState], str]) -> str:
    """Return a failed task's own message, or else its log, or else what Kubernetes says."""
    own = _EXIT.sub("", task.message).removeprefix(f"{task.name}: ")
    return own if not _BELOW.match(own) else read_log(task) or task.message


def _broken(names: Sequence[str], text: str) -> Verdict:
    exceptions = _EXCEPTION.findall(text)
    lines = [line for line in text.splitlines() if line.strip()]
    problem = (exceptions or lines or ["KFP gives no message; see the task's log"])[-1]
    others = f" (also failed: {', '.join(names[1:])})" if len(names) > 1 else ""
    if _BAD_INPUT.match(problem):
        return Verdict(f"BAD INPUT in {names[0]}: {_shorten(problem)}{others}", EXIT_BAD_INPUT)
    return Verdict(f"BROKEN in {names[0]}: {_shorten(problem)}{others}", EXIT_BROKEN)


def _shorten(text: str, longest: int = 300) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 3] + "..."
