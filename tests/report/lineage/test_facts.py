"""Lineage, from a metadata store that is written as TFX writes it."""

import dataclasses

import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from contract.settings import MetadataSettings, ReportRun, ReportSettings
from pipeline.metadata_store import connection_config
from report.lineage import section as section_module
from report.lineage.facts import trace_lineage
from report.lineage.stored_run import read_stored_run, relative_place
from report.page.page import render_page
from report.page.parts import Group, Table, Text
from report.sources import Sources
from serving.push_folder import content_digest

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

    def artifact(self, uri, kind="Model"):
        type_id = self._store.put_artifact_type(metadata_store_pb2.ArtifactType(name=kind))
        artifact = metadata_store_pb2.Artifact(type_id=type_id, uri=str(uri))
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


@pytest.fixture
def output(tmp_path):
    folder = tmp_path / "someone" / "output"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def store(output):
    return Store(output)


@pytest.fixture
def sources(output):
    (output / "examples" / "Split-test").mkdir(parents=True)
    (output / "examples" / "Split-test" / "records.gz").write_bytes(b"records")
    model = output / "pipeline" / "Selector" / "model" / "9"
    (model / "Format-Serving").mkdir(parents=True)
    (model / "Format-Serving" / "saved_model.pb").write_bytes(b"weights")
    folders = {
        name: output / name
        for name in (
            *("examples", "schema", "statistics", "anomalies", "data_audit", "transform_graph"),
            *("model_run", "evaluation", "blessing", "records_dir"),
        )
    }
    settings = ReportSettings()
    return Sources(
        run=ReportRun(
            pipeline_name="lungs", seed=1, image_size_px=64, synthetic=False, report=settings
        ),
        models={},
        model_runs={},
        model=model,
        baseline=None,
        baseline_version=None,
        metadata_file=output / "metadata.sqlite",
        **folders,
    )


def test_nodes_are_told_with_state_code_and_edges(store, output):
    examples = store.artifact(output / "pipeline" / "Gen" / "examples" / "1", "Examples")
    model = store.artifact(output / "pipeline" / "Trainer" / "model" / "2")
    gen = store.execution("Gen", (examples, "examples", WROTE))
    trainer = store.execution(
        "Trainer", (examples, "data", READ), (model, "model", WROTE), code="c0de"
    )
    report = store.execution("Report", (model, "model", READ), state=RUNNING)
    run = read_stored_run(store.file, "lungs")
    assert run.name == "run-1"
    assert [node.execution_id for node in run.nodes] == [gen, trainer, report]
    assert [node.node_id for node in run.nodes] == ["Gen", "Trainer", "Report"]
    assert [node.state for node in run.nodes] == ["complete", "complete", "running"]
    assert [node.code_version for node in run.nodes] == ["", "c0de", ""]
    assert run.nodes[1].inputs == {"data": (examples,)}
    assert run.nodes[1].outputs == {"model": (model,)}
    assert run.nodes[1].took_s is not None
    assert run.nodes[2].took_s is None
    assert run.nodes[0].began is not None
    assert run.nodes[0].began.endswith("+00:00")
    assert {
        artifact.artifact_id: (artifact.kind, artifact.place) for artifact in run.artifacts
    } == {
        examples: ("Examples", "pipeline/Gen/examples/1"),
        model: ("Model", "pipeline/Trainer/model/2"),
    }


def test_a_cached_answer_names_the_execution_that_made_it(store, output):
    model = store.artifact(output / "model")
    made = store.execution("Trainer", (model, "model", WROTE))
    store.execution("Trainer", (model, "model", WROTE), run="run-2", state=CACHED)
    run = read_stored_run(store.file, "lungs")
    assert run.name == "run-2"
    (again,) = run.nodes
    assert (again.state, again.made_by) == ("cached", made)
    assert again.took_s is not None


def test_only_the_newest_run_of_the_pipeline_is_told(store, output):
    for run in ("run-1", "run-2"):
        store.execution("Gen", (store.artifact(output / run), "examples", WROTE), run=run)
    store.execution("Gen", run="run-3", pipeline="other")
    run = read_stored_run(store.file, "lungs")
    assert run.name == "run-2"
    assert [artifact.place for artifact in run.artifacts] == ["run-2"]


def test_a_store_without_a_run_is_said(store):
    with pytest.raises(LookupError, match=r"'lungs' in metadata\.sqlite, got none"):
        read_stored_run(store.file, "lungs")


def test_no_folder_of_a_machine_is_told(output):
    assert relative_place(str(output / "pipeline" / "Gen" / "x" / "1"), output) == (
        "pipeline/Gen/x/1"
    )
    assert relative_place("/home/someone/lungs/Gen/x/1", output) == "…/Gen/x/1"
    assert relative_place("/home/someone/lungs/Gen/x/1", None) == "…/Gen/x/1"
    assert relative_place("s3://bucket/lungs/Gen/x/1", output) == "…/Gen/x/1"


def test_hashes_follow_the_content(sources, store):
    store.execution("Gen")
    before = trace_lineage(sources)
    assert before.model_digest == content_digest(sources.model / "Format-Serving")
    assert trace_lineage(sources) == before
    (sources.model / "Format-Serving" / "saved_model.pb").write_bytes(b"other weights")
    (sources.examples / "Split-test" / "records.gz").write_bytes(b"other records")
    after = trace_lineage(sources)
    assert after.model_digest != before.model_digest
    assert after.records_digest != before.records_digest
    assert after.code_digest == before.code_digest
    assert {"tfx", "tensorflow", "keras", "apache-beam", "keras-tuner"} < before.packages.keys()
    assert before.data_fingerprint is None  # no card was written


def test_the_section_tells_the_run_and_no_folder_of_this_machine(sources, store, output):
    model = store.artifact(output / "pipeline" / "Trainer" / "model" / "2")
    store.execution("Trainer", (model, "model", WROTE), code="c0de", state=FAILED)
    store.execution("Report", (model, "model", READ), state=RUNNING)
    section = section_module.build(sources)
    hashes, versions, text, nodes, group = section.parts
    assert isinstance(text, Text)
    assert "run-1" in text.text
    assert all(isinstance(part, Table) for part in (hashes, versions, nodes))
    assert [row[0].text for row in nodes.rows] == ["Trainer", "Report"]
    assert nodes.rows[0][1].tone == "bad"
    assert isinstance(group, Group)
    (artifacts,) = group.parts
    (row,) = artifacts.rows
    assert (row[0].text, *row[1:]) == ("pipeline/Trainer/model/2", "Trainer", "Report")
    page = render_page("A title", "", [section], synthetic=False)
    assert str(output) not in page
    assert "someone" not in page


@pytest.mark.parametrize("metadata_file", [None, "absent.sqlite"])
def test_where_the_store_is_out_of_reach_it_says_so(sources, output, metadata_file):
    place = output / metadata_file if metadata_file else None
    lineage = trace_lineage(dataclasses.replace(sources, metadata_file=place))
    assert lineage.stored_run is None
    assert ("service" if place is None else "Cannot connect") in lineage.store_problem
    assert lineage.folders["model"] == "…/Selector/model/9"
    assert "baseline" not in lineage.folders
    assert place is None or not place.exists()
    section = section_module.build(dataclasses.replace(sources, metadata_file=place))
    _, _, text, folders = section.parts
    assert text.tone == "warning"
    assert lineage.store_problem in text.text
    assert ("model", "…/Selector/model/9") in folders.rows
