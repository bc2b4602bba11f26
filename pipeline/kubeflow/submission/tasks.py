"""What a run's tasks are doing, read from the Argo workflow that runs them.

KFP's own `task_details` cannot be used: their ids are random, cached tasks and errors are missing,
and they freeze when Argo compresses its nodes. Argo names each node by its path, with the number
of the attempt in parentheses, e.g. `workflow.root.tfx-dag.Trainer-x.executor(1)`. For a task
`Trainer-x` there is a node of that name, a node `Trainer-x-driver` before it, and below it
`executor`, which is skipped where the cache answers. From KFP 2.17.0 on, more of them may be
repeated: `root(0).tfx-dag(0).Trainer-x(0).executor(0)`.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import gzip
import json
import re
import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from contract.errors import InputError

DRIVER = "-driver"
EXECUTOR = "executor"
_STATES = {
    "": "PENDING",
    "Pending": "PENDING",
    "Running": "RUNNING",
    "Succeeded": "SUCCEEDED",
    "Skipped": "SKIPPED",
    "Omitted": "SKIPPED",
    "Failed": "FAILED",
    "Error": "FAILED",
}
_ATTEMPT = re.compile(r"\(\d+\)$")
Json = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class TaskState:
    """A task of the compiled pipeline in a run.

    Attributes:
        name: As in the compiled file, or the name of a DAG whose driver failed.
        state: PENDING, RUNNING, SUCCEEDED, CACHED, SKIPPED or FAILED.
        seconds: How long it took, None where that is not known.
        message: Why it failed, by Argo: the container's own message where it left one.
        node_id: Argo's id of the pod with the log, empty where there is none.
        pod: Name of that pod.
        ended: When it ended, None while it has not.
    """

    name: str
    state: str
    seconds: float | None
    message: str
    node_id: str
    pod: str
    ended: datetime.datetime | None


@dataclasses.dataclass(frozen=True)
class _Node:
    path: tuple[str, ...]  # without the numbers of attempts
    fields: Json

    @property
    def state(self) -> str:
        return _STATES.get(self.fields.get("phase") or "", "PENDING")

    @property
    def message(self) -> str:
        return str(self.fields.get("message") or "")

    @property
    def begun(self) -> datetime.datetime | None:
        return _time(self.fields.get("startedAt"))

    @property
    def ended(self) -> datetime.datetime | None:
        return _time(self.fields.get("finishedAt"))


def read_tasks(workflow: Json, tasks: Collection[str], dags: Collection[str]) -> list[TaskState]:
    """Read the states of the pipeline's tasks.

    Args:
        workflow: Argo's, see `Client.get_workflow`; empty where KFP has not made it yet.
        tasks: Names of the tasks with a container.
        dags: Names of those that hold others; only the failure of their driver is reported.

    Returns:
        The tasks that have begun, in the order in which they did.

    Raises:
        InputError: The nodes are not in Argo's form.
    """
    nodes = sorted(_nodes(workflow), key=_start)
    states: dict[str, TaskState] = {}
    for node in nodes:
        name = node.path[-1]
        owner = name.removesuffix(DRIVER)
        if name in tasks and name not in states:
            states[name] = _task_state(name, node, nodes, workflow)
        elif name != owner and node.state == "FAILED" and (owner in tasks or owner in dags):
            # Its task never starts, so this is all there will be of it.
            states[owner] = _driver_state(owner, node, nodes, workflow)
    return list(states.values())


def read_nodes(workflow: Json) -> dict[str, Json]:
    """Return Argo's nodes by id, also where it has compressed them to fit into etcd.

    Raises:
        InputError: They are not in Argo's form.
    """
    status = workflow.get("status") or {}
    nodes: dict[str, Json] = status.get("nodes") or {}
    compressed = status.get("compressedNodes")
    if nodes or not compressed:
        return nodes
    try:
        nodes = json.loads(gzip.decompress(base64.b64decode(compressed, validate=True)))
    except (binascii.Error, OSError, EOFError, zlib.error, ValueError) as error:
        raise InputError(
            "expected the workflow's compressedNodes as base64 of gzip of JSON, as Argo writes "
            f"them, got {type(error).__name__}: {error}. How to fix: look at the run's page."
        ) from error
    return nodes


def _nodes(workflow: Json) -> list[_Node]:
    return [
        _Node(tuple(_ATTEMPT.sub("", part) for part in fields["name"].split(".")), fields)
        for fields in read_nodes(workflow).values()
        if fields.get("name")
    ]


def _task_state(name: str, node: _Node, nodes: Sequence[_Node], workflow: Json) -> TaskState:
    executors = [other for other in nodes if other.path == (*node.path, EXECUTOR)]
    state = node.state
    if state == "SUCCEEDED" and executors and all(it.state == "SKIPPED" for it in executors):
        state = "CACHED"
    return _describe(name, state, node, executors, workflow)


def _driver_state(owner: str, node: _Node, nodes: Sequence[_Node], workflow: Json) -> TaskState:
    attempts = [other for other in nodes if other.path == node.path]
    return _describe(owner, "FAILED", node, attempts, workflow)


def _describe(
    name: str, state: str, node: _Node, attempts: Sequence[_Node], workflow: Json
) -> TaskState:
    begun = node.begun
    ended = node.ended if state not in ("PENDING", "RUNNING") else None
    pods = [each for each in attempts if each.fields.get("type") == "Pod"]
    failed = [each for each in pods if each.state == "FAILED"]
    shown = (failed or pods)[-1:]
    # The last attempt's pod says why; what is above it only that something below has failed.
    told = [*reversed(failed), *attempts, node]
    return TaskState(
        name=name,
        state=state,
        seconds=(ended - begun).total_seconds() if begun and ended else None,
        message=next((each.message for each in told if each.message), "")
        if state == "FAILED"
        else "",
        node_id=str(shown[0].fields.get("id", "")) if shown else "",
        pod=_pod_name(workflow, shown[0].fields) if shown else "",
        ended=ended,
    )


def _pod_name(workflow: Json, node: Json) -> str:
    """Return a pod's name as Argo makes it, of workflow, template and the number in the id.

    See `RetrievePodName` in backend/src/common/util/workflow.go of kubeflow/pipelines.
    """
    metadata = workflow.get("metadata") or {}
    number = str(node.get("id", "")).rpartition("-")[2]
    return f"{metadata.get('name', '')}-{node.get('templateName', '')}-{number}"


def _start(node: _Node) -> tuple[datetime.datetime, int, str]:
    never = datetime.datetime.max.replace(tzinfo=datetime.UTC)
    # The node itself before its attempts, which begin with it and have one name with it.
    name = str(node.fields["name"])
    return node.begun or never, len(name), name


def _time(text: str | None) -> datetime.datetime | None:
    # Go writes its zero time, or null, for what has not happened.
    return datetime.datetime.fromisoformat(text) if text and not text.startswith("0001") else None
