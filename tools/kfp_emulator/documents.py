"""The two documents of a compiled pipeline, parsed as strictly as KFP's API server does."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
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
    """

    spec: Any
    executors: Mapping[str, Any]
    kubernetes: Mapping[str, Any]


def read_documents(pipeline_file: Path) -> Documents:
    """Read a compiled pipeline.

    Raises:
        InputError: The file is missing or too large, is no YAML of one or two documents, has
            another schema version or fields that KFP does not know.
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
    if len(parts) not in (1, 2):
        raise InputError(f"{pipeline_file}: expected 1 or 2 documents, got {len(parts)}. {_FIX}")
    try:
        spec = _parse_spec(_parse_document(parts[0], "document 1"))
        executors = _parse_executors(spec)
        kubernetes = {}
        if len(parts) == 2:
            kubernetes = _parse_platform(_parse_document(parts[1], "document 2"), executors)
    except ValueError as error:
        raise InputError(f"{pipeline_file}: {error}. {_FIX}") from error
    return Documents(spec, executors, kubernetes)


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


def _parse_executors(spec: Any) -> dict[str, Any]:
    deployment = _parse(
        to_dict(spec.deployment_spec),
        pipeline_spec_pb2.PipelineDeploymentConfig(),
        "deploymentSpec",
    )
    return dict(deployment.executors)


def _parse_platform(document: dict[str, Any], executors: Mapping[str, Any]) -> dict[str, Any]:
    try:
        from kfp.kubernetes import kubernetes_executor_config_pb2
    except ImportError as error:
        raise ModuleNotFoundError(
            "expected the package kfp-kubernetes, which describes the platform document; "
            "install the development requirements"
        ) from error
    platforms = _parse(document, pipeline_spec_pb2.PlatformSpec(), "document 2").platforms
    other = sorted(set(platforms) - {"kubernetes"})
    if other:
        raise ValueError(f"platforms: expected kubernetes alone, got {', '.join(other)}")
    sections = platforms["kubernetes"].deployment_spec.executors
    unknown = sorted(set(sections) - set(executors))
    if unknown:
        # KFP would ignore them in silence.
        raise ValueError(f"platforms.kubernetes: expected known executors, got {unknown}")
    return {
        label: _parse(
            to_dict(section),
            kubernetes_executor_config_pb2.KubernetesExecutorConfig(),
            f"platforms.kubernetes.deploymentSpec.executors.{label}",
        )
        for label, section in sections.items()
    }


def _parse(document: Any, message: Any, place: str) -> Any:
    try:
        return parse_dict(document, message)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
