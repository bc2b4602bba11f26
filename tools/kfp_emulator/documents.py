"""The two documents of a compiled pipeline, parsed as KFP's API server does.

It knows every field of the pipeline itself, but passes over unknown ones of a container, a third
document and executors of the platform that no component has; and where the platform's document
has a field that it does not know, it drops the whole of it without a word.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kfp.pipeline_spec import pipeline_spec_pb2

from contract.errors import InputError
from pipeline.strict_yaml import parse_yaml
from tools.kfp_emulator.protojson import parse_dict, to_dict

SCHEMA_VERSION = "2.1.0"
MAX_FILE_BYTES = 32 * 1024 * 1024  # what the API server takes as an upload
# A document begins at the margin; text in a block is indented, so this cannot be inside one.
_DOCUMENT_START = re.compile(r"^---(?:[ \t].*)?$", re.MULTILINE)
_FIX = "How to fix: compile the pipeline again and upload the file unchanged."


@dataclasses.dataclass(frozen=True)
class Documents:
    """A compiled pipeline.

    Attributes:
        spec: The `PipelineSpec`.
        executors: `PipelineDeploymentConfig.ExecutorSpec` by executor label.
        kubernetes: `KubernetesExecutorConfig` by executor label, where there is one.
        dropped: What KFP passed over, a line each.
    """

    spec: Any
    executors: Mapping[str, Any]
    kubernetes: Mapping[str, Any]
    dropped: Sequence[str] = ()

    def container(self, component: Any) -> Any:
        """Return a component's `PipelineContainerSpec`."""
        return self.executors[component.executor_label].container

    def stored_component(self, name: str) -> Any:
        """Return the component spec that KFP runs a component with.

        Workflow arguments are keyed by the container's hash, so that of components with equal
        containers all run as the first one.
        """
        component = self.spec.components[name]
        if component.executor_label not in self.executors:
            return component
        container = self.container(component)
        for other in sorted(self.spec.components):
            first = self.spec.components[other]
            if first.executor_label in self.executors and self.container(first) == container:
                return first
        return component


def read_documents(pipeline_file: Path) -> Documents:
    """Read a compiled pipeline.

    Raises:
        InputError: The file is missing or too large, is not YAML, has another schema version or
            fields that KFP refuses.
    """
    try:
        size = pipeline_file.stat().st_size
        if size > MAX_FILE_BYTES:
            raise InputError(
                f"{pipeline_file}: expected at most {MAX_FILE_BYTES} bytes, got {size}; "
                "KFP takes no larger upload. How to fix: shorten the executors' arguments."
            )
        text = pipeline_file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{pipeline_file}: expected a compiled pipeline, got {error.strerror}. {_FIX}"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{pipeline_file}: expected text in UTF-8, got {error}. {_FIX}") from error
    parts = [part for part in _DOCUMENT_START.split(text) if part.strip()]
    if not parts:
        raise InputError(f"{pipeline_file}: expected 1 or 2 documents, got 0. {_FIX}")
    dropped = [f"expected 1 or 2 documents, got {len(parts)}"] if len(parts) > 2 else []
    try:
        spec = _parse_spec(_parse_document(parts[0], "document 1"))
        executors = _parse_executors(spec, dropped)
        kubernetes = {}
        if len(parts) > 1:
            platform = _parse_document(parts[1], "document 2")
            kubernetes = _parse_platform(platform, executors, dropped)
    except ValueError as error:
        raise InputError(f"{pipeline_file}: {error}. {_FIX}") from error
    return Documents(spec, executors, kubernetes, tuple(dropped))


def _parse_document(text: str, place: str) -> dict[str, Any]:
    try:
        document = parse_yaml(text)
    except ValueError as error:
        raise ValueError(f"{place}: expected YAML, got {error}") from error
    if not isinstance(document, dict):
        raise ValueError(f"{place}: expected a mapping, got {type(document).__name__}")
    return document


def _parse_spec(document: dict[str, Any]) -> Any:
    if "pipelineSpec" in document:
        raise ValueError("document 1: expected a PipelineSpec, got a PipelineJob")
    version = document.get("schemaVersion")
    if version != SCHEMA_VERSION:
        raise ValueError(f"schemaVersion: expected {SCHEMA_VERSION}, got {version!r}")
    spec = _parse(document, pipeline_spec_pb2.PipelineSpec(), "document 1")
    if spec.root.WhichOneof("implementation") != "dag":
        raise ValueError("root: expected a dag")
    return spec


def _parse_executors(spec: Any, dropped: list[str]) -> dict[str, Any]:
    fields = to_dict(spec.deployment_spec)
    try:
        parse_dict(fields, pipeline_spec_pb2.PipelineDeploymentConfig())
    except ValueError as error:
        dropped.append(f"deploymentSpec: {error}")
    deployment = pipeline_spec_pb2.PipelineDeploymentConfig()
    try:
        parse_dict(fields, deployment, ignores_unknown=True)
    except ValueError as error:
        raise ValueError(f"deploymentSpec: {error}") from error
    return dict(deployment.executors)


def _parse_platform(
    document: dict[str, Any], executors: Mapping[str, Any], dropped: list[str]
) -> dict[str, Any]:
    from kfp.kubernetes import kubernetes_executor_config_pb2

    try:
        platforms = _parse(document, pipeline_spec_pb2.PlatformSpec(), "document 2").platforms
        sections = platforms["kubernetes"].deployment_spec.executors
        parsed = {
            label: _parse(
                to_dict(section),
                kubernetes_executor_config_pb2.KubernetesExecutorConfig(),
                f"platforms.kubernetes.deploymentSpec.executors.{label}",
            )
            for label, section in sections.items()
        }
    except ValueError as error:
        dropped.append(f"all of document 2: {error}")
        return {}
    other = sorted(set(platforms) - {"kubernetes"})
    if other:
        dropped.append(f"platforms: expected kubernetes alone, got {', '.join(other)}")
    unknown = sorted(set(parsed) - set(executors))
    if unknown:
        dropped.append(f"platforms.kubernetes: expected known executors, got {unknown}")
    return {label: section for label, section in parsed.items() if label in executors}


def _parse(document: Any, message: Any, place: str) -> Any:
    try:
        return parse_dict(document, message)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
