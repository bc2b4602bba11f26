"""Following a run to its verdict."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.pipeline.kubeflow.submission.conftest import Submit
from tests.pipeline.kubeflow.submission.fake_argo_nodes import argo_nodes, pod_of
from tests.pipeline.kubeflow.submission.fake_kfp_api import Failure, FakeKfp, Snapshot

QUICK = ("--poll-s", "0.01")
DONE = {"ImportExampleGen": "SUCCEEDED", "Trainer-small": "SUCCEEDED", "RunSummary": "SUCCEEDED"}
REFUSED = DONE | {"RunSummary": "FAILED"}
BROKEN = {"ImportExampleGen": "SUCCEEDED", "Trainer-small": "FAILED", "RunSummary": "SUCCEEDED"}
TRACEBACK = """Traceback (most recent call last):
  File "run.py", line 1, in <module>
{}
F0105 main.go:49] failed to execute component: exit status 1
"""


def test_a_followed_run_tells_each_change_once_and_ends_blessed(
    submit: Submit, fake: FakeKfp
) -> None:
    first = {"ImportExampleGen": "SUCCEEDED", "Trainer-small": "RUNNING"}
    fake.snapshots = [
        Snapshot("PENDING"),
        Snapshot("RUNNING", argo_nodes({"ImportExampleGen": "RUNNING"})),
        Snapshot("RUNNING", argo_nodes(first, cached=["ImportExampleGen"])),
        Snapshot("RUNNING", argo_nodes(first, cached=["ImportExampleGen"])),
        Snapshot("SUCCEEDED", argo_nodes(DONE, cached=["ImportExampleGen"])),
    ]
    code, output, errors = submit("--wait", *QUICK)
    assert (code, errors) == (0, "")
    lines = [line.split(maxsplit=2)[2] for line in output.splitlines()[3:-2]]
    assert lines == [
        "ImportExampleGen  running",
        "ImportExampleGen  cached in 30.0 s",
        "Trainer-small  running",
        "Trainer-small  succeeded in 30.0 s",
        "RunSummary  succeeded in 30.0 s",
    ]
    assert output.splitlines()[-2:] == [
        "BLESSED and pushed",
        f"{fake.url}/#/runs/details/runs-1",
    ]


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED"])  # KFP from 2.5 on, and before
@pytest.mark.parametrize("is_ui", [False, True])
def test_a_refusal_is_read_from_the_log_whatever_the_runs_state(
    submit: Submit, fake: FakeKfp, state: str, is_ui: bool
) -> None:
    fake.is_ui = is_ui
    fake.snapshots = [Snapshot(state, argo_nodes(REFUSED))]
    log = TRACEBACK.format("pipeline.errors.RefusedError: REFUSED: recall 0.81 is below 0.95")
    fake.logs = {pod_of(REFUSED, "RunSummary"): log}
    code, output, _ = submit("--wait", *QUICK)
    assert code == 3
    assert output.splitlines()[-2] == "REFUSED: recall 0.81 is below 0.95"


def test_a_refusal_is_read_from_the_apis_message(submit: Submit, fake: FakeKfp) -> None:
    message = "main: Error (exit code 1): RunSummary: RefusedError: REFUSED: recall 0.81 < 0.95"
    nodes = argo_nodes(REFUSED, messages={"RunSummary": message})
    fake.snapshots = [Snapshot("FAILED", nodes)]
    code, output, _ = submit("--wait", *QUICK)
    assert code == 3
    assert output.splitlines()[-2] == "REFUSED: recall 0.81 < 0.95"
    assert not fake.sent("GET", ".*log")


def test_a_refusal_that_fails_nothing_is_read_from_the_summarys_log(
    submit: Submit, fake: FakeKfp
) -> None:
    fake.snapshots = [Snapshot("SUCCEEDED", argo_nodes(DONE))]
    sentence = "REFUSED: recall 0.81 is below 0.95"
    log = f"INFO pipeline.kubeflow.run_summary_node: {sentence}\nINFO other: done\n"
    fake.logs = {pod_of(DONE, "RunSummary"): log}
    code, output, _ = submit("--wait", *QUICK)
    assert code == 3
    assert output.splitlines()[-2] == sentence


def test_a_broken_task_is_named_with_the_last_attempts_exception(
    submit: Submit, fake: FakeKfp
) -> None:
    fake.snapshots = [Snapshot("FAILED", argo_nodes(BROKEN, attempts={"Trainer-small": 3}))]
    log = TRACEBACK.format("ValueError: expected 4 columns, got 3")
    fake.logs = {pod_of(BROKEN, "Trainer-small", attempt=2): log}
    code, output, _ = submit("--wait", *QUICK)
    assert code == 1
    assert output.splitlines()[-2] == (
        "BROKEN in Trainer-small: ValueError: expected 4 columns, got 3"
    )


def test_a_summary_that_fails_for_another_reason_is_no_refusal(
    submit: Submit, fake: FakeKfp
) -> None:
    fake.snapshots = [Snapshot("FAILED", argo_nodes(REFUSED))]
    fake.logs = {pod_of(REFUSED, "RunSummary"): TRACEBACK.format("OSError: the hook is down")}
    code, output, _ = submit("--wait", *QUICK)
    assert code == 1
    assert output.splitlines()[-2] == "BROKEN in RunSummary: OSError: the hook is down"


def test_a_failure_without_any_message_is_still_told(submit: Submit, fake: FakeKfp) -> None:
    fake.snapshots = [Snapshot("FAILED", argo_nodes(REFUSED))]
    code, output, _ = submit("--wait", *QUICK)
    assert code == 1
    assert "BROKEN in RunSummary: KFP gives no message" in output


@pytest.mark.parametrize(
    ("snapshot", "line"),
    [
        (Snapshot("CANCELED"), "CANCELED: the run was not finished"),
        (Snapshot("SKIPPED"), "SKIPPED: the run was not finished"),
        (Snapshot("FAILED", error="workflow was evicted"), "BROKEN: workflow was evicted"),
        (Snapshot("SUCCEEDED"), "UNKNOWN: the run succeeded, but"),
        (
            Snapshot("FAILED", argo_nodes({"tfx-dag": "FAILED"}, broken_drivers=["tfx-dag"])),
            "BROKEN in tfx-dag: ",
        ),
    ],
)
def test_other_ends_are_told_plainly(
    submit: Submit, fake: FakeKfp, snapshot: Snapshot, line: str
) -> None:
    fake.snapshots = [snapshot]
    code, output, _ = submit("--wait", *QUICK)
    assert code == 1
    assert output.splitlines()[-2].startswith(line)


def test_a_run_that_does_not_end_in_time_goes_on(submit: Submit, fake: FakeKfp) -> None:
    fake.snapshots = [Snapshot("RUNNING")]
    code, output, _ = submit("--wait", "--timeout-s", "0.05", *QUICK)
    assert code == 1
    assert "TIMEOUT: the run goes on after 0.05 s" in output
    assert output.splitlines()[-1].endswith("/#/runs/details/runs-1")


def test_following_survives_a_cut_connection_and_a_restarting_server(
    submit: Submit, fake: FakeKfp
) -> None:
    fake.snapshots = [Snapshot("RUNNING"), Snapshot("SUCCEEDED", argo_nodes(DONE))]
    # urllib3 itself repeats a cut connection three times.
    fake.failures = [Failure("/runs/", None, times=4), Failure("/runs/", 503, "upstream")]
    code, output, _ = submit("--wait", *QUICK)
    assert code == 0
    assert output.count("KFP did not answer") == 2
    assert "503 Service Unavailable: upstream" in output
    assert not fake.failures


def test_following_ends_where_kfp_stays_away(submit: Submit, fake: FakeKfp) -> None:
    fake.failures = [Failure("/runs/", 503, times=-1)]
    code, output, errors = submit("--wait", "--poll-s", "0.001")
    assert code == 2
    assert output.count("KFP did not answer") == 7
    assert errors.startswith("Lost sight of the run: expected an answer at http")
    assert "The run goes on, as far as is known: http" in errors


def test_an_interrupt_leaves_the_run_going(repository: Path, fake: FakeKfp, compiled: Path) -> None:
    fake.snapshots = [Snapshot("RUNNING")]
    looked = threading.Event()
    fake.on_look = looked.set
    command = [sys.executable, repository / "kubeflow" / "submit.py", compiled, "--wait"]
    with subprocess.Popen(
        [*command, "--host", fake.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite that runs in the background of a shell would hand down that it is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert looked.wait(60)
        process.send_signal(signal.SIGINT)
        try:
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, errors) == (130, "")
    assert f"The run goes on: {fake.url}/#/runs/details/runs-1" in output
    assert not fake.sent("POST", ".*terminate")


def test_a_task_is_not_taken_for_cached_because_a_later_one_is(
    submit: Submit, fake: FakeKfp
) -> None:
    fake.snapshots = [Snapshot("SUCCEEDED", argo_nodes(DONE, cached=["Trainer-small"]))]
    _, output, _ = submit("--wait", *QUICK)
    assert "ImportExampleGen  succeeded" in output
    assert "Trainer-small  cached" in output
