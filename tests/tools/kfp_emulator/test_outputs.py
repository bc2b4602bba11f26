"""How strictly a task's outputs are read."""

from __future__ import annotations

from typing import Any

import pytest

from tools.kfp_emulator.cluster import Cluster


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            'answer(data={"metadata": {"threshold": None}})',
            "expected text, a number, a list or a mapping as metadata 'threshold', got null",
        ),
        (
            'write("data", "x"); answer(data={"uri": "minio://mlpipeline/elsewhere/data"})',
            "URI 'minio://mlpipeline/elsewhere/data' does not have expected bucket prefix",
        ),
        (
            'answer(data={"uri": entry("data")["uri"].replace("tiny", "other")})',
            "does not have expected bucket prefix",
        ),
        (
            'answer(data={"url": "minio://mlpipeline/elsewhere/data"})',
            'no field named "url"',
        ),
        (
            'Path(outputs["outputFile"]).write_text(\'{"artifact": {}}\')',
            'no field named "artifact"',
        ),
        (
            'answer(data={"metadata": {"auc": float("nan")}})',
            "expected JSON, which has no NaN",
        ),
        (
            'text = \'{"artifacts": {}, "artifacts": {}}\'\n'
            'Path(outputs["outputFile"]).write_text(text)',
            "expected each key once, got artifacts again",
        ),
        ('Path(outputs["outputFile"]).write_text("")', "failed to unmarshal ExecutorOutput"),
        ("os.kill(os.getpid(), 9)", "killed by signal 9"),
    ],
)
def test_a_wrong_output_fails_the_attempt(
    tiny: Any, cluster: Cluster, script: str, message: str
) -> None:
    tiny.add("Make", script, outputs=["data"], retries=1)
    result = cluster.run(tiny.write())
    task = result.tasks["Make"]
    assert (result.state, task.state, task.attempts) == ("FAILED", "FAILED", 2)
    assert message in task.error
    assert task.outputs == {}


def test_a_local_path_is_a_warning_and_a_dead_link(tiny: Any, cluster: Cluster) -> None:
    tiny.add(
        "Make",
        'write("data", "x"); answer(data={"uri": str(path("data"))})',
        outputs=["data"],
    )
    tiny.add("Use", "", artifacts={"data": "Make.data"})
    result = cluster.run(tiny.write())
    made = result.tasks["Make"]
    assert made.state == "SUCCEEDED"
    assert made.outputs["data"].path is None
    assert made.outputs["data"].uri.startswith("/")
    assert any("does not have a recognized storage URI" in it for it in made.warnings)
    assert result.tasks["Use"].state == "FAILED"
    assert "failed to parse bucketConfig for input artifact 'data'" in result.tasks["Use"].error


def test_an_output_without_files_is_a_warning(tiny: Any, cluster: Cluster) -> None:
    tiny.add("Make", 'answer(data={"metadata": {"blessed": 0}})', outputs=["data"])
    tiny.add(
        "Use",
        'assert not path("data").exists()\nassert entry("data")["metadata"]["blessed"] == 0',
        artifacts={"data": "Make.data"},
    )
    result = cluster.run(tiny.write())
    assert result.tasks["Use"].error == ""
    (warning,) = result.tasks["Make"].warnings
    assert warning.startswith("Local filepath 'minio/mlpipeline/v2/artifacts/tiny/")


def test_answers_for_unknown_outputs_are_ignored(tiny: Any, cluster: Cluster) -> None:
    tiny.add(
        "Make",
        'write("data", "x"); answer(data={"metadata": {"a": "b"}}, more={"uri": "x"})',
        outputs=["data"],
    )
    outputs = cluster.run(tiny.write()).tasks["Make"].outputs
    assert set(outputs) == {"data", "executor-logs"}
    assert outputs["data"].metadata["a"] == "b"


@pytest.mark.parametrize(
    ("parameter_type", "text", "value"),
    [
        ("STRING", " text ", " text "),
        ("NUMBER_INTEGER", "3\n", 3),
        ("NUMBER_DOUBLE", "0.25", 0.25),
        ("BOOLEAN", "True", True),
        ("LIST", "[1, {}]", [1, {}]),
        ("STRUCT", '{"a": [true]}', {"a": [True]}),
    ],
)
def test_output_parameters_are_read_from_their_files(
    tiny: Any, cluster: Cluster, parameter_type: str, text: str, value: object
) -> None:
    tiny.add(
        "Make",
        f'Path(outputs["parameters"]["p"]["outputFile"]).write_text({text!r})',
        output_parameters={"p": parameter_type},
    )
    tiny.add(
        "Use",
        f"assert values == {{'p': {value!r}}}, values",
        parameters={"p": (parameter_type, "Make.p")},
    )
    result = cluster.run(tiny.write())
    assert result.tasks["Use"].error == ""
    assert result.tasks["Make"].parameters == {"p": value}


@pytest.mark.parametrize(
    ("parameter_type", "script"),
    [
        ("STRING", ""),
        ("NUMBER_INTEGER", 'Path(outputs["parameters"]["p"]["outputFile"]).write_text("1.5")'),
        ("BOOLEAN", 'Path(outputs["parameters"]["p"]["outputFile"]).write_text("yes")'),
        ("LIST", 'Path(outputs["parameters"]["p"]["outputFile"]).write_text("{}")'),
    ],
)
def test_a_missing_or_wrong_output_parameter_fails_the_task(
    tiny: Any, cluster: Cluster, parameter_type: str, script: str
) -> None:
    tiny.add("Make", script, output_parameters={"p": parameter_type})
    task = cluster.run(tiny.write()).tasks["Make"]
    assert task.state == "FAILED"
    assert "failed to read output parameter name='p'" in task.error


def test_an_argument_that_grows_too_long_fails_the_task(tiny: Any, cluster: Cluster) -> None:
    tiny.add("Make", 'answer(data={"metadata": {"t": "x" * 140_000}})', outputs=["data"])
    tiny.add("Use", "", artifacts={"data": "Make.data"})
    task = cluster.run(tiny.write()).tasks["Use"]
    assert task.state == "FAILED"
    assert "argument list too long" in task.error
