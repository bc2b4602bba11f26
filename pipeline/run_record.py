"""What a run left in ML Metadata: the output artifacts of its nodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

_OUTPUT_EVENTS = (metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.DECLARED_OUTPUT)


@dataclasses.dataclass(frozen=True)
class OutputArtifact:
    """One artifact.

    Attributes:
        path: Its folder.
        properties: Its custom properties.
    """

    path: Path
    properties: dict[str, str | int | float]


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """One run of the pipeline.

    Attributes:
        outputs: Artifacts by node id and output name, of nodes that ended or were
            answered from the cache.
    """

    outputs: dict[str, dict[str, OutputArtifact]]

    def output(self, node_id: str, name: str) -> OutputArtifact:
        """Return a node's output.

        Raises:
            KeyError: When the run has no such output; the message lists what it has.
        """
        try:
            return self.outputs[node_id][name]
        except KeyError:
            known = [f"{node}.{key}" for node, keys in self.outputs.items() for key in keys]
            raise KeyError(f"expected the output {node_id}.{name}, got only {known}") from None


def read_latest_run(
    connection: metadata_store_pb2.ConnectionConfig, pipeline_name: str
) -> RunRecord:
    """Read the newest run of a pipeline.

    Args:
        connection: The metadata store.
        pipeline_name: Other pipelines may share the store.

    Raises:
        LookupError: When the store holds no run of it.
    """
    store = MetadataStore(connection)
    pipeline = store.get_context_by_type_and_name("pipeline", pipeline_name)
    if pipeline is None:
        raise LookupError(f"expected a run of pipeline {pipeline_name!r}, got none in the store")
    runs = {
        context.id
        for execution in store.get_executions_by_context(pipeline.id)
        for context in store.get_contexts_by_execution(execution.id)
        if context.type == "pipeline_run"
    }
    if not runs:
        raise LookupError(f"expected a run of pipeline {pipeline_name!r}, got none in the store")
    outputs: dict[str, dict[str, OutputArtifact]] = {}
    for execution in store.get_executions_by_context(max(runs)):
        node_id = _node_id(store.get_contexts_by_execution(execution.id), pipeline_name)
        outputs.setdefault(node_id, {}).update(_outputs_of(store, execution.id))
    return RunRecord(outputs)


def _node_id(contexts: Iterable[metadata_store_pb2.Context], pipeline_name: str) -> str:
    (name,) = [context.name for context in contexts if context.type == "node"]
    return str(name.removeprefix(f"{pipeline_name}."))


def _outputs_of(store: MetadataStore, execution_id: int) -> dict[str, OutputArtifact]:
    events = [
        event
        for event in store.get_events_by_execution_ids([execution_id])
        if event.type in _OUTPUT_EVENTS
    ]
    artifacts = {
        artifact.id: artifact
        for artifact in store.get_artifacts_by_id([event.artifact_id for event in events])
    }
    return {event.path.steps[0].key: _to_output(artifacts[event.artifact_id]) for event in events}


def _to_output(artifact: metadata_store_pb2.Artifact) -> OutputArtifact:
    properties = {
        name: getattr(value, value.WhichOneof("value"))
        for name, value in artifact.custom_properties.items()
        if value.WhichOneof("value") in ("int_value", "double_value", "string_value")
    }
    return OutputArtifact(Path(artifact.uri), properties)
