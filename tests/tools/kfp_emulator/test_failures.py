"""Retries, failures for good, exit handlers, and runs that are given up."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from contract.errors import InputError
from tools.kfp_emulator.cluster import Cluster
from tools.kfp_emulator.results import TaskEvent

FINAL_STATUS = {"taskFinalStatus": {"producerTask": "tfx-dag"}}


def test_a_second_attempt_gets_a_fresh_pod_and_can_succeed(
    tiny: Any, home: Path, tmp_path: Path
) -> None:
    tiny.add(
        "Flaky",
        'assert not (pod / "left").exists()\n(pod / "left").touch()\n'
        'mark = Path(os.environ["MARK"])\n'
        'first = not mark.exists()\nmark.touch()\nif first: raise SystemExit("out of luck")\n'
        'write("data", "second")',
        outputs=["data"],
        retries=2,
    )
    events: list[TaskEvent] = []
    cluster = Cluster(home, environment={"MARK": str(tmp_path / "mark")})
    result = cluster.run(tiny.write(), on_event=events.append)
    task = result.tasks["Flaky"]
    assert (result.state, task.state, task.attempts, task.error) == ("SUCCEEDED",) * 2 + (2, "")
    assert "out of luck" in task.log_files[0].read_text()
    assert len(task.log_files) == 2
    assert [event.kind for event in events] == ["started", "retrying", "started", "finished"]
    assert "out of luck" in events[1].error


@pytest.mark.parametrize(
    ("policy", "attempts"),
    [
        ({"backoffMaxDuration": "604800s"}, 3),
        ({"backoffMaxDuration": "0s"}, 1),
        ({"backoffMaxDuration": None}, 1),  # KFP writes 0 for it
        # The pauses, 60 and then 120 s, count from the start of the first attempt.
        ({"backoffMaxDuration": "100s"}, 2),
        ({"backoffMaxDuration": "50s"}, 1),
    ],
)
def test_the_maximum_of_a_retry_policy_is_a_deadline_from_the_first_attempts_start(
    tiny: Any, cluster: Cluster, policy: dict[str, str | None], attempts: int
) -> None:
    task = tiny.add("Bad", 'raise SystemExit("no data")', retries=2)
    for name, value in policy.items():
        task["retryPolicy"].pop(name)
        if value is not None:
            task["retryPolicy"][name] = value
    assert cluster.run(tiny.write()).tasks["Bad"].attempts == attempts


def test_a_retry_is_killed_at_the_deadline(tiny: Any, home: Path, tmp_path: Path) -> None:
    task = tiny.add(
        "Slow",
        'import time\nmark = Path(os.environ["MARK"])\n'
        'if not mark.exists():\n    mark.touch()\n    raise SystemExit("no luck")\n'
        "time.sleep(600)",
        retries=1,
    )
    task["retryPolicy"].update(backoffDuration="0s", backoffMaxDuration="3s")
    result = Cluster(home, environment={"MARK": str(tmp_path / "mark")}).run(tiny.write())
    assert result.tasks["Slow"].attempts == 2
    assert "killed by signal 9" in result.tasks["Slow"].error


def test_a_factor_that_is_no_whole_number_is_an_error_before_any_attempt(
    tiny: Any, cluster: Cluster
) -> None:
    task = tiny.add("Bad", "", retries=2)
    task["retryPolicy"]["backoffFactor"] = 1.5
    result = cluster.run(tiny.write()).tasks["Bad"]
    assert (result.state, result.attempts) == ("FAILED", 0)
    assert result.error == "factor 1.5 cannot be resolved to an int"


def test_a_failure_for_good_skips_what_needs_it_and_nothing_else(
    tiny: Any, cluster: Cluster
) -> None:
    tiny.add_dag("tfx-dag")
    tiny.add("Bad", 'raise SystemExit("no data")', dag="tfx-dag", outputs=["data"], retries=1)
    tiny.add("After", "", dag="tfx-dag", artifacts={"data": "Bad.data"}, outputs=["more"])
    tiny.add("Later", "", dag="tfx-dag", after=["After"])
    tiny.add("Apart", 'write("data", "x")', dag="tfx-dag", outputs=["data"])
    tiny.add("AfterApart", "", dag="tfx-dag", artifacts={"data": "Apart.data"})
    tiny.add(
        "Bye",
        'status = json.loads(values["status"])\nprint(json.dumps(status))',
        on_exit_of="tfx-dag",
        parameters={"status": ("STRING", FINAL_STATUS)},
    )
    result = cluster.run(tiny.write())
    states = {name: (task.state, task.attempts) for name, task in result.tasks.items()}
    assert states == {
        "Bad": ("FAILED", 2),
        "After": ("SKIPPED", 0),
        "Later": ("SKIPPED", 0),
        "Apart": ("SUCCEEDED", 1),
        "AfterApart": ("SUCCEEDED", 1),
        "Bye": ("SUCCEEDED", 1),
    }
    assert result.state == "FAILED"
    assert result.tasks["Bad"].error == "exit code 1: no data"
    assert result.tasks["After"].error == "Bad did not succeed"
    status = json.loads(result.tasks["Bye"].log_files[0].read_text())
    assert status["state"] == "FAILED"
    assert status["pipelineTaskName"] == "tfx-dag"
    assert status["error"] == {}
    assert status["pipelineJobResourceName"].startswith("tiny-")


def test_an_exit_handler_comes_last_and_its_failure_changes_no_state(
    tiny: Any, cluster: Cluster
) -> None:
    tiny.add_dag("tfx-dag")
    tiny.add("Work", 'write("data", "x")', dag="tfx-dag", outputs=["data"])
    tiny.add(
        "Bye",
        'assert values["status"]["state"] == "COMPLETE"\nraise SystemExit("REFUSED")',
        on_exit_of="tfx-dag",
        parameters={"status": ("STRUCT", FINAL_STATUS)},
    )
    result = cluster.run(tiny.write())
    assert result.tasks["Bye"].state == "FAILED"
    assert result.tasks["Bye"].error == "exit code 1: REFUSED"
    assert result.tasks["Bye"].started_s >= result.tasks["Work"].ended_s
    assert result.state == "SUCCEEDED"  # Argo: the hook is not a target of the DAG


def test_a_home_serves_one_run_at_a_time(tiny: Any, cluster: Cluster) -> None:
    tiny.add("Work", "")
    refused: list[str] = []

    def run_another(event: TaskEvent) -> None:
        if event.kind == "started":
            with pytest.raises(InputError, match="without another run") as caught:
                cluster.run(tiny.write())
            refused.append(str(caught.value))

    assert cluster.run(tiny.write(), on_event=run_another).state == "SUCCEEDED"
    assert len(refused) == 1


def test_an_exception_of_the_listener_ends_the_run_and_its_processes(
    tiny: Any, cluster: Cluster, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    tiny.add(
        "Long",
        f"import time\nnew = Path({str(tmp_path / 'new')!r})\nnew.write_text(str(os.getpid()))\n"
        f"new.rename({str(pid)!r})\ntime.sleep(600)",
    )
    tiny.add(
        "Short",
        f"import time\nwhile not Path({str(pid)!r}).exists(): time.sleep(0.05)\n"
        'raise SystemExit("no")',
    )

    def interrupt(event: TaskEvent) -> None:
        if event.task == "Short" and event.kind == "finished":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cluster.run(tiny.write(), on_event=interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
