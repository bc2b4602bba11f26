"""The verdict of a run, from its tasks and their logs."""

from __future__ import annotations

import datetime

import pytest

from pipeline.kubeflow.submission.tasks import TaskState
from pipeline.kubeflow.submission.verdict import judge


def _task(name: str, state: str, message: str = "", minute: int = 0) -> TaskState:
    ended = datetime.datetime(2026, 1, 5, 3, minute, tzinfo=datetime.UTC)
    return TaskState(name, state, 1.0, message, f"node-{name}", f"pod-{name}", ended)


def _no_log(task: TaskState) -> str:
    raise AssertionError(f"the log of {task.name} is not needed")


def test_a_success_of_a_pipeline_without_a_verdict_says_nothing() -> None:
    verdict = judge("SUCCEEDED", "", [_task("Pusher", "SUCCEEDED")], False, _no_log)
    assert verdict.exit_code == 1
    assert verdict.text.startswith("UNKNOWN: the run succeeded, but the pipeline has no task")


def test_what_broke_first_is_told_first() -> None:
    tasks = [_task("Later", "FAILED", "b", minute=9), _task("First", "FAILED", "a", minute=1)]
    verdict = judge("FAILED", "", tasks, True, _no_log)
    assert verdict.text == "BROKEN in First: a (also failed: Later)"
    assert verdict.exit_code == 1


def test_a_refusal_beside_something_broken_is_broken() -> None:
    tasks = [
        _task("Trainer-x", "FAILED", "ValueError: no", minute=1),
        _task("Verdict", "FAILED", "REFUSED: no model", minute=2),
    ]
    verdict = judge("FAILED", "", tasks, True, _no_log)
    assert (verdict.text, verdict.exit_code) == ("BROKEN in Trainer-x: ValueError: no", 1)


@pytest.mark.parametrize(
    "log",
    [
        "INFO gate: the word REFUSED in passing\nKilled",
        "NOTREFUSED: x",
        "REFUSEDLY: x",
    ],
)
def test_only_a_message_that_begins_so_is_a_refusal(log: str) -> None:
    verdict = judge("FAILED", "", [_task("Verdict", "FAILED")], True, lambda _: log)
    assert verdict.exit_code == 1
    assert verdict.text.startswith("BROKEN in Verdict: ")


def test_a_long_message_is_cut() -> None:
    verdict = judge("FAILED", "", [_task("Trainer-x", "FAILED", "x" * 5000)], True, _no_log)
    assert len(verdict.text) < 400
    assert verdict.text.endswith("...")
