"""Tests of `pipeline.node_events`; test_node_events_of_tfx.py runs TFX itself."""

from __future__ import annotations

import contextlib
import logging
import sys

import absl.logging
import pytest
from absl import flags

from contract.progress import Progress, report_progress
from pipeline.node_events import listen


class Recorder:
    """Records its calls."""

    def __init__(self) -> None:
        self.events: list[tuple[str, object]] = []
        self.seconds: list[float] = []

    def node_started(self, node_id: str) -> None:
        self.events.append(("started", node_id))

    def node_finished(self, node_id: str, seconds: float) -> None:
        self.events.append(("finished", node_id))
        self.seconds.append(seconds)

    def node_cached(self, node_id: str, seconds: float) -> None:
        self.events.append(("cached", node_id))
        self.seconds.append(seconds)

    def work_progressed(self, progress: Progress) -> None:
        self.events.append(("progress", progress))


def test_records_are_known_by_their_template_not_by_their_text() -> None:
    recorder = Recorder()
    with listen(recorder):
        absl.logging.info("Component X is running.")
        absl.logging.info("Component %s is running, says %s", "X", "me")
        absl.logging.info("Cached: %s", "Component X is finished.")
        absl.logging.info("%(a)s", {"a": 1})
        assert recorder.events == []
        absl.logging.info("Component %s is running.", "X")
    assert recorder.events == [("started", "X")]


def test_a_cached_execution_marks_only_the_node_that_runs() -> None:
    recorder = Recorder()
    with listen(recorder):
        for node_id in ("A", "B"):
            absl.logging.info("Component %s is running.", node_id)
            if node_id == "A":
                absl.logging.info("A cached execution %d is used.", 3)
            absl.logging.info("Component %s is finished.", node_id)
    assert recorder.events == [
        ("started", "A"),
        ("cached", "A"),
        ("started", "B"),
        ("finished", "B"),
    ]


def test_info_comes_through_although_flags_are_parsed_meanwhile() -> None:
    recorder = Recorder()
    with listen(recorder):
        flags.FLAGS([sys.argv[0], "--runner=x"], known_only=True)  # as TFX's Beam executors do
        absl.logging.info("Component %s is running.", "X")
        report_progress("Working", 1, 2, "step", {"loss": 0.5})
    progress = Progress("Working", 1, 2, "step", {"loss": 0.5})
    assert recorder.events == [("started", "X"), ("progress", progress)]


@pytest.mark.parametrize("level", [logging.NOTSET, logging.WARNING])
def test_loggers_are_as_they_were_before(level: int) -> None:
    logger = absl.logging.get_absl_logger()
    level_before = logger.level
    logger.setLevel(level)
    handlers, verbosity = logger.handlers[:], absl.logging.get_verbosity()
    try:
        with contextlib.suppress(ZeroDivisionError), listen(Recorder()):
            assert logger.isEnabledFor(logging.INFO)
            raise ZeroDivisionError
        assert (logger.level, logger.handlers) == (level, handlers)
        assert absl.logging.get_verbosity() == verbosity
    finally:
        logger.setLevel(level_before)


def test_nothing_is_heard_after_the_block() -> None:
    recorder = Recorder()
    with listen(recorder):
        report_progress("Heard", 1, 1, "step")
    report_progress("Unheard", 1, 1, "step")
    absl.logging.info("Component %s is running.", "X")
    assert recorder.events == [("progress", Progress("Heard", 1, 1, "step", {}))]


def test_a_listener_that_fails_ends_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(Recorder):
        def node_started(self, node_id: str) -> None:
            raise RuntimeError("cannot draw")

    broken = Broken()
    with listen(broken):
        absl.logging.info("Component %s is running.", "X")
        absl.logging.info("Component %s is finished.", "X")
    assert broken.events == [("finished", "X")]
    assert "cannot draw" in capsys.readouterr().err
