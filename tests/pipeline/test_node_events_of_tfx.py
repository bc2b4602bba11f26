"""Tests of `pipeline.node_events` against TFX's own runner and launcher."""

# TFX reads the annotations of @component functions as objects, so no
# `from __future__ import annotations` here.
import contextlib
import sys
from pathlib import Path

from absl import flags
from tfx.dsl.component.experimental.annotations import Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.orchestration import metadata
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline

from contract.progress import Progress, report_progress
from pipeline.node_events import listen

PROGRESS = Progress("Working", 1, 2, "step", {"loss": 0.5})


class Recorder:
    """Records its calls."""

    def __init__(self) -> None:
        self.events: list[tuple[str, object]] = []

    def node_started(self, node_id: str) -> None:
        self.events.append(("started", node_id))

    def node_finished(self, node_id: str, seconds: float) -> None:
        assert seconds > 0
        self.events.append(("finished", node_id))

    def node_cached(self, node_id: str, seconds: float) -> None:
        assert seconds > 0
        self.events.append(("cached", node_id))

    def work_progressed(self, progress: Progress) -> None:
        self.events.append(("progress", progress))


@component
def Work(fail: Parameter[int]):  # noqa: N802 (a class after decoration)
    # TFX's Beam executors parse absl's flags in the middle of a run.
    flags.FLAGS([sys.argv[0], "--runner=x"], known_only=True)
    report_progress("Working", 1, 2, "step", {"loss": 0.5})
    if fail:
        raise ArithmeticError("failed on purpose")


def run_pipeline(folder: Path, fail: int) -> list[tuple[str, object]]:
    recorder = Recorder()
    database = str(folder / "metadata.sqlite")
    pipeline = Pipeline(
        pipeline_name="events",
        pipeline_root=str(folder / "root"),
        components=[Work(fail=fail).with_id("Worker")],
        enable_cache=True,
        metadata_connection_config=metadata.sqlite_metadata_connection_config(database),
    )
    with contextlib.suppress(ArithmeticError), listen(recorder):
        LocalDagRunner().run(pipeline)
    return recorder.events


def test_tfx_tells_what_its_nodes_do(tmp_path: Path) -> None:
    started, progress = ("started", "Worker"), ("progress", PROGRESS)
    assert run_pipeline(tmp_path, fail=0) == [started, progress, ("finished", "Worker")]
    assert run_pipeline(tmp_path, fail=0) == [started, ("cached", "Worker")]
    assert run_pipeline(tmp_path, fail=1) == [started, progress]
