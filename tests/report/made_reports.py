"""Training reports of candidates that nobody trained."""

from contract.settings import CandidateSettings, TrainingSettings
from evaluation.calibration import Calibration
from evaluation.slice_metrics import slice_metrics_from_counts
from evaluation.training_report import TrainingReport
from tests.evaluation.made_referral import REFERRAL

HISTORY = {
    "loss": [0.7, 0.5, 0.4],
    "val_loss": [0.6, 0.45, 0.55],
    "accuracy": [0.5, 0.7, 0.8],
    "val_accuracy": [0.6, 0.75, 0.7],
    "recall": [0.9, 0.8, 0.85],
    "val_recall": [0.95, 0.9, 0.9],
}


def metrics_of(tn=15, auc=0.9):
    """Judge 100 images of pneumonia, all found, and 20 normal ones."""
    return slice_metrics_from_counts(
        tp=100, fp=20 - tn, tn=tn, fn=0, auc=auc, mean_probability=None, brier=None, log_loss=None
    )


def make_report(name="first", tune=False, restore_best_weights=True, **changes):
    fields = {
        "name": name,
        "architecture": "ann_deep",
        "num_parameters": 1234,
        "num_trainable": 1200,
        "candidate": CandidateSettings(
            architecture="ann_deep",
            tune=tune,
            training=TrainingSettings(epochs=50, restore_best_weights=restore_best_weights),
        ),
        "hyperparameters": {},
        "seed": 0,
        "num_epochs": 3,
        "best_epoch": 2,
        "history": HISTORY,
        "num_gpus": 0,
        "num_replicas": 1,
        "training_s": 75.0,
        "threshold": 0.25,
        "target_sensitivity": 0.955,
        "reaches_target": True,
        "calibration": Calibration(),
        "calibration_error_before": 0.15,
        "calibration_error_after": 0.05,
        "pseudo_sites": (),
        "exposure_cuts": (85.0, 170.0),
        "referral": REFERRAL,
        "validation": {"overall": metrics_of()},
        "stressed": {"darker": metrics_of(tn=11, auc=0.8), "noise": metrics_of(tn=13, auc=0.7)},
    }
    return TrainingReport(**{**fields, **changes})


def make_ensemble(members):
    return make_report(
        "ensemble",
        architecture="ensemble",
        candidate=None,
        members=tuple(members),
        num_epochs=0,
        best_epoch=0,
        history={},
        training_s=0.0,
    )
