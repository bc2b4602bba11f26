"""A metadata store that is written as TFX writes it."""

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from contract.settings import MetadataSettings
from pipeline.metadata_store import connection_config

READ, WROTE = metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.OUTPUT
COMPLETE, CACHED, RUNNING, FAILED = (
    getattr(metadata_store_pb2.Execution, name)
    for name in ("COMPLETE", "CACHED", "RUNNING", "FAILED")
)


class Store:
    """Writes a store; contexts and types are made when first named."""

    def __init__(self, folder):
        self.file = folder / "metadata.sqlite"
        self._store = MetadataStore(connection_config(MetadataSettings(), self.file))

    def _context(self, kind, name):
        found = self._store.get_context_by_type_and_name(kind, name)
        if found is not None:
            return found.id
        type_id = self._store.put_context_type(metadata_store_pb2.ContextType(name=kind))
        context = metadata_store_pb2.Context(type_id=type_id, name=name)
        return self._store.put_contexts([context])[0]

    def artifact(self, uri, kind="Model", **properties):
        type_id = self._store.put_artifact_type(metadata_store_pb2.ArtifactType(name=kind))
        artifact = metadata_store_pb2.Artifact(type_id=type_id, uri=str(uri))
        for name, value in properties.items():
            field = {str: "string_value", int: "int_value", float: "double_value"}[type(value)]
            setattr(artifact.custom_properties[name], field, value)
        return self._store.put_artifacts([artifact])[0]

    def execution(self, node, *events, run="run-1", state=COMPLETE, code="", pipeline="lungs"):
        """Add a node's execution; events are (artifact, name, kind)."""
        type_id = self._store.put_execution_type(metadata_store_pb2.ExecutionType(name=node))
        execution = metadata_store_pb2.Execution(type_id=type_id, last_known_state=state)
        if code:
            execution.custom_properties["code_version"].string_value = code
        execution.custom_properties["push_dir"].string_value = "/home/someone/served"
        (number,) = self._store.put_executions([execution])
        names = {"pipeline": pipeline, "pipeline_run": run, "node": f"{pipeline}.{node}"}
        associations = [
            metadata_store_pb2.Association(
                context_id=self._context(kind, name), execution_id=number
            )
            for kind, name in names.items()
        ]
        self._store.put_attributions_and_associations([], associations)
        for artifact, name, kind in events:
            event = metadata_store_pb2.Event(artifact_id=artifact, execution_id=number, type=kind)
            event.path.steps.add().key = name
            self._store.put_events([event])
        return number
