"""The Argo workflow that KFP makes of a pipeline's tasks, with its nodes as Argo reports them.

Names, ids and types follow Argo's own code (`NodeID` of its API, `operator.go`, `dag.go` and
`exit_handler.go` of its controller), tasks and templates KFP's compiler
(`backend/src/v2/compiler/argocompiler`, with the workflows in its folder `testdata`).
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

NAME = "pneumonia-x7k2p"
_SUMMARY = "RunSummary"
_DRIVER_TEMPLATE, _POD_TEMPLATE = "system-container-driver", "system-container-impl"
_NEVER = None  # Go's metav1.Time writes its zero value as null


def workflow(
    states: Mapping[str, str],
    *,
    cached: Sequence[str] = (),
    attempts: Mapping[str, int] = {},
    messages: Mapping[str, str] = {},
    broken_drivers: Sequence[str] = (),
    wrapped: bool = False,
    compressed: bool = False,
) -> dict[str, Any]:
    """Return a workflow.

    Args:
        states: The tasks' phases, in the order in which they begin; RunSummary is the exit hook.
        cached: Tasks whose container does not run.
        attempts: Number of pods of tasks that are repeated.
        messages: What failed tasks' containers have left for Kubernetes.
        broken_drivers: Tasks, or "tfx-dag", whose driver fails, so that they do not begin.
        wrapped: As from KFP 2.17.0 on, whose default retry strategy wraps each template.
        compressed: As Argo writes more than 1 MiB of nodes.
    """
    nodes = _Nodes(wrapped)
    root = nodes.dag(NAME, "root", "root", "Running", 0)
    if "tfx-dag" in broken_drivers:
        nodes.pod(root, "tfx-dag-driver", "system-dag-driver", "Failed", 1, 1, "")
        return _workflow(nodes.entries, compressed)
    inner = nodes.dag(root, "tfx-dag", "comp-tfx-dag", "Running", 1)
    for number, (task, phase) in enumerate(states.items(), 1):
        parent, begin = inner, number * 60
        if task == _SUMMARY:
            hook = f"{root}.tfx-dag.onExit"
            nodes.add(hook, "DAG", "exit-hook-root-RunSummary", phase, begin)
            parent = hook
        if task in broken_drivers:
            nodes.pod(parent, f"{task}-driver", _DRIVER_TEMPLATE, "Failed", begin, 1, "")
            continue
        nodes.pod(parent, f"{task}-driver", _DRIVER_TEMPLATE, "Succeeded", begin, 0, "")
        owner = nodes.dag(parent, task, "system-container-executor", phase, begin + 5)
        if task in cached:
            nodes.add(
                f"{owner}.executor", "Skipped", _POD_TEMPLATE, "Skipped", begin + 6,
                "when 'true != true' evaluated false",
            )  # fmt: skip
            continue
        tries = attempts.get(task, int(wrapped))
        nodes.pod(owner, "executor", _POD_TEMPLATE, phase, begin + 6, tries, messages.get(task, ""))
    return _workflow(nodes.entries, compressed)


def node_of(flow: Mapping[str, Any], task: str) -> dict[str, Any]:
    """Return the node of a task's last pod."""
    nodes = flow["status"].get("nodes") or json.loads(
        gzip.decompress(base64.b64decode(flow["status"]["compressedNodes"]))
    )
    pods = [
        node
        for node in nodes.values()
        if node["type"] == "Pod" and f".{task}" in node["name"] and ".executor" in node["name"]
    ]
    last: dict[str, Any] = pods[-1]
    return last


def pod_of(flow: Mapping[str, Any], task: str) -> str:
    """Return the name of a task's last pod: workflow, template, and the number in the node's id."""
    return f"{NAME}-{_POD_TEMPLATE}-{node_of(flow, task)['id'].rpartition('-')[2]}"


class _Nodes:
    def __init__(self, wrapped: bool) -> None:
        self.entries: dict[str, dict[str, Any]] = {}
        self._wrapped = wrapped

    def dag(self, parent: str, name: str, template: str, phase: str, begin: int) -> str:
        """Add a DAG; return the name that its tasks' names begin with."""
        path = f"{parent}.{name}"
        if self._wrapped:
            self.add(path, "Retry", template, phase, begin, _below(phase))
            path += "(0)"
        self.add(path, "DAG", template, phase, begin, _below(phase))
        return path

    def pod(
        self,
        parent: str,
        name: str,
        template: str,
        phase: str,
        begin: int,
        tries: int,
        message: str,
    ) -> None:
        path = f"{parent}.{name}"
        left = f"main: Error (exit code 1): {message}" if message else "main: Error (exit code 1)"
        if not tries:
            self.add(path, "Pod", template, phase, begin, left if phase == "Failed" else "")
            return
        self.add(path, "Retry", template, phase, begin, _below(phase))
        for attempt in range(tries):
            last = attempt == tries - 1
            state = phase if last else "Failed"
            text = left if last else "main: Error (exit code 1): an earlier attempt"
            self.add(
                f"{path}({attempt})", "Pod", template, state, begin + attempt,
                text if state == "Failed" else "",
            )  # fmt: skip

    def add(
        self, name: str, kind: str, template: str, phase: str, begin: int, message: str = ""
    ) -> None:
        node_id = f"{NAME}-{_fnv32a(name)}"
        is_over = phase not in ("Running", "Pending")
        self.entries[node_id] = {
            "id": node_id,
            "name": name,
            "displayName": name.rpartition(".")[2],
            "type": kind,
            "templateName": template,
            "phase": phase,
            "startedAt": _clock(begin),
            "finishedAt": _clock(begin + 30) if is_over else _NEVER,
            **({"message": message} if message else {}),
        }


def _below(phase: str) -> str:
    return f"child '{NAME}-1234567890' failed" if phase == "Failed" else ""


def _workflow(nodes: Mapping[str, Any], compressed: bool) -> dict[str, Any]:
    status: dict[str, Any] = {"phase": "Running", "startedAt": _clock(0), "finishedAt": _NEVER}
    if compressed:
        text = json.dumps(nodes, separators=(",", ":")).encode()
        status["compressedNodes"] = base64.b64encode(gzip.compress(text)).decode()
    else:
        status["nodes"] = dict(nodes)
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": NAME, "namespace": "kubeflow"},
        "spec": {"entrypoint": "entrypoint"},
        "status": status,
    }


def _clock(second: int) -> str:
    return f"2026-01-05T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"


def _fnv32a(text: str) -> int:
    number = 0x811C9DC5
    for byte in text.encode():
        number = (number ^ byte) * 0x01000193 & 0xFFFFFFFF
    return number
