"""What is read from ML Metadata, from a store that is written as TFX writes it."""

from pathlib import Path

import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from contract.settings import MetadataSettings
from pipeline.metadata_store import connection_config
from pipeline.run_record import read_latest_run

INPUT, OUTPUT = metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.OUTPUT


class Store:
    def __init__(self, connection):
        self._store = MetadataStore(connection)

    def context(self, kind, name):
        found = self._store.get_context_by_type_and_name(kind, name)
        if found is not None:
            return found.id
        type_id = self._store.put_context_type(metadata_store_pb2.ContextType(name=kind))
        (context_id,) = self._store.put_contexts(
            [metadata_store_pb2.Context(type_id=type_id, name=name)]
        )
        return context_id

    def artifact(self, uri, **properties):
        type_id = self._store.put_artifact_type(metadata_store_pb2.ArtifactType(name="Model"))
        artifact = metadata_store_pb2.Artifact(type_id=type_id, uri=uri)
        for name, value in properties.items():
            kind = {str: "string_value", int: "int_value", float: "double_value"}[type(value)]
            setattr(artifact.custom_properties[name], kind, value)
        (artifact_id,) = self._store.put_artifacts([artifact])
        return artifact_id

    def execution(self, pipeline, run, node, *events):
        """Add a node's execution; events are (artifact, name, kind)."""
        type_id = self._store.put_execution_type(metadata_store_pb2.ExecutionType(name=node))
        (execution_id,) = self._store.put_executions(
            [metadata_store_pb2.Execution(type_id=type_id)]
        )
        contexts = [
            self.context("pipeline", pipeline),
            self.context("pipeline_run", run),
            self.context("node", f"{pipeline}.{node}"),
        ]
        self._store.put_attributions_and_associations(
            [],
            [
                metadata_store_pb2.Association(context_id=context, execution_id=execution_id)
                for context in contexts
            ],
        )
        for artifact, name, kind in events:
            event = metadata_store_pb2.Event(
                artifact_id=artifact, execution_id=execution_id, type=kind
            )
            event.path.steps.add().key = name
            self._store.put_events([event])


@pytest.fixture
def connection(tmp_path):
    return connection_config(MetadataSettings(), tmp_path / "metadata.sqlite")


@pytest.fixture
def store(connection):
    return Store(connection)


def test_outputs_are_found_by_node_and_name_with_their_properties(connection, store):
    model = store.artifact("/out/model", pushed=1, version=7, score=0.5, destination="/srv/7")
    curves = store.artifact("/out/curves")
    events = [(model, "model", OUTPUT), (curves, "model_run", OUTPUT)]
    store.execution("pneumonia", "run-1", "Trainer-small", *events)
    store.execution("pneumonia", "run-1", "Pusher", (model, "model", INPUT))
    record = read_latest_run(connection, "pneumonia")
    found = record.output("Trainer-small", "model")
    assert found.path == Path("/out/model")
    assert found.properties == {"pushed": 1, "version": 7, "score": 0.5, "destination": "/srv/7"}
    assert record.output("Trainer-small", "model_run").path == Path("/out/curves")
    # What a node took in is not what it gave.
    assert record.outputs["Pusher"] == {}


def test_the_newest_run_of_the_pipeline_counts(connection, store):
    for number, pipeline in enumerate(("pneumonia", "pneumonia", "another")):
        model = store.artifact(f"/out/{number}")
        store.execution(pipeline, f"run-{number}", "Selector", (model, "model", OUTPUT))
    record = read_latest_run(connection, "pneumonia")
    assert record.output("Selector", "model").path == Path("/out/1")


def test_a_missing_output_is_named_with_what_there_is(connection, store):
    model = store.artifact("/out/model")
    store.execution("pneumonia", "run-1", "Selector", (model, "model", OUTPUT))
    record = read_latest_run(connection, "pneumonia")
    with pytest.raises(KeyError, match=r"Ensemble\.model, got only \['Selector\.model'\]"):
        record.output("Ensemble", "model")


def test_a_store_without_a_run_is_said(connection, store):
    with pytest.raises(LookupError, match="'pneumonia', got none"):
        read_latest_run(connection, "pneumonia")
    store.context("pipeline", "pneumonia")
    with pytest.raises(LookupError, match="'pneumonia', got none"):
        read_latest_run(connection, "pneumonia")
