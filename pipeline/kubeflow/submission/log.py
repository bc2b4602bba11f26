"""The log of a task, for a failure that left no message, such as one of a killed container."""

from __future__ import annotations

import json
from collections.abc import Callable

from pipeline.kubeflow.submission.client import Client, quiet
from pipeline.kubeflow.submission.errors import NETWORK_ERRORS
from pipeline.kubeflow.submission.tasks import TaskState

_KFP_NAMESPACE = "kubeflow"


def log_reader(client: Client, run_id: str, namespace: str | None) -> Callable[[TaskState], str]:
    """Return a function that reads a task's log.

    The API server has it at one address, the UI's server, which is often what is forwarded to
    the user's machine, at another. Both need the pod, or Argo's archive of logs. The API server
    takes Argo's id of the node, the UI's server the pod's name.

    Args:
        client: Of KFP.
        run_id: The run's.
        namespace: Where its pods are, None for KFP's own.

    Returns:
        A function of a task to its log, empty where it cannot be read.
    """

    def read(task: TaskState) -> str:
        if not task.node_id:
            return ""
        pod = {"podname": task.pod, "podnamespace": namespace or _KFP_NAMESPACE, "runid": run_id}
        for path, query in (
            (f"/apis/v1alpha1/runs/{run_id}/nodes/{task.node_id}/log", {}),
            ("/k8s/pod/logs", pod),
        ):
            try:
                with quiet():
                    text = client.read_text(path, query)
            except NETWORK_ERRORS:
                continue  # the other address may have it; without, the verdict says so
            if not _is_answer_of_a_server(text):
                return text
        return ""

    return read


def _is_answer_of_a_server(text: str) -> bool:
    """Say whether a text is a page or an error, which KFP may send as if it were a log."""
    text = text.strip()
    if text.lower().startswith(("<!doctype", "<html")):
        return True
    try:
        fields = json.loads(text)
    except ValueError:
        return False
    return isinstance(fields, dict) and ("error_message" in fields or "error" in fields)
