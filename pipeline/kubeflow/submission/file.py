"""The compiled pipeline as far as a submission has to know it, read from its YAML file."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from contract.errors import InputError
from pipeline.kubeflow.yaml_text import to_yaml

SCHEMA_VERSION = "2.1.0"
MAX_UPLOAD_BYTES = 32 * 1024**2
MAX_NAME_CHARACTERS = 128  # of a pipeline: a longer one ends as error 500 of KFP's database
_COMPILE = "compile it with `python kubeflow/compile.py --output pipeline.yaml`"


@dataclasses.dataclass(frozen=True)
class RunParameter:
    """One parameter of a run, as the file defines it.

    Attributes:
        kind: KFP's name of the type, e.g. "NUMBER_DOUBLE".
        required: Whether a run needs a value, for want of a default.
    """

    kind: str
    required: bool


@dataclasses.dataclass(frozen=True)
class CompiledPipeline:
    """What a compiled file says.

    Attributes:
        name: The pipeline's own name.
        parameters: Of a run, by name.
        tasks: Names of the tasks that run a container.
        dags: Names of the tasks that hold others, and "root".
        documents: Both YAML documents.
        content: The file's bytes.
    """

    name: str
    parameters: Mapping[str, RunParameter]
    tasks: frozenset[str]
    dags: frozenset[str]
    documents: tuple[Mapping[str, Any], Mapping[str, Any]]
    content: bytes

    @property
    def digest(self) -> str:
        """The SHA-256 hex digest of the file's bytes."""
        return hashlib.sha256(self.content).hexdigest()


def read_pipeline(path: Path) -> CompiledPipeline:
    """Read and check a compiled pipeline.

    Raises:
        InputError: KFP would not take the file.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(
            f"expected a compiled pipeline that ends in .yaml, got {path}: KFP knows the format by "
            f"the name. How to fix: {_COMPILE}."
        )
    try:
        content = path.read_bytes()
        documents = list(yaml.load_all(content, Loader=_loader()))
    except OSError as error:
        raise InputError(
            f"expected a compiled pipeline, got {path}: {error.strerror}. How to fix: {_COMPILE}."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())
        raise InputError(
            f"{path}: expected YAML, got {problem}. How to fix: {_COMPILE}."
        ) from error
    if len(content) > MAX_UPLOAD_BYTES:
        raise InputError(
            f"{path}: expected at most {MAX_UPLOAD_BYTES:,} bytes, which KFP takes, got "
            f"{len(content):,}. How to fix: compile with fewer candidates or smaller settings."
        )
    return _check(path, documents, content)


def check_name(name: str, origin: str) -> str:
    """Return a pipeline's name if KFP can store it.

    Args:
        name: To check.
        origin: Where it comes from, for the message.

    Raises:
        InputError: It is too long.
    """
    if len(name) > MAX_NAME_CHARACTERS:
        raise InputError(
            f"{origin}: expected a pipeline name of at most {MAX_NAME_CHARACTERS} characters, got "
            f"{len(name)}: {name[:40]}... How to fix: give a shorter one with --pipeline-name."
        )
    return name


def without_caching(pipeline: CompiledPipeline) -> CompiledPipeline:
    """Return the pipeline with caching off in every task.

    The server takes a run's own caching option only together with a whole specification, and
    there only for the root's tasks, so it has to be changed in what is uploaded.
    """
    specification = _copy(pipeline.documents[0])
    for _, dag in _dags(specification):
        for task in dag.get("tasks", {}).values():
            task.pop("cachingOptions", None)
    documents = (specification, pipeline.documents[1])
    content = "---\n".join(map(to_yaml, documents)).encode()
    return dataclasses.replace(pipeline, documents=documents, content=content)


def _check(path: Path, documents: list[Any], content: bytes) -> CompiledPipeline:
    if len(documents) != 2 or not all(isinstance(part, dict) for part in documents):
        raise InputError(
            f"{path}: expected two YAML documents, the pipeline's specification and its platform's,"
            f" got {len(documents)}. How to fix: {_COMPILE}."
        )
    specification, platform = documents
    version = specification.get("schemaVersion")
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: expected schemaVersion {SCHEMA_VERSION}, which open-source KFP takes, got "
            f"{version!r}. How to fix: {_COMPILE}."
        )
    name = _part(specification, "pipelineInfo").get("name")
    missing = [
        part
        for part, value in (
            ("pipelineInfo.name", name),
            ("root.dag.tasks", _part(specification, "root", "dag", "tasks")),
            ("platforms", _part(platform, "platforms")),
        )
        if not value
    ]
    if missing:
        raise InputError(
            f"{path}: expected {', '.join(missing)}, got nothing there. How to fix: {_COMPILE}."
        )
    definitions = _part(specification, "root", "inputDefinitions", "parameters")
    parameters = {
        parameter: RunParameter(
            str(definition.get("parameterType")),
            required="defaultValue" not in definition and not definition.get("isOptional"),
        )
        for parameter, definition in definitions.items()
    }
    tasks, dags = _task_names(specification)
    return CompiledPipeline(str(name), parameters, tasks, dags, (specification, platform), content)


def _task_names(specification: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    dag_components = {component for component, _ in _dags(specification)}
    tasks: set[str] = set()
    dags = {"root"}
    for _, dag in _dags(specification):
        for task, body in dag.get("tasks", {}).items():
            component = _part(body, "componentRef").get("name")
            (dags if component in dag_components else tasks).add(task)
    return frozenset(tasks), frozenset(dags)


def _dags(specification: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "root", _part(specification, "root", "dag")
    for name, component in _part(specification, "components").items():
        if "dag" in component:
            yield name, component["dag"]


def _part(tree: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree if isinstance(tree, dict) else {}


def _copy(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _copy(value) for key, value in tree.items()}
    return [_copy(value) for value in tree] if isinstance(tree, list) else tree


def _loader() -> Any:
    # The C loader, where PyYAML has it: half a megabyte takes seconds without.
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)
