"""The nodes that KFP makes of a pipeline's tasks, as its API lists them in a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def argo_nodes(
    states: Mapping[str, str],
    *,
    cached: Sequence[str] = (),
    attempts: Mapping[str, int] = {},
    messages: Mapping[str, str] = {},
    broken_drivers: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Return the task details of a run, with all the nodes that KFP makes of each task.

    Args:
        states: The tasks' states, in the order in which they begin.
        cached: Tasks whose container does not run.
        attempts: Number of tries of tasks that may be retried.
        messages: What the API says of failed tasks; KFP itself leaves it out.
        broken_drivers: Tasks whose driver fails, so that they do not begin.
    """
    nodes: list[dict[str, Any]] = [_node("wf-0", "wf-0", "pneumonia-abc", "RUNNING", 0, [])]
    for number, (name, state) in enumerate(states.items(), 1):
        ids = [f"{number}{place}" for place in range(10)]
        begin = number * 60
        if name in broken_drivers:
            nodes.append(_node("driver", ids[0], f"{name}-driver", "FAILED", begin, []))
            continue
        nodes.append(_node("driver", ids[0], f"{name}-driver", "SUCCEEDED", begin, [ids[1]]))
        error = {"error": {"code": 2, "message": messages[name]}} if name in messages else {}
        nodes.append(_node("executor", ids[1], name, state, begin + 5, [ids[2]]) | error)
        inner = "SKIPPED" if name in cached else state
        tries = attempts.get(name, 0)
        following = [f"{number + 1}0"]  # the next task's driver hangs below this one's pod
        nodes.append(
            _node("impl", ids[2], "executor", inner, begin + 6, ids[3 : 3 + tries] or following)
        )
        for attempt in range(tries):
            phase = state if attempt == tries - 1 else "FAILED"
            nodes.append(
                _node("impl", ids[3 + attempt], f"executor({attempt})", phase,
                      begin + 7 + attempt, following)
            )  # fmt: skip
    return nodes


def pod_of(states: Mapping[str, str], name: str, attempt: int | None = None) -> str:
    """Return the name of a task's pod, as `argo_nodes` gives it."""
    return f"wf-impl-{list(states).index(name) + 1}{2 if attempt is None else 3 + attempt}"


def _node(
    template: str, number: str, name: str, state: str, begin: int, children: Sequence[str]
) -> dict[str, Any]:
    never = "1970-01-01T00:00:00Z"
    clock = "2026-01-05T{:02}:{:02}:{:02}Z"
    is_over = state not in ("RUNNING", "PENDING")
    end = begin + 30
    return {
        "task_id": f"wf-{template}-{number}",
        "display_name": name,
        "state": state,
        "start_time": clock.format(begin // 3600, begin // 60 % 60, begin % 60),
        "end_time": clock.format(end // 3600, end // 60 % 60, end % 60) if is_over else never,
        "child_tasks": [{"pod_name": f"wf-{child}"} for child in children],
    }
