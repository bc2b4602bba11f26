"""How a run ended: pushed, refused or broken.

Which of KFP's states a refusal leaves behind depends on KFP's version: since 2.5 an exit handler
is a hook of the workflow, and its failure alone does not fail the run. The verdict is therefore
read from the tasks, and the run's own state only where these say nothing.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence

from contract import nodes as node_names
from pipeline.kubeflow.submission.tasks import TaskState

EXIT_PUSHED = 0
EXIT_BROKEN = 1
EXIT_REFUSED = 3
SUMMARY_TASK = node_names.RUN_SUMMARY
RUN_ENDED = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED")
# What stands before a message: the exception's type in a traceback's last line, and in the API
# Kubernetes' and Argo's words, e.g. "main: Error (exit code 1): RunSummary: RefusedError: ".
_BEFORE = r"^(?:[\w.-]+(?: \([^)]*\))?: )*"
_REFUSED = re.compile(_BEFORE + r"(REFUSED\b.*)$", re.MULTILINE)
# What the summary's task logs about a run, whether or not it fails by it.
_SENTENCE = re.compile(r"^INFO [\w.]+: ((?:REFUSED|BROKEN)\b.*)$", re.MULTILINE)
_EXCEPTION = re.compile(r"^[\w.]*(?:Error|Exception|Interrupt|Exit)\b.*$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The end of a run: one line for the user, and the command's exit code."""

    text: str
    exit_code: int

    @property
    def style(self) -> str:
        """Rich's style for the line."""
        return "bold green" if self.exit_code == EXIT_PUSHED else "bold red"


def judge(
    state: str,
    error: str,
    tasks: Sequence[TaskState],
    has_summary: bool,
    read_log: Callable[[TaskState], str],
) -> Verdict:
    """Judge a run that has ended.

    Args:
        state: The run's.
        error: What the API says of the run, often nothing.
        tasks: The pipeline's tasks that began.
        has_summary: Whether the pipeline has a task `RunSummary`.
        read_log: Returns the log of a task, empty where it cannot be read.
    """
    if state in ("CANCELED", "SKIPPED"):
        return Verdict(f"{state}: the run was not finished, nothing is decided", EXIT_BROKEN)
    failed = sorted(
        (task for task in tasks if task.state == "FAILED"),
        key=lambda task: task.ended.timestamp() if task.ended else float("inf"),
    )
    texts = {task.name: task.message or read_log(task) for task in failed}
    refusals = {name: match[1] for name, text in texts.items() if (match := _REFUSED.search(text))}
    broken = [task.name for task in failed if task.name not in refusals]
    if broken:
        return Verdict(_broken(broken, texts), EXIT_BROKEN)
    if refusals:
        return Verdict(next(iter(refusals.values())), EXIT_REFUSED)
    if state != "SUCCEEDED":
        problem = _shorten(error) or "KFP names no task that failed; see the run's page"
        return Verdict(f"BROKEN: {problem}", EXIT_BROKEN)
    summary = next((task for task in tasks if task.name == SUMMARY_TASK), None)
    if has_summary and (summary is None or summary.state != "SUCCEEDED"):
        return Verdict(
            f"UNKNOWN: the run succeeded, but KFP does not say that {SUMMARY_TASK} did, which "
            "writes down what was decided; see the run's page",
            EXIT_BROKEN,
        )
    # A pipeline without the node `Verdict` succeeds after a refusal, too.
    sentence = _SENTENCE.search(read_log(summary)) if summary else None
    if sentence:
        is_refusal = sentence[1].startswith("REFUSED")
        return Verdict(sentence[1], EXIT_REFUSED if is_refusal else EXIT_BROKEN)
    return Verdict("BLESSED and pushed", EXIT_PUSHED)


def _broken(names: Sequence[str], texts: dict[str, str]) -> str:
    exceptions = _EXCEPTION.findall(texts[names[0]])
    lines = [line for line in texts[names[0]].splitlines() if line.strip()]
    problem = (exceptions or lines or ["KFP gives no message; see the task's log"])[-1]
    others = f" (also failed: {', '.join(names[1:])})" if len(names) > 1 else ""
    return f"BROKEN in {names[0]}: {_shorten(problem)}{others}"


def _shorten(text: str, longest: int = 300) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 3] + "..."
