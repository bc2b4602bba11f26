"""What TFX compiles, changed into what open-source KFP accepts.

TFX's compiler is written for another service. docs/adr/0011 lists, point by point, what it emits,
what KFP does with that, and what is done here about it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from tfx.orchestration.pipeline import Pipeline

from contract import nodes as node_names
from contract.errors import InputError
from contract.settings import PipelineSettings
from pipeline.kubeflow.node_names import check_node_names
from pipeline.kubeflow.resources import container_resources, image_of
from pipeline.kubeflow.run_folder import VERDICT_NODE
from pipeline.kubeflow.run_parameters import RunParameter, run_parameters
from pipeline.kubeflow.task_parameters import bind_parameters
from pipeline.kubeflow.ui_artifacts import UI_OUTPUTS
from pipeline.kubeflow.yaml_text import to_yaml

Json = dict[str, Any]
DAG = "tfx-dag"  # TFX's name for the tasks that the exit handler waits for
SUMMARY_NODE = node_names.RUN_SUMMARY
# Their keys hold the names of folders outside the run, not what is in them.
_READERS = (node_names.EXAMPLE_GEN, node_names.EXTERNAL_EVALUATION)
# What they do depends on a folder outside the run, which no cache key holds; or, as a fresh process
# that had no time to answer, on the machine.
_NEVER_CACHED = (
    node_names.BASELINE,
    node_names.GATE,
    node_names.SERVABILITY_CHECK,
    node_names.PUSHER,
    VERDICT_NODE,
    SUMMARY_NODE,
)
_MAX_CONTAINER_BYTES = 128 * 1024 - 1  # of one argument, by Linux
_DAY_S = 24 * 60 * 60


def post_process(compiled: Mapping[str, Any], settings: PipelineSettings, dag: Pipeline) -> Json:
    """Return a pipeline specification that KFP accepts.

    Args:
        compiled: `pipelineSpec`, as TFX's runner compiles it with an exit handler.
        settings: The whole configuration.
        dag: What was compiled.

    Raises:
        InputError: A node's name or arguments are not what Kubernetes takes, or the
            configuration gives resources to a node that is not there.
    """
    spec: Json = copy.deepcopy(dict(compiled))
    tasks: Json = spec["components"][DAG]["dag"]["tasks"]
    summary_task = spec["root"]["dag"]["tasks"][SUMMARY_NODE]
    check_node_names(settings, [*tasks, SUMMARY_NODE])
    _name_types_by_class(spec, dag)
    _add_ui_outputs(spec)
    parameters = run_parameters(settings)
    _define_parameters(spec, parameters)
    for name, task in [*tasks.items(), (SUMMARY_NODE, summary_task)]:
        bind_parameters(name, task, spec["components"][name], parameters)
    for name, task in tasks.items():
        if not _may_be_cached(name, settings):
            task.pop("cachingOptions", None)
        if name != VERDICT_NODE:  # a refusal stays one
            task["retryPolicy"] = _retry_policy(settings)
    for name in [*tasks, SUMMARY_NODE]:
        _finish_container(spec, name, settings)
    return spec


def _may_be_cached(name: str, settings: PipelineSettings) -> bool:
    if name in _READERS:
        return settings.kubeflow.immutable_data
    return name not in _NEVER_CACHED


def _retry_policy(settings: PipelineSettings) -> Json:
    retries = settings.kubeflow.retries
    return {
        "maxRetryCount": retries.max_retries,
        "backoffDuration": f"{retries.backoff_s}s",
        "backoffFactor": retries.backoff_factor,
        # Argo's deadline for all attempts, counted from the start of the first: a retry that is
        # still running then is killed. KFP's default is 0, which means no retry at all.
        "backoffMaxDuration": f"{retries.all_attempts_days * _DAY_S}s",
    }


def _name_types_by_class(spec: Json, dag: Pipeline) -> None:
    """Leave of each artifact's type its title, for ours the import path of the class.

    TFX wants a type's name in the form `namespace.Title`, and then imports it. KFP reads title and
    `type: object`; the properties, which TFX has in its classes, are an eighth of the workflow
    that Argo has to store.
    """
    classes = {
        channel.type.TYPE_NAME: f"{channel.type.__module__}.{channel.type.__qualname__}"
        for node in dag.components
        for channel in node.outputs.values()
        if not channel.type.__module__.startswith("tfx.")
    }
    for artifact in _artifact_types(spec):
        schema = yaml.safe_load(artifact.get("instanceSchema", "")) or {}
        if title := schema.get("title"):
            artifact["instanceSchema"] = to_yaml(
                {"title": classes.get(title, title), "type": "object"}
            )


def _artifact_types(spec: Json) -> Iterator[Json]:
    for component in spec["components"].values():
        for side in ("inputDefinitions", "outputDefinitions"):
            for definition in component.get(side, {}).get("artifacts", {}).values():
                yield definition["artifactType"]


def _add_ui_outputs(spec: Json) -> None:
    for node, outputs in UI_OUTPUTS.items():
        if node in spec["components"]:
            definitions = spec["components"][node].setdefault("outputDefinitions", {})
            definitions.setdefault("artifacts", {}).update(
                {
                    name: {"artifactType": {"schemaTitle": title, "schemaVersion": "0.0.1"}}
                    for name, title in outputs.items()
                }
            )


def _define_parameters(spec: Json, parameters: list[RunParameter]) -> None:
    """Define the run's parameters at the root, and hand them on to the tasks' DAG."""
    definitions = {
        each.name: {
            "parameterType": each.type,
            "defaultValue": each.default,
            "isOptional": True,
            "description": each.description,
        }
        for each in parameters
    }
    spec["root"].setdefault("inputDefinitions", {})["parameters"] = definitions
    spec["components"][DAG].setdefault("inputDefinitions", {})["parameters"] = {
        each.name: {"parameterType": each.type} for each in parameters
    }
    spec["root"]["dag"]["tasks"][DAG].setdefault("inputs", {})["parameters"] = {
        each.name: {"componentInputParameter": each.name} for each in parameters
    }


def _finish_container(spec: Json, name: str, settings: PipelineSettings) -> None:
    label = spec["components"][name]["executorLabel"]
    container = spec["deploymentSpec"]["executors"][label]["container"]
    container.pop("lifecycle", None)  # KFP never runs it; the entrypoint does
    container["image"] = image_of(name, settings)
    container["resources"] = container_resources(name, settings)
    if settings.kubeflow.environment:
        container["env"] = [
            {"name": key, "value": value} for key, value in settings.kubeflow.environment.items()
        ]
    # The node's id makes each container another one: KFP stores equal ones once, with the
    # first one's component.
    container["args"] = ["--node", name, *container["args"]]
    position = container["args"].index("--json_serialized_inputs_spec_args") + 1
    container["args"][position] = json.dumps(
        spec["components"][name].get("inputDefinitions", {}),
        sort_keys=True,
        separators=(",", ":"),
    )
    size = len(json.dumps(container, ensure_ascii=False, separators=(",", ":")).encode())
    if size > _MAX_CONTAINER_BYTES:
        raise InputError(
            f"expected a container of at most {_MAX_CONTAINER_BYTES} bytes of JSON for {name}, got "
            f"{size}: KFP hands it to its driver as one argument, and Argo cuts a longer one; "
            "configure fewer candidates"
        )
