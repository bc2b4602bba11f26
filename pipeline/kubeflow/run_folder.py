"""The folder of one run, below `runs_dir`: what the run's last task can read however it ended.

An exit handler gets no artifacts, and a task that failed leaves none. So the gate, the check of
the serving and the Pusher leave their verdicts here, by the run's id, and the summary joins them.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from components.pusher import PUSHED_PROPERTY
from components.pusher import RECORD_FILE as PUSH_RECORD_FILE
from contract import __version__
from contract import nodes as node_names
from contract.errors import InputError
from evaluation.gate import REPORT_FILE as GATE_REPORT_FILE
from evaluation.gate import GateReport, describe
from pipeline.kubeflow.local_copies import with_locations
from pipeline.kubeflow.object_store import list_files, read_text, remove_file, write_text
from serving.servability.report import REPORT_FILE as SERVABILITY_REPORT_FILE
from serving.servability.report import ServabilityReport

SUMMARY_FILE = "summary.json"
# Files that a node leaves, by the output that it is in, by node id.
KEPT_FILES: Mapping[str, tuple[str, str]] = {
    node_names.GATE: ("blessing", GATE_REPORT_FILE),
    node_names.SERVABILITY_CHECK: ("blessing", SERVABILITY_REPORT_FILE),
    node_names.PUSHER: ("pushed_model", PUSH_RECORD_FILE),
}
VERDICT_NODE = node_names.VERDICT  # it fails where the model was refused, which breaks nothing
RUN_ID_VARIABLE = "KFP_RUN_ID"  # the run's id in the environment of every pod
_ERRORS = "errors"  # folder with the error of each task that failed, as NODE.txt

Verdict = Literal["blessed", "refused", "broken"]


class ClusterSummary(BaseModel):
    """How a run on a cluster ended.

    Attributes:
        schema_version: Raised when a field is renamed, removed or means something else.
        run_id: KFP's id of the run.
        verdict: `blessed` and pushed, `refused` by the gate or by the check of the serving, or
            `broken`: a task failed.
        error: What failed; "" where nothing did.
        gate: The gate's checks; None where the run did not come that far.
        servability: What a fresh process made of the export; None where it was not asked.
        pushed_model: What the Pusher tells; None where it did not run.
        ended: Time in UTC, ISO 8601.
        project_version: Of the image.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    run_id: str
    verdict: Verdict
    error: str
    gate: GateReport | None
    servability: ServabilityReport | None = None
    pushed_model: dict[str, JsonValue] | None
    ended: str
    project_version: str

    @property
    def sentence(self) -> str:
        """The verdict in one line, with what decided it."""
        if self.verdict == "blessed" and self.pushed_model is not None:
            return f"BLESSED: pushed to {self.pushed_model.get('pushed_destination')}"
        if self.verdict == "refused":
            return f"REFUSED: {reasons_of(self.gate, self.servability)}"
        return f"BROKEN: {self.error}"


def reasons_of(gate: GateReport | None, servability: ServabilityReport | None) -> str:
    """Return why a model was refused, in one line.

    Args:
        gate: The gate's report, where it is there.
        servability: That of the check of the serving, where it is there.
    """
    failed = [describe(check) for check in gate.with_verdict("failed")] if gate else []
    vetoes = [f"failed: serving: {reason}" for reason in servability.reasons] if servability else []
    return "; ".join([*failed, *vetoes])


def keep_verdict(
    node_id: str,
    runs_dir: str,
    run_id: str,
    outputs: Mapping[str, Path],
    moved: Mapping[str, str],
) -> None:
    """Leave a node's verdict in the run's folder.

    Args:
        node_id: A key of `KEPT_FILES`.
        runs_dir: Folder of all runs, local or remote.
        run_id: KFP's id of the run.
        outputs: The node's outputs' folders.
        moved: Local folders with the locations that they stand for.

    Raises:
        InputError: The folder cannot be written.
    """
    output, name = KEPT_FILES[node_id]
    text = (outputs[output] / name).read_text(encoding="utf-8")
    write_text(_run_dir(runs_dir, run_id), name, with_locations(text, moved))


def write_summary(runs_dir: str, run_id: str) -> ClusterSummary:
    """Join what the run's tasks left, and write the summary.

    KFP's own final status is not asked for: releases before 2.14 refuse a pipeline that does, and
    it says neither what failed nor why.

    Args:
        runs_dir: Folder of all runs, local or remote.
        run_id: KFP's id of the run.

    Raises:
        InputError: The folder cannot be read or written.
    """
    folder = _run_dir(runs_dir, run_id)
    errors = _errors(folder)
    gate = read_text(folder, GATE_REPORT_FILE)
    pushed = read_text(folder, PUSH_RECORD_FILE)
    servability = read_text(folder, SERVABILITY_REPORT_FILE)
    push_record = json.loads(pushed) if pushed else None
    verdict, error = _judge(errors, push_record)
    summary = ClusterSummary(
        run_id=run_id,
        verdict=verdict,
        error=error,
        gate=GateReport.model_validate_json(gate) if gate else None,
        servability=ServabilityReport.model_validate_json(servability) if servability else None,
        pushed_model=push_record,
        ended=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        project_version=__version__,
    )
    write_text(folder, SUMMARY_FILE, summary.model_dump_json(indent=2) + "\n")
    return summary


def read_summary(runs_dir: str, run_id: str) -> ClusterSummary:
    """Read the summary that a run's last task wrote.

    Raises:
        InputError: There is none, or the folder cannot be read.
    """
    text = read_text(_run_dir(runs_dir, run_id), SUMMARY_FILE)
    if text is None:
        raise InputError(
            f"expected {SUMMARY_FILE} in {_run_dir(runs_dir, run_id)}, got none: the run's last "
            "task, RunSummary, failed or did not run; its log says why"
        )
    return ClusterSummary.model_validate_json(text)


def _run_dir(runs_dir: str, run_id: str) -> str:
    return f"{runs_dir.rstrip('/')}/{run_id}"


def _judge(
    errors: Mapping[str, str], push_record: Mapping[str, JsonValue] | None
) -> tuple[Verdict, str]:
    failures = [f"{node}: {error}" for node, error in errors.items() if node != VERDICT_NODE]
    if failures:
        return "broken", "; ".join(failures)
    if push_record is None:
        return "broken", (
            "the run did not come to its push, and no task could say why: one was killed, or "
            "cannot reach runs_dir; KFP's page of the run shows it"
        )
    return ("blessed" if push_record[PUSHED_PROPERTY] == 1 else "refused"), ""


def keep_error(node_id: str, runs_dir: str, run_id: str, error: str) -> None:
    """Leave a task's error in the run's folder.

    KFP tells its last task that something failed, but neither what nor why.

    Raises:
        InputError: The folder cannot be written.
    """
    write_text(_run_dir(runs_dir, run_id), f"{_ERRORS}/{node_id}.txt", error)


def forget_error(node_id: str, runs_dir: str, run_id: str) -> None:
    """Remove what an earlier attempt of a task left, since this one succeeded."""
    remove_file(_run_dir(runs_dir, run_id), f"{_ERRORS}/{node_id}.txt")


def _errors(folder: str) -> dict[str, str]:
    return {
        name.removesuffix(".txt"): read_text(folder, f"{_ERRORS}/{name}") or ""
        for name in list_files(f"{folder}/{_ERRORS}")
    }
