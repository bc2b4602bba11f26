"""The metrics of the embedded server, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from contract import features
from serving.server.rest.tensors import Arrays

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PREFIX = "pneumonia_serving"
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)
_DECISIONS = {name.encode(): name for name in (*features.LABELS, features.REFER)}
_TENTHS = tuple(tenth / 10 for tenth in range(1, 11))


class Metrics:
    """The metrics of one server, with their own registry, so that a process can have several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            f"{_PREFIX}_requests",
            "Answered requests.",
            ["action", "status"],
            registry=self.registry,
        )
        self.errors = Counter(
            f"{_PREFIX}_errors",
            "Requests answered with an error.",
            ["status"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            f"{_PREFIX}_request_seconds",
            "From a request's head to its answer.",
            ["action"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.queue_seconds = Histogram(
            f"{_PREFIX}_queue_seconds",
            "Wait of a request for its run.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batch_rows = Histogram(
            f"{_PREFIX}_batch_rows",
            "Instances in a run of the model.",
            buckets=_ROWS,
            registry=self.registry,
        )
        self.scores = Histogram(
            f"{_PREFIX}_scores",
            "Served probabilities of pneumonia.",
            buckets=_TENTHS,
            registry=self.registry,
        )
        self.decisions = Counter(
            f"{_PREFIX}_decisions",
            "Served decisions; refer is to a radiologist.",
            ["decision"],
            registry=self.registry,
        )
        self.queued = Gauge(
            f"{_PREFIX}_queued_instances", "Instances that wait for a run.", registry=self.registry
        )
        self.active = Gauge(
            f"{_PREFIX}_active_requests",
            "Requests that are being answered.",
            registry=self.registry,
        )
        self.version = Gauge(
            f"{_PREFIX}_model_version",
            "The newest version that is served; 0 for none.",
            registry=self.registry,
        )

    def watch_version(self, newest: Callable[[], int | None]) -> None:
        """Ask for the version whenever the metrics are read."""
        self.version.set_function(lambda: newest() or 0)

    def count_answer(self, action: str, status: int, seconds: float) -> None:
        """Record an answered request."""
        self.requests.labels(action, str(status)).inc()
        self.request_seconds.labels(action).observe(seconds)
        if status >= 400:
            self.errors.labels(str(status)).inc()

    def observe_scores(self, outputs: Arrays) -> None:
        """Record the probabilities and decisions of an answer, where it has any."""
        probabilities = outputs.get(features.PROBABILITY)
        if probabilities is not None:
            for probability in probabilities.ravel():
                self.scores.observe(float(probability))
        decisions = outputs.get(features.DECISION)
        if decisions is not None:
            for decision in decisions.ravel():
                # An output of another kind of model would make a label of each of its values.
                if decision in _DECISIONS:
                    self.decisions.labels(_DECISIONS[decision]).inc()

    def page(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        return generate_latest(self.registry)
