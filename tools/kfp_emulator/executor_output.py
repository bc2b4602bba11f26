"""What a process left: read as strictly as the launcher does, uploaded, ready to record."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfp.pipeline_spec import pipeline_spec_pb2

from pipeline.strict_yaml import parse_yaml
from tools.kfp_emulator.metadata_store import NewArtifact
from tools.kfp_emulator.metadata_values import to_properties
from tools.kfp_emulator.object_store import parse_uri
from tools.kfp_emulator.parameter_types import parse_text
from tools.kfp_emulator.protojson import parse_json, to_dict
from tools.kfp_emulator.run_context import RunContext

# Of `getDefaultMinioSessionInfo` in backend/src/v2/config of kubeflow/pipelines.
_STORE_SESSION_INFO = json.dumps(
    {
        "Provider": "minio",
        "Params": {
            "accessKeyKey": "accesskey",
            "disableSSL": "true",
            "endpoint": "minio-service.kubeflow:9000",
            "fromEnv": "false",
            "maxRetries": "5",
            "region": "minio",
            "secretKeyKey": "secretkey",
            "secretName": "mlpipeline-minio-artifact",
        },
    }
)


@dataclasses.dataclass(frozen=True)
class Collected:
    """Outputs to record.

    Attributes:
        artifacts: By output name.
        parameters: Plain values by output name.
        warnings: Of the launcher.
    """

    artifacts: Mapping[str, NewArtifact]
    parameters: Mapping[str, Any]
    warnings: list[str]


def collect_outputs(executor_input: Any, component: Any, pod: Path, run: RunContext) -> Collected:
    """Read what a process wrote, and upload its outputs' files.

    Raises:
        ValueError: The executor output is no `ExecutorOutput`, a URI is outside the run's
            root, metadata is null, or an output parameter is missing or of another type.
    """
    executor_output = _read(Path(executor_input.outputs.output_file))
    parameters = _collect_parameters(executor_input, executor_output, component)
    artifacts: dict[str, NewArtifact] = {}
    warnings: list[str] = []
    for name, entries in executor_input.outputs.artifacts.items():
        artifact = pipeline_spec_pb2.RuntimeArtifact()
        artifact.CopyFrom(entries.artifacts[0])
        reported = executor_output.artifacts.get(name)
        if reported is not None and reported.artifacts:
            _merge(reported.artifacts[0], artifact)
        warnings += _upload(name, artifact.uri, pod, run)
        properties = to_properties(artifact.metadata)
        properties.setdefault("display_name", name)
        properties["store_session_info"] = _STORE_SESSION_INFO
        artifacts[name] = NewArtifact(artifact.uri, schema_title(name, artifact.type), properties)
    return Collected(artifacts, parameters, warnings)


def schema_title(name: str, schema: Any) -> str:
    """Return the title of an `ArtifactTypeSchema`.

    Raises:
        ValueError: It has none.
    """
    title: Any = schema.schema_title
    if schema.WhichOneof("kind") == "instance_schema":
        document = parse_yaml(schema.instance_schema)
        title = document.get("title") if isinstance(document, dict) else None
    if not isinstance(title, str) or not title:
        raise ValueError(f"output {name!r}: no title specified in its schema")
    return title


def _read(output_file: Path) -> Any:
    message = pipeline_spec_pb2.ExecutorOutput()
    if not output_file.is_file():
        return message
    try:
        return parse_json(output_file.read_text(encoding="utf-8"), message)
    except ValueError as error:
        raise ValueError(f"failed to unmarshal ExecutorOutput: {error}") from error


def _merge(source: Any, target: Any) -> None:
    if source.uri:
        target.uri = source.uri
    for name, value in source.metadata.fields.items():
        target.metadata.fields[name].CopyFrom(value)


def _upload(name: str, uri: str, pod: Path, run: RunContext) -> list[str]:
    location = parse_uri(uri)
    if location is None:
        return [
            f"Output Artifact {name!r} does not have a recognized storage URI {uri!r}. "
            "Skipping uploading to remote storage."
        ]
    if not uri.startswith(f"{run.root}/"):
        raise ValueError(
            f"failed to upload output artifact {name!r}: URI {uri!r} does not have expected "
            f"bucket prefix {run.root!r}"
        )
    local = location.in_pod(pod)
    if not local.exists():
        return [f"Local filepath {str(local.relative_to(pod))!r} does not exist"]
    run.objects.upload(local, location)
    return []


def _collect_parameters(
    executor_input: Any, executor_output: Any, component: Any
) -> dict[str, Any]:
    values = dict(executor_output.parameter_values)
    for name, parameter in executor_input.outputs.parameters.items():
        if name in values:
            continue
        parameter_type = component.output_definitions.parameters[name].parameter_type
        try:
            text = Path(parameter.output_file).read_text(encoding="utf-8")
            values[name] = parse_text(text, parameter_type)
        except (OSError, ValueError) as error:
            raise ValueError(f"failed to read output parameter name={name!r}: {error}") from error
    return {name: to_dict(value) for name, value in values.items()}
