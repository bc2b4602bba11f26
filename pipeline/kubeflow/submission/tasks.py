"""What a run's tasks are doing, read from the API's `task_details`.

KFP lists the nodes of the Argo workflow there: for a task `Trainer-x` a node of that name, one
named `Trainer-x-driver` before it, and below it `executor`, with an `executor(0)` for each attempt
where it may be retried. Only the nodes' names, states, times and children are filled in.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Collection, Sequence
from typing import Any

DRIVER = "-driver"
EXECUTOR = "executor"
ENDED = ("SUCCEEDED", "CACHED", "FAILED", "SKIPPED", "CANCELED")


@dataclasses.dataclass(frozen=True)
class TaskState:
    """A task of the compiled pipeline in a run.

    Attributes:
        name: As in the compiled file, or "tfx-dag" for one whose driver failed.
        state: KFP's state, or "CACHED" where an earlier run answered.
        seconds: How long it took or takes, None where that is not known.
        message: What the API says of a failure, often nothing.
        pod: Name of the pod to read the log of, empty where there is none.
        ended: When it ended, None while it has not.
    """

    name: str
    state: str
    seconds: float | None
    message: str
    pod: str
    ended: datetime.datetime | None


def read_tasks(
    details: Sequence[Any], tasks: Collection[str], dags: Collection[str]
) -> list[TaskState]:
    """Read the states of the pipeline's tasks.

    Args:
        details: `run.run_details.task_details` of `kfp.Client.get_run`.
        tasks: Names of the tasks with a container.
        dags: Names of those that hold others; of them only a driver's failure is told.

    Returns:
        The tasks that have begun, in the order in which they did.
    """
    nodes = sorted(details, key=_start)
    states: dict[str, TaskState] = {}
    for node in nodes:
        name = node.display_name or ""
        owner = name.removesuffix(DRIVER)
        if name in tasks:
            states[name] = _task_state(name, node, nodes)
        elif name != owner and node.state == "FAILED" and (owner in tasks or owner in dags):
            # Its task never starts, so this is all there will be of it.
            states[owner] = _task_state(owner, node, nodes)
    return list(states.values())


def _task_state(name: str, node: Any, nodes: Sequence[Any]) -> TaskState:
    executors = _executors(node, nodes)
    state = node.state or "RUNTIME_STATE_UNSPECIFIED"
    if state == "SUCCEEDED" and any(executor.state == "SKIPPED" for executor in executors):
        state = "CACHED"
    ended = _time(node.end_time) if state in ENDED else None
    begun = _time(node.start_time)
    failed = [executor for executor in executors if executor.state == "FAILED"]
    return TaskState(
        name,
        state,
        (ended - begun).total_seconds() if begun and ended else None,
        next(filter(None, map(_message, [node, *failed])), ""),
        (failed or executors or [node])[-1].task_id or "",
        ended,
    )


def _executors(node: Any, nodes: Sequence[Any]) -> list[Any]:
    """Return the nodes below a task's own, attempts after what repeats them."""
    children = {_hash(child.pod_name) for child in node.child_tasks or ()}
    below = [
        other
        for other in nodes
        # A task's node has those of the tasks after it as children, too.
        if (other.display_name or "").startswith(EXECUTOR) and _hash(other.task_id) in children
    ]
    return below + [deeper for other in below for deeper in _executors(other, nodes)]


def _hash(node_id: str | None) -> str:
    # Children are named by Argo's id, tasks by their pod: they share the number at the end.
    return (node_id or "").rpartition("-")[2]


def _message(node: Any) -> str:
    errors = [node.error, *(status.error for status in node.state_history or ())]
    return next((error.message for error in errors if error and error.message), "")


def _start(node: Any) -> tuple[datetime.datetime, str]:
    never = datetime.datetime.max.replace(tzinfo=datetime.UTC)
    return _time(node.start_time) or never, node.display_name or ""


def _time(value: datetime.datetime | None) -> datetime.datetime | None:
    # KFP writes the start of 1970, or of year 1, for what has not happened.
    year_of_unix = 1970
    if value is None or value.year <= year_of_unix:
        return None
    return value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
