"""What is read from the metadata store, of a store that is written as TFX writes it."""

from pathlib import Path

import pytest

from report.stored_run import read_pipeline_names, read_stored_run, sqlite_connection
from tests.report.made_store import CACHED, READ, RUNNING, WROTE, Store


@pytest.fixture
def output(tmp_path):
    return tmp_path


@pytest.fixture
def store(output):
    return Store(output)


def test_nodes_are_told_with_state_code_and_edges(store, output):
    examples = store.artifact(output / "pipeline" / "Gen" / "examples" / "1", "Examples")
    model = store.artifact(output / "pipeline" / "Trainer" / "model" / "2")
    gen = store.execution("Gen", (examples, "examples", WROTE))
    trainer = store.execution(
        "Trainer", (examples, "data", READ), (model, "model", WROTE), code="c0de"
    )
    report = store.execution("Report", (model, "model", READ), state=RUNNING)
    run = read_stored_run(sqlite_connection(store.file), "lungs")
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
    assert {artifact.artifact_id: (artifact.kind, artifact.uri) for artifact in run.artifacts} == {
        examples: ("Examples", str(output / "pipeline" / "Gen" / "examples" / "1")),
        model: ("Model", str(output / "pipeline" / "Trainer" / "model" / "2")),
    }


def test_a_cached_answer_names_the_execution_that_made_it(store, output):
    model = store.artifact(output / "model")
    made = store.execution("Trainer", (model, "model", WROTE))
    store.execution("Trainer", (model, "model", WROTE), run="run-2", state=CACHED)
    run = read_stored_run(sqlite_connection(store.file), "lungs")
    assert run.name == "run-2"
    (again,) = run.nodes
    assert (again.state, again.made_by) == ("cached", made)
    assert again.took_s is not None


def test_only_the_newest_run_of_the_pipeline_is_told(store, output):
    for run in ("run-1", "run-2"):
        store.execution("Gen", (store.artifact(output / run), "examples", WROTE), run=run)
    store.execution("Gen", run="run-3", pipeline="other")
    run = read_stored_run(sqlite_connection(store.file), "lungs")
    assert run.name == "run-2"
    assert [artifact.path for artifact in run.artifacts] == [output / "run-2"]


def test_a_store_without_a_run_is_said(store):
    with pytest.raises(LookupError, match="'lungs', got none in the store"):
        read_stored_run(sqlite_connection(store.file), "lungs")


def test_outputs_are_found_by_node_and_name_with_their_properties(store):
    model = store.artifact("/out/model", pushed=1, version=7, score=0.5, destination="/srv/7")
    curves = store.artifact("/out/curves")
    store.execution("Trainer-small", (model, "model", WROTE), (curves, "model_run", WROTE))
    store.execution("Pusher", (model, "model", READ))
    run = read_stored_run(sqlite_connection(store.file), "lungs")
    found = run.output("Trainer-small", "model")
    assert found.path == Path("/out/model")
    assert found.properties == {"pushed": 1, "version": 7, "score": 0.5, "destination": "/srv/7"}
    assert run.output("Trainer-small", "model_run").path == Path("/out/curves")
    # What a node read is not what it wrote.
    with pytest.raises(KeyError):
        run.output("Pusher", "model")


def test_an_output_from_the_cache_counts(store):
    model = store.artifact("/out/model")
    store.execution("Trainer", (model, "model", WROTE))
    store.execution("Trainer", (model, "model", WROTE), run="run-2", state=CACHED)
    run = read_stored_run(sqlite_connection(store.file), "lungs")
    assert run.output("Trainer", "model").path == Path("/out/model")


def test_a_missing_output_is_named_with_what_there_is(store):
    store.execution("Selector", (store.artifact("/out/model"), "model", WROTE))
    run = read_stored_run(sqlite_connection(store.file), "lungs")
    with pytest.raises(KeyError, match=r"Ensemble\.model, got only \['Selector\.model'\]"):
        run.output("Ensemble", "model")


def test_the_pipelines_of_a_store_are_named(store):
    for name in ("lungs", "another"):
        store.execution("Gen", pipeline=name)
    assert read_pipeline_names(sqlite_connection(store.file)) == ["another", "lungs"]
