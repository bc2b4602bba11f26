"""The exit handler: the run's last task, which runs also when another one has failed."""

# No `from __future__ import annotations`: TFX reads the component's annotations as objects.

import http.client
import logging
import os
import urllib.error
import urllib.request

from tfx.dsl.component.experimental.annotations import Parameter
from tfx.orchestration.kubeflow.decorators import exit_handler

from pipeline.kubeflow.run_folder import write_summary
from pipeline.summary import Summary, to_json

_LOGGER = logging.getLogger(__name__)
_TIMEOUT_S = 10.0


@exit_handler
def RunSummary(  # noqa: N802 - TFX names the node after the function
    runs_dir: Parameter[str],
    run_id: Parameter[str],
    webhook_variable: Parameter[str],
) -> None:
    """Write `runs_dir/run_id/summary.json`, notify a webhook, and log how the run ended.

    Args:
        runs_dir: Folder of all runs, local or remote.
        run_id: KFP's id of the run.
        webhook_variable: Name of the environment variable with an address that gets the
            summary by POST; where it is not set, none is sent.

    Raises:
        InputError: The folder cannot be read or written.
    """
    summary = write_summary(runs_dir, run_id)
    _LOGGER.info("%s", summary.sentence)
    # A Secret that was made from a file ends with a line break.
    webhook = os.environ.get(webhook_variable, "").strip()
    if webhook:
        notify(webhook, summary)


def notify(webhook: str, summary: Summary) -> None:
    """Send a summary to an address, as JSON; a failure is logged and changes nothing."""
    try:
        request = urllib.request.Request(
            webhook,
            data=to_json(summary).encode("utf-8"),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S):
            _LOGGER.info("The webhook was notified")
    except (OSError, ValueError, http.client.HTTPException) as error:
        # The address may hold a token: it is not logged, nor is a message that may name it.
        _LOGGER.warning("The webhook could not be notified: %s", _reason(error))


def _reason(error: Exception) -> str:
    kind = type(error).__name__
    return f"{kind} {error.code}" if isinstance(error, urllib.error.HTTPError) else kind
