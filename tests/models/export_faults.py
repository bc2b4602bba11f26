"""Faults that exports have had, to be put back."""

from __future__ import annotations

from models.export import ServedModel
from models.predictor import Predictor


def put_back_tracking_by_keras(served: ServedModel, predictor: Predictor) -> None:
    """Save a network as Keras 3 does by itself."""
    served._weights = []
    served.tracked_by_keras = predictor
