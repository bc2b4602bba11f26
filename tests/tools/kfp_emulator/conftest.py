"""Small compiled pipelines, whose containers are Python scripts that write real outputs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.kfp_emulator.cluster import Cluster

# Before each script: what it was given, and how it answers.
PRELUDE = """
import json, os, sys
from pathlib import Path
given = json.loads(sys.argv[1])
inputs, outputs = given.get("inputs", {}), given["outputs"]
values = inputs.get("parameterValues", {})
pod = Path(os.environ["KFP_POD_ROOT"])
def local(artifact):
    scheme, rest = artifact["uri"].split("://")
    return pod / scheme / rest
def entry(name):
    side = inputs if name in inputs.get("artifacts", {}) else outputs
    return side["artifacts"][name]["artifacts"][0]
def path(name):
    return local(entry(name))
def write(name, text, file="data.txt"):
    target = path(name) / file
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
def read(name, file="data.txt"):
    return (path(name) / file).read_text()
def answer(**artifacts):
    target = Path(outputs["outputFile"])
    target.write_text(json.dumps(
        {"artifacts": {name: {"artifacts": [it]} for name, it in artifacts.items()}}))
"""


class PipelineYaml:
    """Puts a compiled pipeline together, in the form that KFP's compilers write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.spec: dict[str, Any] = {
            "pipelineInfo": {"name": "tiny"},
            "schemaVersion": "2.1.0",
            "sdkVersion": "tfx-1.21.0",
            "components": {},
            "deploymentSpec": {"executors": {}},
            "root": {"dag": {"tasks": {}}},
        }
        self.platform: dict[str, Any] | None = None

    def add(
        self,
        name: str,
        script: str,
        *,
        dag: str | None = None,
        artifacts: Mapping[str, Any] | None = None,
        parameters: Mapping[str, tuple[str, Any]] | None = None,
        outputs: Sequence[str] = (),
        output_parameters: Mapping[str, str] | None = None,
        cache: bool = False,
        retries: int = 0,
        after: Sequence[str] = (),
        on_exit_of: str | None = None,
    ) -> dict[str, Any]:
        """Add a task and its component; return the task, to change it.

        Parameters are pairs of a type and a source: a text "producer.key" of a task's output,
        or the mapping that the YAML has.
        """
        component: dict[str, Any] = {"executorLabel": f"{name}_executor"}
        sources = {key: self._source(it[1], "Parameter") for key, it in (parameters or {}).items()}
        if parameters:
            component["inputDefinitions"] = {
                "parameters": {key: {"parameterType": it[0]} for key, it in parameters.items()}
            }
        if artifacts:
            component.setdefault("inputDefinitions", {})["artifacts"] = {
                key: {"artifactType": {"schemaTitle": "tiny.Data"}} for key in artifacts
            }
        if outputs or output_parameters:
            component["outputDefinitions"] = {
                "artifacts": {
                    key: {"artifactType": {"instanceSchema": f"title: tiny.{key}\ntype: object\n"}}
                    for key in outputs
                },
                "parameters": {
                    key: {"parameterType": it} for key, it in (output_parameters or {}).items()
                },
            }
        self.spec["components"][name] = component
        self.spec["deploymentSpec"]["executors"][f"{name}_executor"] = {
            "container": {
                "image": "registry.example/tiny:1",
                # Without site-packages it starts in a third of the time.
                "command": ["python", "-S", "-c", f"{PRELUDE}\n# {name}\n{script}"],
                "args": ["{{$}}"],
            }
        }
        task: dict[str, Any] = {
            "taskInfo": {"name": name},
            "componentRef": {"name": name},
            "cachingOptions": {"enableCache": cache},
            "inputs": {
                "parameters": sources,
                "artifacts": {
                    key: self._source(it, "Artifact") for key, it in (artifacts or {}).items()
                },
            },
        }
        if after or on_exit_of:
            task["dependentTasks"] = [*after, *([on_exit_of] if on_exit_of else [])]
        if on_exit_of:
            task["triggerPolicy"] = {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
        if retries:
            task["retryPolicy"] = {
                "maxRetryCount": retries,
                "backoffDuration": "60s",
                "backoffFactor": 2.0,
                "backoffMaxDuration": "600s",
            }
        owner = self.spec["components"][dag] if dag else self.spec["root"]
        owner["dag"]["tasks"][name] = task
        return task

    def add_dag(self, name: str, parameters: Mapping[str, tuple[str, Any]] | None = None) -> None:
        """Add a task of the root whose component is a DAG."""
        given = parameters or {}
        self.spec["components"][name] = {
            "dag": {"tasks": {}},
            "inputDefinitions": {
                "parameters": {key: {"parameterType": it[0]} for key, it in given.items()}
            },
        }
        self.spec["root"]["dag"]["tasks"][name] = {
            "taskInfo": {"name": name},
            "componentRef": {"name": name},
            "inputs": {
                "parameters": {key: self._source(it[1], "Parameter") for key, it in given.items()}
            },
        }

    def define(self, name: str, parameter_type: str, **fields: Any) -> None:
        """Add a run parameter."""
        definitions = self.spec["root"].setdefault("inputDefinitions", {"parameters": {}})
        definitions["parameters"][name] = {"parameterType": parameter_type, **fields}

    def write(self, name: str = "pipeline.yaml") -> Path:
        """Write the file as it is now."""
        documents = [copy.deepcopy(self.spec)]
        if self.platform is not None:
            documents.append({"platforms": {"kubernetes": self.platform}})
        file = self._folder / name
        # Aliases would do as well, but no compiler writes them.
        dumper = type("Plain", (yaml.SafeDumper,), {"ignore_aliases": lambda *_: True})
        file.write_text(yaml.dump_all(documents, Dumper=dumper, sort_keys=True))
        return file

    @staticmethod
    def _source(source: Any, kind: str) -> Any:
        if not isinstance(source, str):
            return source
        producer, key = source.split(".")
        return {f"taskOutput{kind}": {"producerTask": producer, f"output{kind}Key": key}}


@pytest.fixture
def tiny(tmp_path: Path) -> PipelineYaml:
    return PipelineYaml(tmp_path)


@pytest.fixture
def new_pipeline(tmp_path: Path) -> Callable[[], PipelineYaml]:
    return lambda: PipelineYaml(tmp_path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def cluster(home: Path) -> Cluster:
    return Cluster(home, max_parallel=4)
