"""A candidate made of the others: the mean of the best ones' calibrated probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from contract.settings import EnsembleRun
from evaluation.predictions import Predictions
from evaluation.selection import select
from evaluation.training_report import PREDICTIONS_FILE, REPORT_FILE, TrainingReport
from models.input_data import Split
from models.judgement import judge_predictions
from models.predictor import EnsemblePredictor
from models.trained import load_candidate

ENSEMBLE = "ensemble"  # the candidate's name and architecture


def build_ensemble(
    model_run_dirs: Mapping[str, Path], validation: Split, run: EnsembleRun
) -> tuple[EnsemblePredictor, TrainingReport, Predictions]:
    """Put the best candidates together and judge them as one.

    Args:
        model_run_dirs: What each Trainer left, by the candidate's name.
        validation: The split that the candidates were judged on.
        run: How many members, the operating point's target, the seed.

    Returns:
        The calibrated predictor, its report, and its uncalibrated predictions.
    """
    reports = {
        name: TrainingReport.read(folder / REPORT_FILE) for name, folder in model_run_dirs.items()
    }
    ranking = select(list(reports.values())).candidates
    names = [entry.name for entry in ranking[: run.ensemble.num_members]]
    members, answers = [], []
    for name in names:
        folder, calibration = model_run_dirs[name], reports[name].calibration
        members.append(load_candidate(folder).predictor())
        answers.append(Predictions.read(folder / PREDICTIONS_FILE).calibrated(calibration))
    predictions = mean_predictions(answers)
    chosen = [reports[name] for name in names]
    judgement = judge_predictions(
        predictions, validation, run.operating_point, run.seed, chosen[0].exposure_cuts
    )
    report = TrainingReport(
        name=ENSEMBLE,
        architecture=ENSEMBLE,
        num_parameters=sum(member.num_parameters for member in chosen),
        num_trainable=0,  # nothing is trained here
        candidate=None,
        hyperparameters={},
        members=tuple(names),
        seed=run.seed,
        num_epochs=0,
        best_epoch=0,
        history={},
        num_gpus=max(member.num_gpus for member in chosen),
        num_replicas=1,
        training_s=0.0,
        **judgement.for_report(),
    )
    return EnsemblePredictor(members, judgement.calibration), report, predictions


def mean_predictions(answers: Sequence[Predictions]) -> Predictions:
    """Return the mean of several models' predictions, plain and under each stress."""

    def mean(arrays: list[np.ndarray]) -> np.ndarray:
        return np.asarray(np.mean(arrays, axis=0), np.float32)

    distances = [each.log_distances for each in answers if each.log_distances is not None]
    return Predictions(
        mean([each.plain for each in answers]),
        {
            stress: mean([each.stressed[stress] for each in answers])
            for stress in answers[0].stressed
        },
        mean(distances) if len(distances) == len(answers) else None,
    )
