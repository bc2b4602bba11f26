"""Rows from predictions that were made up."""

import numpy as np
import pytest

from contract.settings import CandidateSettings, TrainingSettings
from evaluation.calibration import Calibration
from evaluation.slice_metrics import slice_metrics_from_counts
from evaluation.training_report import TrainingReport
from report.study.comparison import make_row
from tests.evaluation.made_referral import REFERRAL

# Six images with pneumonia, of which five are found from .5 on, and four normal ones, of which
# three are called normal.
LABELS = np.array([1, 1, 1, 1, 1, 1, 0, 0, 0, 0])
PROBABILITIES = np.array([0.9, 0.8, 0.8, 0.7, 0.5, 0.4, 0.6, 0.3, 0.2, 0.1], np.float32)
HISTORY = {
    "loss": [0.7, 0.5, 0.4],
    "val_loss": [0.6, 0.45, 0.55],
    "accuracy": [0.5, 0.7, 0.8],
    "val_accuracy": [0.6, 0.75, 0.7],
    "recall": [0.9, 0.8, 0.85],
    "val_recall": [0.95, 0.9, 0.9],
}


@pytest.fixture(scope="session")
def make_report():
    def make(name="ann_deep", architecture="ann_deep", weights="none", **changes):
        validation = slice_metrics_from_counts(
            tp=9, fp=1, tn=9, fn=1, auc=0.9, mean_probability=None, brier=None, log_loss=None
        )
        candidate = CandidateSettings(
            architecture=architecture,
            weights=weights,
            tune=False,
            training=TrainingSettings(epochs=50, restore_best_weights=False),
        )
        fields = {
            "name": name,
            "architecture": architecture,
            "num_parameters": 1234,
            "num_trainable": 1234,
            "candidate": candidate,
            "hyperparameters": {},
            "seed": 0,
            "num_epochs": 3,
            "best_epoch": 2,
            "history": HISTORY,
            "num_gpus": 0,
            "num_replicas": 1,
            "training_s": 12.0,
            "threshold": 0.25,
            "target_sensitivity": 0.95,
            "reaches_target": False,
            "calibration": Calibration(),
            "calibration_error_before": 0.1,
            "calibration_error_after": 0.1,
            "pseudo_sites": (),
            "exposure_cuts": (85.0, 170.0),
            "referral": REFERRAL,
            "validation": {"overall": validation},
            "stressed": {},
        }
        return TrainingReport(**{**fields, **changes})

    return make


@pytest.fixture(scope="session")
def row_of(make_report):
    return lambda *names, **changes: make_row(make_report(*names, **changes), LABELS, PROBABILITIES)
