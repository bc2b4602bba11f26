"""Tests of `pipeline.local_dag_runner`, with TFX's launcher and metadata store."""

# TFX reads the annotations of @component functions as objects, so no
# `from __future__ import annotations` here.
import time
from pathlib import Path
from typing import Any

import pytest
from ml_metadata.metadata_store import MetadataStore
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.proto.orchestration import pipeline_pb2
from tfx.types.standard_artifacts import Model

from pipeline.local_dag_runner import LocalDagRunner
from pipeline.node_events import listen
from tests.pipeline.test_node_events_of_tfx import Recorder

PATIENCE_S = 60.0


@component
def Source(made: OutputArtifact[Model]):  # noqa: N802 (a class after decoration)
    Path(made.uri).mkdir(parents=True, exist_ok=True)


@component
def Waiting(  # noqa: N802
    given: InputArtifact[Model],
    made: OutputArtifact[Model],
    sign: Parameter[str],
):
    """Wait until a later node has left a sign."""
    give_up_s = time.monotonic() + PATIENCE_S
    while not Path(sign).exists():
        if time.monotonic() > give_up_s:
            raise TimeoutError(f"no {sign}")
        time.sleep(0.01)


@component
def Signing(  # noqa: N802
    given: InputArtifact[Model],
    made: OutputArtifact[Model],
    sign: Parameter[str],
):
    Path(sign).touch()


@component
def Failing(  # noqa: N802
    given: InputArtifact[Model],
    made: OutputArtifact[Model],
):
    raise ArithmeticError("failed on purpose")


def run(folder: Path, components: list[BaseComponent], recorder: Recorder, beside: str) -> None:
    """Run a pipeline while a recorder listens."""
    pipeline = Pipeline(
        pipeline_name="beside",
        pipeline_root=str(folder / "root"),
        components=components,
        enable_cache=True,
        metadata_connection_config=connection(folder),
    )
    with listen(recorder):
        LocalDagRunner(beside=[beside]).run(pipeline)


def connection(folder: Path) -> Any:
    return metadata.sqlite_metadata_connection_config(str(folder / "metadata.sqlite"))


def chain(folder: Path) -> list[BaseComponent]:
    """A source, a node that waits for the last one's sign, two in a row, and one after both."""
    sign = str(folder / "sign")
    source = Source().with_id("Source")
    waiting = Waiting(given=source.outputs["made"], sign=sign).with_id("Waiting")
    first = Signing(given=source.outputs["made"], sign=str(folder / "first")).with_id("First")
    signing = Signing(given=first.outputs["made"], sign=sign).with_id("Signing")
    last = Signing(given=waiting.outputs["made"], sign=str(folder / "last")).with_id("Last")
    last.add_upstream_node(signing)
    return [source, waiting, first, signing, last]


def run_chain(folder: Path) -> list[tuple[str, object]]:
    """Run it, and return what was heard."""
    recorder = Recorder()
    run(folder, chain(folder), recorder, beside="Waiting")
    return recorder.events


def test_a_node_beside_the_others_runs_while_they_do(tmp_path: Path) -> None:
    heard = run_chain(tmp_path)
    assert [event for event in heard if "Waiting" not in event] == [
        (event, node)
        for node in ("Source", "First", "Signing", "Last")
        for event in ("started", "finished")
    ]
    assert heard.index(("started", "Waiting")) < heard.index(("finished", "First"))
    # What it left is there before the node that needs it starts.
    assert heard.index(("finished", "Waiting")) < heard.index(("started", "Last"))


def test_all_nodes_are_of_one_run(tmp_path: Path) -> None:
    run_chain(tmp_path)
    store = MetadataStore(connection(tmp_path))
    (run_context,) = store.get_contexts_by_type("pipeline_run")
    assert len(store.get_executions_by_context(run_context.id)) == 5


def test_nodes_of_an_earlier_run_are_cached_in_any_thread(tmp_path: Path) -> None:
    run_chain(tmp_path)
    heard = run_chain(tmp_path)
    assert {event for event, _ in heard} == {"started", "cached"}
    assert len(heard) == 10


def test_the_failure_of_a_node_beside_is_that_of_the_run(tmp_path: Path) -> None:
    source = Source().with_id("Source")
    failing = Failing(given=source.outputs["made"]).with_id("Failing")
    other = Signing(given=source.outputs["made"], sign=str(tmp_path / "other")).with_id("Other")
    last = Signing(given=failing.outputs["made"], sign=str(tmp_path / "last")).with_id("Last")
    recorder = Recorder()
    with pytest.raises(ArithmeticError, match="on purpose"):
        run(tmp_path, [source, failing, other, last], recorder, beside="Failing")
    assert ("finished", "Other") in recorder.events
    assert ("started", "Last") not in recorder.events


def test_a_last_node_beside_the_others_is_waited_for(tmp_path: Path) -> None:
    source = Source().with_id("Source")
    failing = Failing(given=source.outputs["made"]).with_id("Failing")
    with pytest.raises(ArithmeticError, match="on purpose"):
        run(tmp_path, [source, failing], Recorder(), beside="Failing")


def test_nodes_beside_that_follow_each_other_are_refused(tmp_path: Path) -> None:
    pipeline = Pipeline(
        pipeline_name="beside",
        pipeline_root=str(tmp_path / "root"),
        components=chain(tmp_path),
        metadata_connection_config=connection(tmp_path),
    )
    with pytest.raises(ValueError, match="got Last, which follows Waiting"):
        LocalDagRunner(beside=["Waiting", "Last"]).run(pipeline)
    assert not (tmp_path / "first").exists()  # no node has run


def test_a_part_of_a_pipeline_is_refused() -> None:
    with pytest.raises(ValueError, match="run_options"):
        LocalDagRunner().run_with_ir(pipeline_pb2.Pipeline(), pipeline_pb2.RunOptions())
