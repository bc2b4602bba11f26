"""Pipelines that KFP would not accept are refused before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contract.errors import InputError
from tools.kfp_emulator.cluster import Cluster
from tools.kfp_emulator.documents import MAX_FILE_BYTES, read_documents
from tools.kfp_emulator.rules import check_compiled, check_pipeline


def _good(tiny: Any) -> Any:
    tiny.add_dag("tfx-dag")
    tiny.add("Make", "", dag="tfx-dag", outputs=["data"])
    tiny.add("Use", "", dag="tfx-dag", artifacts={"data": "Make.data"})
    tiny.add("Bye", "", on_exit_of="tfx-dag")
    tiny.platform = {
        "deploymentSpec": {
            "executors": {
                "Use_executor": {
                    "imagePullPolicy": "IfNotPresent",
                    "nodeSelector": {"labels": {"nvidia.com/gpu.present": "true"}},
                    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
                    "emptyDirMounts": [{"volumeName": "shm", "mountPath": "/dev/shm"}],
                    "pvcMount": [{"constant": "data", "mountPath": "/mnt/data"}],
                }
            }
        }
    }
    return tiny


def _tasks(tiny: Any) -> Any:
    return tiny.spec["components"]["tfx-dag"]["dag"]["tasks"]


def _executor(tiny: Any, name: str = "Use") -> Any:
    return tiny.spec["deploymentSpec"]["executors"][f"{name}_executor"]


def _rename(tiny: Any, name: str) -> None:
    _tasks(tiny)[name] = _tasks(tiny).pop("Use")


def _share_container(tiny: Any) -> None:
    tiny.spec["deploymentSpec"]["executors"]["Use_executor"] = _executor(tiny, "Make")


def _need_parameter(tiny: Any) -> None:
    definitions = tiny.spec["components"]["Use"]["inputDefinitions"]
    definitions["parameters"] = {"epochs": {"parameterType": "NUMBER_INTEGER"}}


def _give_parameter(tiny: Any, source: Any) -> None:
    _tasks(tiny)["Use"]["inputs"]["parameters"] = {"epochs": source}


# What KFP refuses, or is not emulated.
REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "another schema": (
        lambda tiny: tiny.spec.update(schemaVersion="2.0.0"),
        "schemaVersion: expected 2.1.0, got '2.0.0'",
    ),
    "an unknown field": (
        lambda tiny: _tasks(tiny)["Use"].update(retries=3),
        'no field named "retries"',
    ),
    "a job": (
        lambda tiny: tiny.spec.update(pipelineSpec={}),
        "expected a PipelineSpec, got a PipelineJob",
    ),
    "a resolver": (
        lambda tiny: tiny.spec["deploymentSpec"]["executors"].update(
            {"Use_executor": {"resolver": {"outputArtifactQueries": {}}}}
        ),
        "executors.Use_executor: expected a container, got a resolver",
    ),
    "an argument of 128 KiB": (
        lambda tiny: _executor(tiny)["container"]["args"].append("x" * 128 * 1024),
        "executors.Use_executor: expected arguments of at most 131071 bytes, got 131072",
    ),
    "no command": (
        lambda tiny: _executor(tiny)["container"].update(command=[], args=[]),
        "executors.Use_executor: expected a command",
    ),
    "the same name in two DAGs": (
        lambda tiny: tiny.spec["root"]["dag"]["tasks"].update(Make=_tasks(tiny)["Make"]),
        "tasks.Make: expected names that no other DAG has",
    ),
    "a name for Google alone": (
        lambda tiny: tiny.spec["pipelineInfo"].update(name="Tiny"),
        "pipelineInfo.name: expected",
    ),
    "an unknown producer": (
        lambda tiny: _tasks(tiny)["Use"]["inputs"]["artifacts"]["data"][
            "taskOutputArtifact"
        ].update(producerTask="Make_task"),
        "tfx-dag.dag.tasks.Use.inputs.artifacts.data: unknown producer task 'Make_task'",
    ),
    "an unknown dependency": (
        lambda tiny: _tasks(tiny)["Use"].update(dependentTasks=["Gone"]),
        "expected tasks of this DAG, got 'Gone'",
    ),
    "an unknown component": (
        lambda tiny: _tasks(tiny)["Use"]["componentRef"].update(name="Gone"),
        "tasks.Use: expected a known component, got 'Gone'",
    ),
    "an unknown executor": (
        lambda tiny: tiny.spec["components"]["Use"].update(executorLabel="Gone"),
        "components.Use: expected a known executor, got 'Gone'",
    ),
    "a circle": (
        lambda tiny: _tasks(tiny)["Make"].update(dependentTasks=["Use"]),
        "tfx-dag: expected no cycle, got one of Make, Use",
    ),
    "a runtime parameter": (
        lambda tiny: _give_parameter(tiny, {"runtimeValue": {"runtimeParameter": "epochs"}}),
        "parameters.epochs: expected a constant as runtimeValue",
    ),
    "a condition": (
        lambda tiny: _tasks(tiny)["Use"].update(triggerPolicy={"condition": "true"}),
        "tasks.Use: expected no condition, which is not emulated",
    ),
    "a dot in a name": (lambda tiny: _rename(tiny, "Use.it"), "got 'Use.it'"),
    "an underscore in a name": (lambda tiny: _rename(tiny, "Use_it"), "got 'Use_it'"),
    "a long name": (lambda tiny: _rename(tiny, "U" * 122), "at most 121"),
}
# What KFP accepts, and then ignores or gets wrong.
PASSED_OVER: dict[str, tuple[Callable[[Any], Any], str]] = {
    "an unknown field of a container": (
        lambda tiny: _executor(tiny)["container"].update(cmd=["python"]),
        'no field named "cmd"',
    ),
    "an unknown field of the platform": (
        lambda tiny: tiny.platform["deploymentSpec"]["executors"]["Use_executor"].update(gpu=1),
        'Use_executor: Message type "kfp_kubernetes.KubernetesExecutorConfig" has no field named '
        '"gpu"',
    ),
    "an unknown executor of the platform": (
        lambda tiny: tiny.platform["deploymentSpec"]["executors"].update({"Use": {}}),
        "expected known executors, got ['Use']",
    ),
    "a driver": (
        lambda tiny: _executor(tiny)["container"].update(
            lifecycle={"preCacheCheck": {"command": ["python"]}}
        ),
        "executors.Use_executor: expected no lifecycle.preCacheCheck",
    ),
    "an unknown output": (
        lambda tiny: _tasks(tiny)["Use"]["inputs"]["artifacts"]["data"][
            "taskOutputArtifact"
        ].update(outputArtifactKey="model"),
        "the task 'Make' has no output 'model'",
    ),
    "a shared container": (
        _share_container,
        "components.Use: expected a container that differs from those of other components, got",
    ),
    "neither value nor default": (
        _need_parameter,
        "tasks.Use: neither a value nor a default of the parameter 'epochs'",
    ),
    "a run parameter past the sub-DAG": (
        lambda tiny: _give_parameter(tiny, {"componentInputParameter": "epochs"}),
        "parameters.epochs: the DAG does not have the input parameter 'epochs'",
    ),
    "an exit handler of nothing": (
        lambda tiny: tiny.spec["root"]["dag"]["tasks"]["Bye"].update(dependentTasks=[]),
        "tasks.Bye: expected one dependent task of an exit handler, got 0",
    ),
    "no image": (
        lambda tiny: _executor(tiny)["container"].pop("image"),
        "executors.Use_executor: expected an image",
    ),
    "a container of 128 KiB in sum": (
        lambda tiny: _executor(tiny)["container"]["args"].extend(["x" * 70_000, "y" * 70_000]),
        "executors.Use_executor: expected at most 131072 bytes of JSON, got ",
    ),
    "an output of KFP's own name": (
        lambda tiny: tiny.spec["components"]["Make"]["outputDefinitions"]["artifacts"].update(
            {"executor-logs": {"artifactType": {"schemaTitle": "system.Artifact"}}}
        ),
        "components.Make: expected no output executor-logs, which KFP adds",
    ),
}


def test_the_good_one_is_accepted_and_runs(tiny: Any, cluster: Cluster) -> None:
    file = _good(tiny).write()
    documents = read_documents(file)
    check_pipeline(documents)
    assert documents.kubernetes["Use_executor"].pvc_mount[0].constant == "data"
    assert cluster.run(file).state == "SUCCEEDED"


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused(
    tiny: Any, cluster: Cluster, home: Path, change: Callable[[Any], Any], message: str
) -> None:
    _good(tiny)
    change(tiny)
    with pytest.raises(InputError) as caught:
        cluster.run(tiny.write())
    assert message in str(caught.value)
    assert not home.exists()


@pytest.mark.parametrize(("change", "message"), PASSED_OVER.values(), ids=PASSED_OVER.keys())
def test_it_is_accepted_by_kfp_and_refused_by_the_check_of_what_we_compile(
    tiny: Any, change: Callable[[Any], Any], message: str
) -> None:
    _good(tiny)
    check_compiled(read_documents(tiny.write()))
    change(tiny)
    documents = read_documents(tiny.write())
    check_pipeline(documents)
    with pytest.raises(InputError) as caught:
        check_compiled(documents)
    assert message in str(caught.value)


def test_a_third_document_is_passed_over(tiny: Any, tmp_path: Path) -> None:
    file = _good(tiny).write()
    file.write_text(file.read_text() + "---\nmore: 1\n")
    documents = read_documents(file)
    check_pipeline(documents)
    with pytest.raises(InputError, match="expected 1 or 2 documents, got 3"):
        check_compiled(documents)


def test_of_a_platform_with_an_unknown_field_nothing_is_left(tiny: Any) -> None:
    _good(tiny)
    assert set(read_documents(tiny.write()).kubernetes) == {"Use_executor"}
    tiny.platform["deploymentSpec"]["executors"]["Use_executor"]["gpu"] = 1
    assert read_documents(tiny.write()).kubernetes == {}


def test_components_with_equal_containers_run_as_the_first_one(tiny: Any, cluster: Cluster) -> None:
    tiny.add("Make", 'print(sorted(outputs["artifacts"]))', outputs=["data"])
    tiny.add("Use", "", outputs=["model"])
    _share_container(tiny)
    result = cluster.run(tiny.write())
    assert "['data', 'executor-logs']" in result.tasks["Use"].log_files[0].read_text()


def test_a_container_of_too_much_json_fails_in_the_driver(tiny: Any, cluster: Cluster) -> None:
    _good(tiny)
    _executor(tiny)["container"]["args"] += ["x" * 70_000, "y" * 70_000]
    task = cluster.run(tiny.write()).tasks["Use"]
    assert (task.state, task.attempts) == ("FAILED", 0)
    assert task.error == "failed to unmarshal container spec: invalid value @"


def test_a_container_without_an_image_never_starts(tiny: Any, cluster: Cluster) -> None:
    _good(tiny)
    _executor(tiny)["container"].pop("image")
    assert "InvalidImageName" in cluster.run(tiny.write()).tasks["Use"].error


def test_an_exit_handler_of_nothing_never_runs(tiny: Any, cluster: Cluster) -> None:
    _good(tiny)
    tiny.spec["root"]["dag"]["tasks"]["Bye"].update(dependentTasks=[])
    result = cluster.run(tiny.write())
    assert (result.state, "Bye" in result.tasks) == ("SUCCEEDED", False)


def test_all_problems_are_told_at_once(tiny: Any) -> None:
    _good(tiny)
    _rename(tiny, "Use_it")
    _executor(tiny)["container"]["command"] = _executor(tiny)["container"]["args"] = []
    with pytest.raises(InputError, match="got 2 problems") as caught:
        check_pipeline(read_documents(tiny.write()))
    assert "Use_it" in str(caught.value)
    assert "expected a command" in str(caught.value)


def test_a_missing_large_or_broken_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    with pytest.raises(InputError, match=r"pipeline\.yaml: .*No such file"):
        read_documents(file)
    for content, message in (
        (b"a: [", "document 1: expected YAML"),
        (b"a: 1\na: 2\n", "expected each key once"),
        (b"- a\n", "document 1: expected a mapping, got list"),
        (b"", "expected 1 or 2 documents, got 0"),
        (b"\xff\xfe", "expected text in UTF-8"),
    ):
        file.write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_documents(file)
    with file.open("wb") as stream:
        stream.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(InputError, match=f"at most {MAX_FILE_BYTES} bytes"):
        read_documents(file)


def test_a_root_that_is_no_store_is_refused(tiny: Any, cluster: Cluster) -> None:
    with pytest.raises(InputError, match=r"root: expected a URI .* got '/mnt/root'"):
        cluster.run(_good(tiny).write(), root="/mnt/root")
