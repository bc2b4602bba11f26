"""The reader of the metadata store: a run's nodes, what they read, and what they wrote."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from evaluation.slice_metrics import Record

CACHED = "cached"
_INPUT_EVENTS = (metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.DECLARED_INPUT)
_OUTPUT_EVENTS = (metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.DECLARED_OUTPUT)
_CODE_VERSION = "code_version"
_SIMPLE_TYPES = ("int_value", "double_value", "string_value")


class ArtifactRecord(Record):
    """One artifact.

    Attributes:
        artifact_id: Its number in the store.
        kind: Its type, such as "Model".
        uri: Its folder as the store names it: an absolute path, which is private, or an address.
        properties: Its custom properties of a simple type.
    """

    artifact_id: int
    kind: str
    uri: str
    properties: dict[str, str | int | float]

    @property
    def path(self) -> Path:
        """The folder, where it is on this machine."""
        return Path(self.uri)


class NodeRun(Record):
    """One execution of a node.

    Attributes:
        node_id: The node.
        execution_id: Its number in the store.
        state: "complete", "cached", "running", "failed", "canceled", "new" or "unknown".
        began: When, ISO 8601 in UTC; of a cached answer, when it was made; None where unknown.
        took_s: Its time, s; of a cached answer, what making it took; None where it has not ended.
        made_by: The execution that made a cached answer; None where this one worked itself.
        code_version: Hash of the code that decides the node's result; "" for a node of TFX that
            runs none of the project's.
        inputs: Numbers of the artifacts that it read, by the input's name.
        outputs: Numbers of the artifacts that it wrote, or found in the cache, by the output's
            name.
    """

    node_id: str
    execution_id: int
    state: str
    began: str | None
    took_s: float | None
    made_by: int | None
    code_version: str
    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]


class StoredRun(Record):
    """One run of the pipeline.

    Attributes:
        name: Of the run, in the store.
        nodes: In the order in which they began.
        artifacts: Those that the nodes read or wrote.
    """

    name: str
    nodes: tuple[NodeRun, ...]
    artifacts: tuple[ArtifactRecord, ...]

    def output(self, node_id: str, name: str) -> ArtifactRecord:
        """Return a node's output, also one that was found in the cache.

        Raises:
            KeyError: The run has no such output; the message lists what it has.
        """
        numbers = [
            number
            for node in self.nodes
            if node.node_id == node_id
            for number in node.outputs.get(name, ())
        ]
        if not numbers:
            known = [f"{node.node_id}.{key}" for node in self.nodes for key in node.outputs]
            raise KeyError(f"expected the output {node_id}.{name}, got only {known}")
        (found,) = [each for each in self.artifacts if each.artifact_id == numbers[-1]]
        return found


def sqlite_connection(metadata_file: Path) -> metadata_store_pb2.ConnectionConfig:
    """Return how to read a SQLite store without changing it or waiting for a run that goes on."""
    sqlite = metadata_store_pb2.SqliteMetadataSourceConfig
    return metadata_store_pb2.ConnectionConfig(
        sqlite=sqlite(filename_uri=str(metadata_file), connection_mode=sqlite.READONLY)
    )


def read_pipeline_names(connection: metadata_store_pb2.ConnectionConfig) -> list[str]:
    """Return the names of the pipelines that have run, sorted.

    Raises:
        RuntimeError: The store cannot be read.
    """
    pipelines = MetadataStore(connection).get_contexts_by_type("pipeline")
    return sorted(str(context.name) for context in pipelines)


def read_stored_run(
    connection: metadata_store_pb2.ConnectionConfig, pipeline_name: str
) -> StoredRun:
    """Read the newest run of a pipeline, also while it goes on.

    Args:
        connection: The metadata store.
        pipeline_name: Other pipelines may share the store.

    Raises:
        LookupError: The store holds no run of it.
        RuntimeError: The store cannot be read.
    """
    store = MetadataStore(connection)
    pipeline = store.get_context_by_type_and_name("pipeline", pipeline_name)
    executions = store.get_executions_by_context(pipeline.id) if pipeline else []
    if not executions:
        raise LookupError(f"expected a run of pipeline {pipeline_name!r}, got none in the store")
    newest = max(execution.id for execution in executions)
    (run,) = _contexts(store, newest, "pipeline_run")
    executions = sorted(store.get_executions_by_context(run.id), key=lambda found: found.id)
    events = store.get_events_by_execution_ids([execution.id for execution in executions])
    artifacts = store.get_artifacts_by_id(sorted({event.artifact_id for event in events}))
    return StoredRun(
        name=run.name,
        nodes=tuple(
            _to_node_run(
                store,
                execution,
                [event for event in events if event.execution_id == execution.id],
                pipeline_name,
            )
            for execution in executions
        ),
        artifacts=tuple(
            ArtifactRecord(
                artifact_id=artifact.id,
                kind=artifact.type,
                uri=artifact.uri,
                properties={
                    name: getattr(value, value.WhichOneof("value"))
                    for name, value in artifact.custom_properties.items()
                    if value.WhichOneof("value") in _SIMPLE_TYPES
                },
            )
            for artifact in artifacts
        ),
    )


def _to_node_run(
    store: MetadataStore,
    execution: metadata_store_pb2.Execution,
    events: Sequence[metadata_store_pb2.Event],
    pipeline_name: str,
) -> NodeRun:
    (node,) = _contexts(store, execution.id, "node")
    state = metadata_store_pb2.Execution.State.Name(execution.last_known_state).lower()
    maker = _first_maker(store, events) if state == CACHED else None
    timed = maker or execution
    return NodeRun(
        node_id=node.name.removeprefix(f"{pipeline_name}."),
        execution_id=execution.id,
        state=state,
        began=_iso_time(timed.create_time_since_epoch),
        took_s=_duration_s(timed),
        made_by=maker.id if maker else None,
        code_version=execution.custom_properties[_CODE_VERSION].string_value,
        inputs=_by_name(events, _INPUT_EVENTS),
        outputs=_by_name(events, _OUTPUT_EVENTS),
    )


def _first_maker(
    store: MetadataStore, events: Sequence[metadata_store_pb2.Event]
) -> metadata_store_pb2.Execution | None:
    outputs = [event.artifact_id for event in events if event.type in _OUTPUT_EVENTS]
    makers = [
        event.execution_id
        for event in (store.get_events_by_artifact_ids(outputs) if outputs else [])
        if event.type in _OUTPUT_EVENTS
    ]
    if not makers or min(makers) == events[0].execution_id:
        return None
    (maker,) = store.get_executions_by_id([min(makers)])
    return maker


def _contexts(
    store: MetadataStore, execution_id: int, kind: str
) -> list[metadata_store_pb2.Context]:
    contexts = store.get_contexts_by_execution(execution_id)
    return [context for context in contexts if context.type == kind]


def _by_name(
    events: Iterable[metadata_store_pb2.Event], kinds: Sequence[int]
) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = defaultdict(list)
    for event in events:
        if event.type in kinds:
            found[event.path.steps[0].key].append(event.artifact_id)
    return {name: tuple(sorted(numbers)) for name, numbers in sorted(found.items())}


def _duration_s(execution: metadata_store_pb2.Execution) -> float | None:
    ended = (metadata_store_pb2.Execution.COMPLETE, metadata_store_pb2.Execution.FAILED)
    if execution.last_known_state not in ended:
        return None
    return (execution.last_update_time_since_epoch - execution.create_time_since_epoch) / 1000.0


def _iso_time(ms_since_epoch: int) -> str | None:
    if not ms_since_epoch:
        return None
    moment = datetime.datetime.fromtimestamp(ms_since_epoch / 1000.0, datetime.UTC)
    return moment.isoformat(timespec="seconds")
