"""The compiled pipeline: the same DAG as the local one, in a form that KFP accepts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

from contract.errors import InputError
from contract.settings import PipelineSettings
from pipeline.kubeflow.compilation import (
    compile_pipeline,
    create_cluster_pipeline,
    write_pipeline,
)
from pipeline.kubeflow.run_parameters import apply_run_parameters, run_parameters
from pipeline.load_config import load_settings
from pipeline.pipeline import Places, create_pipeline
from tools.kfp_emulator.documents import read_documents
from tools.kfp_emulator.rules import check_compiled

KFP_ONLY = {"Verdict"}  # beside the exit handler, which is not part of the DAG
CONFIGS = ("default", "study", "quick")
NOT_CACHED = {"ImportExampleGen", "Baseline", "ModelGate", "ServabilityCheck", "Pusher", "Verdict"}
Json = dict[str, Any]


@pytest.fixture(scope="module", params=CONFIGS)
def settings(request) -> PipelineSettings:
    return load_settings(request.param)


@pytest.fixture(scope="module")
def text(settings) -> str:
    return compile_pipeline(settings)


@pytest.fixture(scope="module")
def documents(text) -> list[Json]:
    return list(yaml.safe_load_all(text))


@pytest.fixture(scope="module")
def tasks(documents) -> Json:
    return documents[0]["components"]["tfx-dag"]["dag"]["tasks"]


@pytest.fixture(scope="module")
def local_nodes(settings) -> Json:
    cluster = settings.kubeflow
    dag = create_pipeline(
        settings,
        Places(
            records_dir=cluster.data_dir,
            pipeline_root="",
            push_dir=cluster.push_dir,
            trials_dir=cluster.trials_dir,
            schema_file="package:models/schema/schema.pbtxt",
        ),
    )
    return {node.id: node for node in dag.components}


@pytest.mark.slow
def test_it_has_the_nodes_of_the_local_pipeline(tasks, local_nodes):
    assert set(tasks) - KFP_ONLY == set(local_nodes)


def test_it_has_the_edges_of_the_local_pipeline(tasks, local_nodes):
    for name, node in local_nodes.items():
        found = set(tasks[name].get("dependentTasks", []))
        assert found == {upstream.id for upstream in node.upstream_nodes}, name
        inputs = {
            key: (
                each["taskOutputArtifact"]["producerTask"],
                each["taskOutputArtifact"]["outputArtifactKey"],
            )
            for key, each in tasks[name].get("inputs", {}).get("artifacts", {}).items()
        }
        expected = {
            key: (channel.producer_component_id, channel.output_key)
            for key, channel in node.inputs.items()
        }
        assert inputs == expected, name


def test_it_has_the_execution_properties_of_the_local_pipeline(settings, tasks, local_nodes):
    defaults = {each.name: each.default for each in run_parameters(settings)}
    for name, node in local_nodes.items():
        values = {
            key: given["runtimeValue"]["constant"]
            if "runtimeValue" in given
            else defaults[given["componentInputParameter"]]
            for key, given in tasks[name].get("inputs", {}).get("parameters", {}).items()
        }
        for of_the_entrypoint in ("set_runs_dir", "set_run_id"):
            values.pop(of_the_entrypoint, None)
        expected = {key: value for key, value in node.exec_properties.items() if value is not None}
        assert as_data(apply_run_parameters(values)) == as_data(expected), name


def as_data(properties: Json) -> Json:
    """Read JSON texts, whose spaces differ."""
    found = {}
    for name, value in properties.items():
        try:
            found[name] = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            found[name] = value
    return found


def test_the_emulators_strict_rules_accept_it(text, tmp_path):
    file = tmp_path / "pipeline.yaml"
    file.write_text(text, encoding="utf-8")
    check_compiled(read_documents(file))
    assert yaml.safe_load_all(text)


@pytest.mark.slow
def test_what_tfx_alone_compiles_is_refused(settings, tmp_path):
    """A control: without the post-processing KFP would not take it."""
    runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(
        kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
            default_image="image:1", use_pipeline_spec_2_1=True
        )
    )
    stock = runner.run(create_cluster_pipeline(settings), write_out=False)["pipelineSpec"]
    file = tmp_path / "stock.yaml"
    file.write_text(yaml.safe_dump(stock), encoding="utf-8")
    with pytest.raises(InputError, match="preCacheCheck"):
        check_compiled(read_documents(file))


def test_names_are_legal(tasks):
    for name in tasks:
        assert re.fullmatch(r"[a-zA-Z][-a-zA-Z0-9]*", name)
        assert len(name) <= 120


def test_only_what_follows_from_its_inputs_is_cached(tasks):
    cached = {
        name for name, task in tasks.items() if task.get("cachingOptions", {}).get("enableCache")
    }
    assert set(tasks) - cached == NOT_CACHED


def test_every_task_but_the_verdict_is_tried_again(tasks):
    policies = {name: task.get("retryPolicy") for name, task in tasks.items()}
    assert policies.pop("Verdict") is None
    assert {json.dumps(policy, sort_keys=True) for policy in policies.values()} == {
        json.dumps(
            {
                "backoffDuration": "60s",
                "backoffFactor": 2,
                # Argo counts it from the start of the first attempt: a task of hours has to fit.
                "backoffMaxDuration": "604800s",
                "maxRetryCount": 2,
            },
            sort_keys=True,
        )
    }


def test_containers_are_all_different(documents):
    containers = [
        json.dumps(executor["container"], sort_keys=True)
        for executor in documents[0]["deploymentSpec"]["executors"].values()
    ]
    assert len(set(containers)) == len(containers)


def test_every_node_has_resources(documents):
    for label, executor in documents[0]["deploymentSpec"]["executors"].items():
        resources = executor["container"]["resources"]
        assert resources["cpuLimit"] > 0, label
        assert resources["memoryLimit"] > 0, label


def test_candidates_run_side_by_side(settings, tasks):
    trainers = {name for name in tasks if name.startswith("Trainer-")}
    assert len(trainers) == len(settings.candidates)
    for name in trainers:
        others = trainers - {name}
        assert not others & set(tasks[name]["dependentTasks"])


def test_the_exit_handler_waits_for_all_and_takes_no_artifact(documents):
    handler = documents[0]["root"]["dag"]["tasks"]["RunSummary"]
    assert handler["dependentTasks"] == ["tfx-dag"]
    assert handler["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    assert "artifacts" not in handler["inputs"]
    assert "cachingOptions" not in handler
    assert "taskFinalStatus" not in json.dumps(handler)


def test_artifact_types_are_named_by_importable_classes(documents):
    report = documents[0]["components"]["DataAudit"]["outputDefinitions"]["artifacts"]["report"]
    schema = yaml.safe_load(report["artifactType"]["instanceSchema"])
    assert schema["title"] == "components.audit.DataAuditReport"


def test_of_an_artifacts_type_its_title_is_left(documents):
    schemas = set(re.findall(r'"instanceSchema": "([^"]*)"', json.dumps(documents[0])))
    assert schemas
    assert all(
        set(yaml.safe_load(each)) == {"title", "type"}
        for each in (each.encode().decode("unicode_escape") for each in schemas)
    )


def test_more_candidates_than_argo_can_store_are_refused():
    candidates = ", ".join(f"c{number}: {{}}" for number in range(25))
    with pytest.raises(InputError, match=r"candidates: expected at most 24 .* got 25: Argo"):
        compile_pipeline(load_settings("quick", [f"candidates={{{candidates}}}"]))


def test_it_is_small(text):
    assert len(text.encode()) < 512 * 1024


def test_no_place_of_the_compiling_machine_is_in_it(text):
    assert str(Path(__file__).resolve().parents[3]) not in text


def test_texts_that_look_like_numbers_are_quoted(settings, text):
    versions = set(re.findall(r"constant: (\S*[0-9a-f]{16}\S*)$", text, flags=re.MULTILINE))
    assert versions
    assert all(each.startswith('"') for each in versions)


@pytest.mark.parametrize("platform", ["docker", "kubernetes"])
def test_tfxs_infra_validator_is_refused_with_what_to_do(platform):
    asked = load_settings("quick", [f"serving.infra_validation={platform}"])
    with pytest.raises(InputError, match=rf"got {platform}: TFX's compiler .* in a local run"):
        compile_pipeline(asked)


def test_immutable_data_are_answered_from_the_cache():
    spec = next(
        yaml.safe_load_all(
            compile_pipeline(load_settings("quick", ["kubeflow.immutable_data=true"]))
        )
    )
    example_gen = spec["components"]["tfx-dag"]["dag"]["tasks"]["ImportExampleGen"]
    assert example_gen["cachingOptions"] == {"enableCache": True}


def test_beam_arguments_of_one_node():
    flink = ["--runner=FlinkRunner", "--flink_master=flink:8081"]
    settings = load_settings(
        "quick", [f"beam.node_pipeline_args={{Transform: {json.dumps(flink)}}}"]
    )
    spec = next(yaml.safe_load_all(compile_pipeline(settings)))
    executors = spec["deploymentSpec"]["executors"]
    assert executors["Transform_executor"]["container"]["args"][-2:] == flink
    assert not set(flink) & set(executors["StatisticsGen_executor"]["container"]["args"])


def test_beam_arguments_of_a_node_without_beam_are_refused():
    settings = load_settings("quick", ["beam.node_pipeline_args={Trainer: [--x]}"])
    with pytest.raises(InputError, match="StatisticsGen"):
        compile_pipeline(settings)


def test_the_output_ends_in_yaml(tmp_path):
    with pytest.raises(InputError, match=r"\.yaml"):
        write_pipeline(PipelineSettings(), tmp_path / "pipeline.json")


def test_an_external_set_is_read_where_the_volume_or_the_object_store_has_it():
    folders = {"adults": "/mnt/data/external/adults", "other": "s3://bucket/other"}
    overrides = [f"external.{name}.source={folder}" for name, folder in folders.items()]
    bounds = "gate.external.adults.min_specificity=0.5"
    for given, gate_reads in ((overrides, False), ([*overrides, bounds], True)):
        text = compile_pipeline(load_settings("quick", given))
        document = next(yaml.safe_load_all(text))
        tasks = document["components"]["tfx-dag"]["dag"]["tasks"]
        external = tasks["ExternalEvaluation"]
        parameters = external["inputs"]["parameters"]
        found = parameters["external_records"]["runtimeValue"]["constant"]
        assert json.loads(found) == folders
        assert set(external["dependentTasks"]) == {"Selector", "ImportExampleGen"}
        assert "cachingOptions" not in external  # what is in the folders is in no key
        waiting = {
            name
            for name, task in tasks.items()
            if "ExternalEvaluation" in task.get("dependentTasks", ())
        }
        assert waiting == {"Report", *(["ModelGate"] if gate_reads else [])}


def test_reading_an_external_set_is_cached_where_folders_never_change():
    given = ["external.adults.source=/mnt/adults", "kubeflow.immutable_data=true"]
    document = next(yaml.safe_load_all(compile_pipeline(load_settings("quick", given))))
    task = document["components"]["tfx-dag"]["dag"]["tasks"]["ExternalEvaluation"]
    assert task["cachingOptions"]["enableCache"]


@pytest.mark.parametrize("source", ["adults", "adults.zip", "/mnt/adults.zip", "/mnt/adults.csv"])
def test_an_external_set_that_no_pod_can_read_is_refused_with_what_to_do(source):
    settings = load_settings("quick", [f"external.adults.source={source}"])
    with pytest.raises(InputError, match=r"external\.adults\.source: .*--external-set"):
        compile_pipeline(settings)


@pytest.mark.parametrize("synthetic", [False, True])
def test_whether_records_are_drawn_is_told_to_what_writes_pages(synthetic):
    text = compile_pipeline(load_settings("quick", ["study.enabled=true"]), synthetic=synthetic)
    tasks = next(yaml.safe_load_all(text))["components"]["tfx-dag"]["dag"]["tasks"]
    for node in ("Report", "StudyTable"):
        parameters = tasks[node]["inputs"]["parameters"].values()
        (told,) = [
            run["synthetic"]
            for run in (json.loads(each["runtimeValue"]["constant"])
                for each in parameters if "runtimeValue" in each
                and each["runtimeValue"]["constant"].startswith("{"))
            if "synthetic" in run
        ]  # fmt: skip
        assert told == synthetic
    assert tasks["ModelGate"]["inputs"]["parameters"]["synthetic"] == {
        "runtimeValue": {"constant": int(synthetic)}
    }
