"""Runs of small pipelines: order, artifacts' way, parameters and what a process gets."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from tools.kfp_emulator.cluster import Cluster

# Waits for a file that another task writes; never for a time.
MEET = """
import time
def meet(mine, other):
    folder = Path(os.environ["MEETING"])
    (folder / mine).touch()
    for _ in range(300):
        if (folder / other).exists():
            return
        time.sleep(0.05)
    raise SystemExit(f"{other} never came")
"""


def test_artifacts_go_from_task_to_task_through_the_store(tiny: Any, cluster: Cluster) -> None:
    tiny.add("Make", 'write("data", "hello", "deep/a.txt")', outputs=["data"])
    tiny.add(
        "Use",
        'write("copy", read("data", "deep/a.txt") + " world")',
        artifacts={"data": "Make.data"},
        outputs=["copy"],
    )
    result = cluster.run(tiny.write())
    assert result.state == "SUCCEEDED"
    made, used = result.tasks["Make"], result.tasks["Use"]
    assert (made.state, made.attempts, used.state, used.attempts) == ("SUCCEEDED", 1) * 2
    assert made.ended_s <= used.started_s <= used.ended_s <= result.wall_s
    copied = used.outputs["copy"]
    assert copied.path is not None
    assert (copied.path / "data.txt").read_text() == "hello world"
    assert copied.schema_title == "tiny.copy"
    folder, _, key = copied.uri.rpartition("/")
    assert folder.startswith(f"minio://mlpipeline/v2/artifacts/tiny/{result.run_id}/Use/")
    assert key == "copy"


def test_a_task_gets_its_input_as_the_launcher_gives_it(tiny: Any, cluster: Cluster) -> None:
    metadata = (
        '{"n": 3, "b": True, "t": "x", "f": 0.5, "l": [1, None], "s": {"a": {"b": 2}}, '
        '"display_name": "mine"}'
    )
    tiny.add("Make", f'answer(data={{"metadata": {metadata}}})', outputs=["data"])
    tiny.add("Use", "", artifacts={"data": "Make.data"}, outputs=["copy"])
    result = cluster.run(tiny.write())
    log_file = result.tasks["Use"].log_files[0]
    given = json.loads(log_file.with_suffix(".input.json").read_text())
    artifact = given["inputs"]["artifacts"]["data"]["artifacts"][0]
    assert artifact["type"] == {"instanceSchema": ""}
    assert artifact["name"].isdigit()
    session = json.loads(artifact["metadata"].pop("store_session_info"))
    assert session["Provider"] == "minio"
    assert session["Params"].keys() == {
        *("accessKeyKey", "disableSSL", "endpoint", "fromEnv", "maxRetries", "region"),
        *("secretKeyKey", "secretName"),
    }
    assert artifact["metadata"] == {
        "n": 3,
        "b": 1,
        "t": "x",
        "f": 0.5,
        "l": {"list": [1, None]},
        "s": {"struct": {"a": {"b": 2}}},
        "display_name": "mine",
    }
    outputs = given["outputs"]
    assert set(outputs["artifacts"]) == {"copy", "executor-logs"}
    logs = outputs["artifacts"]["executor-logs"]["artifacts"][0]
    assert logs["type"] == {"schemaTitle": "system.Artifact"}
    folder = outputs["artifacts"]["copy"]["artifacts"][0]["uri"].removesuffix("/copy")
    assert logs["uri"] == f"{folder}/executor-logs-0"
    names = {name: it["artifacts"][0]["name"] for name, it in outputs["artifacts"].items()}
    assert names == {"copy": "copy", "executor-logs": "executor-logs"}
    place = folder.replace("minio://", "/minio/")
    assert outputs["outputFile"].endswith(f"{place}/output_metadata.json")
    stored = result.tasks["Make"].outputs["data"].metadata
    assert stored["n"] == 3.0
    assert type(stored["n"]) is float


def test_only_files_survive_and_a_name_does_not_bring_its_longer_siblings(
    tiny: Any, cluster: Cluster
) -> None:
    tiny.add(
        "Make",
        '(path("model") / "empty").mkdir(parents=True); write("model", "m"); '
        'write("model_run", "r")',
        outputs=["model", "model_run"],
    )
    tiny.add(
        "Use",
        'assert not (path("model") / "empty").exists()\n'
        'assert not (path("model").parent / "model_run").exists()\n'
        'assert read("model") == "m"',
        artifacts={"model": "Make.model"},
    )
    result = cluster.run(tiny.write())
    assert result.tasks["Use"].error == ""
    assert result.state == "SUCCEEDED"


def test_output_and_errors_of_a_task_are_kept(tiny: Any, cluster: Cluster, home: Path) -> None:
    tiny.add("Talk", 'print("out"); print("err", file=sys.stderr)')
    task = cluster.run(tiny.write()).tasks["Talk"]
    assert task.log_files[0].read_text() == "out\nerr\n"
    logs = task.outputs["executor-logs"].path
    assert logs is not None
    assert logs.read_text() == "out\nerr\n"
    assert list((home / "pods").iterdir()) == []


def test_tasks_that_do_not_need_each_other_run_side_by_side(
    tiny: Any, home: Path, tmp_path: Path
) -> None:
    tiny.add("One", MEET + 'meet("one", "two")')
    tiny.add("Two", MEET + 'meet("two", "one")')
    cluster = Cluster(home, max_parallel=2, environment={"MEETING": str(tmp_path)})
    assert cluster.run(tiny.write()).state == "SUCCEEDED"


def test_no_more_tasks_run_at_a_time_than_allowed(tiny: Any, home: Path, tmp_path: Path) -> None:
    # Each makes the folder of all and removes it: a second one in between would fail.
    script = (
        'import time\nroom = Path(os.environ["ROOM"])\nroom.mkdir(); time.sleep(0.1); room.rmdir()'
    )
    for name in ("A", "B", "C", "D"):
        tiny.add(name, script)
    cluster = Cluster(home, max_parallel=1, environment={"ROOM": str(tmp_path / "room")})
    assert cluster.run(tiny.write()).state == "SUCCEEDED"


def test_parameters_reach_a_sub_dag_and_its_tasks(tiny: Any, cluster: Cluster) -> None:
    tiny.define("epochs", "NUMBER_INTEGER", defaultValue=2)
    tiny.add_dag("tfx-dag", {"epochs": ("NUMBER_INTEGER", {"componentInputParameter": "epochs"})})
    tiny.add(
        "Train",
        'Path(outputs["parameters"]["score"]["outputFile"]).write_text(str(values["epochs"] / 4))',
        dag="tfx-dag",
        parameters={
            "epochs": ("NUMBER_INTEGER", {"componentInputParameter": "epochs"}),
            "text": ("STRING", {"componentInputParameter": "epochs"}),
            "fixed": ("LIST", {"runtimeValue": {"constant": [1, "a"]}}),
        },
        output_parameters={"score": "NUMBER_DOUBLE"},
    )
    tiny.add(
        "Judge",
        'assert values == {"score": 0.75}, values',
        dag="tfx-dag",
        parameters={"score": ("NUMBER_DOUBLE", "Train.score")},
    )
    result = cluster.run(tiny.write(), {"epochs": 3})
    assert result.state == "SUCCEEDED"
    assert result.tasks["Train"].parameters == {"score": 0.75}
    given = result.tasks["Train"].log_files[0].with_suffix(".input.json").read_text()
    values = json.loads(given)["inputs"]["parameterValues"]
    assert values == {"epochs": 3, "text": "3", "fixed": [1, "a"]}


def test_placeholders_of_the_run_are_resolved(tiny: Any, cluster: Cluster) -> None:
    names = ("job_name", "job_resource_name", "job_uuid", "job_create_time_utc")
    names += ("job_schedule_time_utc", "task_name", "task_uuid")
    tiny.add(
        "Show",
        "print(json.dumps(values))",
        parameters={
            name: ("STRING", {"runtimeValue": {"constant": f"{{{{$.pipeline_{name}}}}}"}})
            for name in names
        },
    )
    result = cluster.run(tiny.write(), display_name="Of Monday")
    shown = json.loads(result.tasks["Show"].log_files[0].read_text())
    assert shown["job_name"] == "Of Monday"
    assert shown["job_resource_name"] == f"tiny-{result.run_id[:8]}"
    assert shown["job_uuid"] == result.run_id
    assert shown["task_name"] == "Show"
    assert shown["task_uuid"].isdigit()
    created = datetime.datetime.fromisoformat(shown["job_create_time_utc"])
    assert created.utcoffset() == datetime.timedelta(0)
    assert shown["job_schedule_time_utc"] == shown["job_create_time_utc"]


def test_placeholders_inside_arguments_are_replaced(tiny: Any, cluster: Cluster) -> None:
    tiny.add("Make", 'write("data", "d")', outputs=["data"])
    task = tiny.add(
        "Show",
        'print(json.dumps(sys.argv[2:])); Path(sys.argv[5]).write_text("o")',
        artifacts={"data": "Make.data"},
        parameters={"p": ("NUMBER_DOUBLE", {"runtimeValue": {"constant": 2.0}})},
        outputs=["out"],
    )
    assert task["taskInfo"]["name"] == "Show"
    tiny.spec["deploymentSpec"]["executors"]["Show_executor"]["container"]["args"] += [
        "--p={{$.inputs.parameters['p']}}",
        "{{$.inputs.artifacts['data'].uri}}",
        "{{$.inputs.artifacts['data'].path}}",
        "{{$.outputs.artifacts['out'].path}}",
        "{{$.unknown}}",
    ]
    result = cluster.run(tiny.write())
    shown = json.loads(result.tasks["Show"].log_files[0].read_text())
    uri = result.tasks["Make"].outputs["data"].uri
    assert shown[0] == "--p=2"
    assert shown[1] == uri
    assert shown[2].endswith(f"/minio/{uri.removeprefix('minio://')}")
    assert shown[4] == "{{$.unknown}}"
    out = result.tasks["Show"].outputs["out"].path
    assert out is not None
    assert out.read_text() == "o"  # a single object, no folder


def test_a_process_has_its_variables_and_nothing_else(
    tiny: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THIS_MACHINE", "1")
    tiny.add(
        "Env",
        'assert "OF_THIS_MACHINE" not in os.environ\n'
        'assert os.environ["FROM_YAML"] == "yaml"\nassert os.environ["SECRET"] == "chosen"\n'
        'assert Path(os.environ["HOME"]).parent == pod\n'
        f"assert os.getcwd() == {str(tmp_path)!r}",
    )
    container = tiny.spec["deploymentSpec"]["executors"]["Env_executor"]["container"]
    container["env"] = [
        {"name": "FROM_YAML", "value": "yaml"},
        {"name": "SECRET", "value": "unset"},
    ]
    cluster = Cluster(home, environment={"SECRET": "chosen"}, working_dir=tmp_path)
    assert cluster.run(tiny.write()).tasks["Env"].error == ""
