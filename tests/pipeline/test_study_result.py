"""The part of the study's table that goes into the summary."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from contract.settings import CandidateSettings
from evaluation.calibration import Calibration
from evaluation.slice_metrics import slice_metrics_from_predictions
from evaluation.training_report import TrainingReport
from pipeline.study_result import describe_study
from report.study.comparison import make_row, make_table
from report.study.table import PUBLISHED
from tests.evaluation.made_referral import REFERRAL

LABELS = np.array([0, 0, 1, 1])
PROBABILITIES = np.array([0.1, 0.6, 0.7, 0.9], np.float32)


def report(name: str, architecture: str) -> TrainingReport:
    return TrainingReport(
        name=name, architecture=architecture, num_parameters=1, num_trainable=1,
        candidate=CandidateSettings.model_validate({"architecture": architecture}),
        hyperparameters={}, seed=0, num_epochs=1, best_epoch=1, history={"val_loss": [0.1]},
        num_gpus=0, num_replicas=1, training_s=1.0, threshold=0.5, target_sensitivity=0.97,
        reaches_target=True, calibration=Calibration(), calibration_error_before=0.1,
        calibration_error_after=0.1, pseudo_sites=(), exposure_cuts=(85.0, 170.0),
        referral=REFERRAL,
        validation=slice_metrics_from_predictions(LABELS, PROBABILITIES, 0.5), stressed={},
    )  # fmt: skip


def test_rows_reasons_and_notes_are_kept() -> None:
    reports = [report("xception", "xception"), report("mine", "cnn_deep")]
    rows = [make_row(each, LABELS, PROBABILITIES) for each in reports]
    table = make_table(rows, LABELS, ["test"] * 4, synthetic=False)
    study = describe_study(table, Path("/out/study/index.html"))
    assert study.page == "/out/study/index.html"
    assert (study.comparable, study.comparability) == (False, table.comparability)
    xception, mine = study.rows
    assert (xception.name, mine.name) == ("xception", "mine")
    assert xception.published is not None
    assert xception.published.model_dump() == PUBLISHED["xception"].model_dump()
    assert mine.published is None
    assert "random weights" in xception.note
    assert mine.metrics.accuracy is not None
    assert mine.metrics.accuracy.value == 0.75
