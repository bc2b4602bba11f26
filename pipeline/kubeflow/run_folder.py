"""The folder of one run, below `runs_dir`: what the run's last task can read however it ended.

An exit handler gets no artifacts, and a task that failed leaves none. So the gate, the check of
the serving and the Pusher leave their verdicts here, by the run's id, and the summary joins them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from contract import nodes as node_names
from contract.errors import InputError
from evaluation.gate import REPORT_FILE as GATE_REPORT_FILE
from evaluation.gate import GateReport
from pipeline.kubeflow.local_copies import with_locations
from pipeline.kubeflow.object_store import list_files, read_text, remove_file, write_text
from pipeline.summary import FILE_NAME as SUMMARY_FILE
from pipeline.summary import Summary, now_utc, parse_summary, read_versions, to_json
from pipeline.verdict import Outcome
from serving.push_record import RECORD_FILE as PUSH_RECORD_FILE
from serving.push_record import PushedModel
from serving.servability.report import REPORT_FILE as SERVABILITY_REPORT_FILE
from serving.servability.report import ServabilityReport

# Files that a node leaves, by the output that it is in, by node id.
KEPT_FILES: Mapping[str, tuple[str, str]] = {
    node_names.GATE: ("blessing", GATE_REPORT_FILE),
    node_names.SERVABILITY_CHECK: ("blessing", SERVABILITY_REPORT_FILE),
    node_names.PUSHER: ("pushed_model", PUSH_RECORD_FILE),
}
VERDICT_NODE = node_names.VERDICT  # it fails where the model was refused, which breaks nothing
RUN_ID_VARIABLE = "KFP_RUN_ID"  # the run's id in the environment of every pod
_ERRORS = "errors"  # folder with the error of each task that failed, as NODE.txt


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
        moved: Local folders with the locations that they replace.

    Raises:
        InputError: The folder cannot be written.
    """
    output, name = KEPT_FILES[node_id]
    text = (outputs[output] / name).read_text(encoding="utf-8")
    write_text(_run_dir(runs_dir, run_id), name, with_locations(text, moved))


def write_summary(runs_dir: str, run_id: str) -> Summary:
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
    gate = read_text(folder, GATE_REPORT_FILE)
    servability = read_text(folder, SERVABILITY_REPORT_FILE)
    pushed = read_text(folder, PUSH_RECORD_FILE)
    pushed_model = PushedModel.from_push(json.loads(pushed)) if pushed else None
    error = _what_broke(_errors(folder), has_pusher_run=pushed is not None)
    outcome: Outcome = "broken" if error else "refused" if pushed_model is None else "blessed"
    summary = Summary(
        verdict=outcome,
        error=error,
        gate=GateReport.model_validate_json(gate) if gate else None,
        servability=ServabilityReport.model_validate_json(servability) if servability else None,
        pushed_model=pushed_model,
        run_id=run_id,
        ended=now_utc(),
        versions=read_versions(),
    )
    write_text(folder, SUMMARY_FILE, to_json(summary))
    return summary


def read_summary(runs_dir: str, run_id: str) -> Summary:
    """Read the summary that a run's last task wrote.

    Raises:
        InputError: There is none, or the folder cannot be read.
    """
    folder = _run_dir(runs_dir, run_id)
    text = read_text(folder, SUMMARY_FILE)
    if text is None:
        raise InputError(
            f"expected {SUMMARY_FILE} in {folder}, got none: the run's last task, RunSummary, "
            "failed or did not run; see its log"
        )
    return parse_summary(text, f"{folder}/{SUMMARY_FILE}")


def _run_dir(runs_dir: str, run_id: str) -> str:
    return f"{runs_dir.rstrip('/')}/{run_id}"


def _what_broke(errors: Mapping[str, str], *, has_pusher_run: bool) -> str:
    failures = [f"{node}: {error}" for node, error in errors.items() if node != VERDICT_NODE]
    if failures:
        return "; ".join(failures)
    if not has_pusher_run:
        return (
            "stopped before Pusher; no task recorded a reason: one was killed, or cannot reach "
            "runs_dir; see the run's page in KFP"
        )
    return ""


def keep_error(node_id: str, runs_dir: str, run_id: str, error: str) -> None:
    """Leave a task's error in the run's folder.

    KFP's last task learns that something failed, but neither what nor why.

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
