"""Following a run to its verdict."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.pipeline.kubeflow.submission.conftest import Submit
from tests.pipeline.kubeflow.submission.fake_argo_workflow import node_of, pod_of, workflow
from tests.pipeline.kubeflow.submission.fake_kfp_api import Failure, FakeKfp, Snapshot

QUICK = ("--poll-s", "0.01")
DONE = {
    "ImportExampleGen": "Succeeded",
    "Trainer-small": "Succeeded",
    "Verdict": "Succeeded",
    "RunSummary": "Succeeded",
}
REFUSED = DONE | {"Verdict": "Failed"}
BROKEN = {"ImportExampleGen": "Succeeded", "Trainer-small": "Failed", "RunSummary": "Succeeded"}
BAD_INPUT = {"ImportExampleGen": "Failed", "RunSummary": "Succeeded"}
TRACEBACK = """Traceback (most recent call last):
  File "run.py", line 1, in <module>
{}
F0105 main.go:49] failed to execute component: exit status 1
"""
# As KFP 2.16 makes a workflow, as 2.17 does, and as Argo stores a large one.
FORMS = pytest.mark.parametrize(
    "form", [{}, {"wrapped": True}, {"wrapped": True, "compressed": True}, {"compressed": True}]
)
Form = dict[str, bool]


@FORMS
def test_a_followed_run_tells_each_change_once_and_ends_blessed(
    submit: Submit, fake: FakeKfp, form: Form
) -> None:
    first = {"ImportExampleGen": "Succeeded", "Trainer-small": "Running"}
    cached = ["ImportExampleGen"]
    fake.snapshots = [
        Snapshot("PENDING"),
        Snapshot("RUNNING", workflow({"ImportExampleGen": "Running"}, **form)),
        Snapshot("RUNNING", workflow(first, cached=cached, **form)),
        Snapshot("RUNNING", workflow(first, cached=cached, **form)),
        Snapshot("SUCCEEDED", workflow(DONE, cached=cached, **form)),
    ]
    code, output, errors = submit("--wait", *QUICK)
    assert (code, errors) == (0, "")
    lines = [line.split(maxsplit=2)[2] for line in output.splitlines()[3:-2]]
    assert lines == [
        "ImportExampleGen  running",
        "ImportExampleGen  cached in 30.0 s",
        "Trainer-small  running",
        "Trainer-small  succeeded in 30.0 s",
        "Verdict  succeeded in 30.0 s",
        "RunSummary  succeeded in 30.0 s",
    ]
    assert output.splitlines()[-2:] == [
        "BLESSED and pushed",
        f"{fake.url}/#/runs/details/runs-1",
    ]


@FORMS
def test_a_refusal_is_read_from_the_message_that_the_task_left(
    submit: Submit, fake: FakeKfp, form: Form
) -> None:
    message = "Verdict: RefusedError: REFUSED: recall 0.81 < 0.95"
    flow = workflow(REFUSED, messages={"Verdict": message}, **form)
    fake.snapshots = [Snapshot("FAILED", flow)]
    code, output, _ = submit("--wait", *QUICK)
    assert code == 3
    assert output.splitlines()[-2] == "REFUSED: recall 0.81 < 0.95"
    assert not fake.sent("GET", ".*log")


@FORMS
def test_what_a_task_cannot_use_is_bad_input(submit: Submit, fake: FakeKfp, form: Form) -> None:
    message = "ImportExampleGen: InputError: expected records in /mnt/data/records, got none"
    flow = workflow(
        BAD_INPUT, attempts={"ImportExampleGen": 3}, messages={"ImportExampleGen": message}, **form
    )
    fake.snapshots = [Snapshot("FAILED", flow)]
    code, output, _ = submit("--wait", *QUICK)
    assert code == 2
    assert output.splitlines()[-2] == (
        "BAD INPUT in ImportExampleGen: InputError: expected records in /mnt/data/records, got none"
    )


@FORMS
def test_a_broken_task_is_named_with_the_last_attempts_exception(
    submit: Submit, fake: FakeKfp, form: Form
) -> None:
    message = "Trainer-small: ValueError: expected 4 columns, got 3"
    flow = workflow(
        BROKEN, attempts={"Trainer-small": 3}, messages={"Trainer-small": message}, **form
    )
    fake.snapshots = [Snapshot("FAILED", flow)]
    code, output, _ = submit("--wait", *QUICK)
    assert code == 1
    assert output.splitlines()[-2] == (
        "BROKEN in Trainer-small: ValueError: expected 4 columns, got 3"
    )


@pytest.mark.parametrize("is_ui", [False, True])
def test_the_log_speaks_where_a_task_left_no_message(
    submit: Submit, fake: FakeKfp, is_ui: bool
) -> None:
    fake.is_ui = is_ui
    flow = workflow(REFUSED)
    fake.snapshots = [Snapshot("FAILED", flow)]
    log = TRACEBACK.format("pipeline.errors.RefusedError: REFUSED: recall 0.81 is below 0.95")
    fake.logs = {
        pod_of(flow, "Verdict") if is_ui else node_of(flow, "Verdict")["id"]: log,
    }
    code, output, _ = submit("--wait", *QUICK)
    assert code == 3
    assert output.splitlines()[-2] == "REFUSED: recall 0.81 is below 0.95"


def test_an_error_in_the_place_of_a_log_is_no_log(submit: Submit, fake: FakeKfp) -> None:
    fake.snapshots = [Snapshot("FAILED", workflow(REFUSED))]
    code, output, _ = submit("--wait", *QUICK)
    assert code == 1
    assert fake.sent("GET", "/apis/v1alpha1/runs/.*/log")
    assert output.splitlines()[-2] == "BROKEN in Verdict: main: Error (exit code 1)"


def test_a_killed_container_is_told_in_kubernetes_words(submit: Submit, fake: FakeKfp) -> None:
    flow = workflow(BROKEN)
    node = node_of(flow, "Trainer-small")
    node["message"] = "OOMKilled (exit code 137)"
    fake.snapshots = [Snapshot("FAILED", flow)]
    code, output, _ = submit("--wait", *QUICK)
    assert code == 1
    assert output.splitlines()[-2] == "BROKEN in Trainer-small: OOMKilled (exit code 137)"


@pytest.mark.parametrize(
    ("snapshot", "line"),
    [
        (Snapshot("CANCELED"), "CANCELED: the run was not finished"),
        (Snapshot("SKIPPED"), "SKIPPED: the run was not finished"),
        (Snapshot("FAILED", error="workflow was evicted"), "BROKEN: workflow was evicted"),
        (
            Snapshot("FAILED", workflow({}, broken_drivers=["tfx-dag"])),
            "BROKEN in tfx-dag: ",
        ),
        (
            Snapshot("FAILED", workflow(BROKEN, broken_drivers=["Trainer-small"])),
            "BROKEN in Trainer-small: ",
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


@pytest.mark.parametrize("is_ui", [False, True])  # which answers unknown addresses by its page
@pytest.mark.parametrize(("state", "expected"), [("SUCCEEDED", 0), ("FAILED", 1)])
def test_without_the_older_api_the_runs_state_decides(
    submit: Submit, fake: FakeKfp, is_ui: bool, state: str, expected: int
) -> None:
    fake.has_older_api, fake.is_ui = False, is_ui
    fake.snapshots = [Snapshot("RUNNING"), Snapshot(state, workflow(DONE))]
    code, output, _ = submit("--wait", *QUICK)
    assert code == expected
    assert output.count("Tasks cannot be shown: expected the run's workflow") == 1


def test_nodes_that_cannot_be_read_end_the_following(submit: Submit, fake: FakeKfp) -> None:
    flow = workflow(DONE, compressed=True)
    flow["status"]["compressedNodes"] = "bm8gZ3ppcA=="
    fake.snapshots = [Snapshot("RUNNING", flow)]
    code, _, errors = submit("--wait", *QUICK)
    assert code == 2
    assert "expected the workflow's compressedNodes as base64 of gzip of JSON" in errors


def test_a_run_that_does_not_end_in_time_goes_on(submit: Submit, fake: FakeKfp) -> None:
    fake.snapshots = [Snapshot("RUNNING")]
    code, output, _ = submit("--wait", "--timeout-s", "0.05", *QUICK)
    assert code == 1
    assert "TIMEOUT: the run goes on after 0.05 s" in output
    assert output.splitlines()[-1].endswith("/#/runs/details/runs-1")


def test_following_survives_a_cut_connection_and_a_restarting_server(
    submit: Submit, fake: FakeKfp
) -> None:
    fake.snapshots = [Snapshot("RUNNING"), Snapshot("SUCCEEDED", workflow(DONE))]
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


@pytest.mark.slow
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
    fake.snapshots = [Snapshot("SUCCEEDED", workflow(DONE, cached=["Trainer-small"]))]
    _, output, _ = submit("--wait", *QUICK)
    assert "ImportExampleGen  succeeded" in output
    assert "Trainer-small  cached" in output
