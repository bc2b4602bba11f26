"""What is counted of a model's answers."""

from __future__ import annotations

import numpy as np

from contract import features
from serving.server.metrics import Metrics


def test_decisions_are_counted_by_kind():
    metrics = Metrics()
    decisions = np.array([b"refer", b"normal", b"refer", b"pneumonia"], dtype=object)
    metrics.observe_scores({features.DECISION: decisions})
    page = metrics.page().decode()
    for decision, count in (("refer", 2), ("normal", 1), ("pneumonia", 1)):
        assert f'pneumonia_serving_decisions_total{{decision="{decision}"}} {count}.0' in page


def test_another_models_decisions_make_no_label_each():
    metrics = Metrics()
    metrics.observe_scores({features.DECISION: np.array([b"other", b"Surname"], dtype=object)})
    metrics.observe_scores({features.DECISION: np.array([0.25, 1.0], dtype=np.float32)})
    assert "decisions_total{" not in metrics.page().decode()
