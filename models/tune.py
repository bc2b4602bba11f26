"""The search over a candidate's hyperparameters; TFX Tuner calls `tuner_fn`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import keras_tuner
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.tuner.component import TunerFnResult

from components.progress import report_progress
from models.input_data import SplitData, load_split
from models.training import compile_network, fit_network
from pipeline.config import CUSTOM_CONFIG_KEY, CandidateRun

LEARNING_RATE = "learning_rate"
BATCH_SIZE = "batch_size"


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Set up the search; see `tfx.components.Tuner`.

    Args:
        fn_args: Train and validation files, a working directory, and the
            candidate's `CandidateRun` as JSON in `custom_config`.

    Returns:
        The tuner, and the arguments that TFX calls its `search` with.
    """
    run = CandidateRun.model_validate_json(fn_args.custom_config[CUSTOM_CONFIG_KEY])
    train = load_split(fn_args.train_files, run.image_size_px)
    validation = load_split(fn_args.eval_files, run.image_size_px)
    return TunerFnResult(
        tuner=create_tuner(run, Path(fn_args.working_dir)),
        fit_kwargs={"train": train, "validation": validation},
    )


def default_hyperparameters(run: CandidateRun) -> keras_tuner.HyperParameters:
    """Return the candidate's own settings, fixed: what is used where nothing is tuned."""
    hyperparameters = keras_tuner.HyperParameters()
    hyperparameters.Fixed(LEARNING_RATE, run.candidate.training.learning_rate)
    hyperparameters.Fixed(BATCH_SIZE, run.candidate.training.batch_size)
    return hyperparameters


def create_tuner(run: CandidateRun, directory: Path) -> keras_tuner.Tuner:
    """Create the configured search, which maximises AUC on validation.

    Args:
        run: The candidate, the search settings and the seed.
        directory: Where trials are kept.
    """
    settings = run.tuner
    arguments: dict[str, Any] = {
        "hypermodel": _CandidateHyperModel(run),
        "objective": keras_tuner.Objective("val_auc", "max"),
        "seed": run.seed,
        "directory": str(directory),
        "project_name": run.name,
        "overwrite": True,
    }
    if settings.algorithm == "hyperband":
        return keras_tuner.Hyperband(max_epochs=settings.epochs_per_trial, **arguments)
    searches = {
        "random": keras_tuner.RandomSearch,
        "bayesian": keras_tuner.BayesianOptimization,
    }
    return searches[settings.algorithm](max_trials=settings.max_trials, **arguments)


class _CandidateHyperModel(keras_tuner.HyperModel):
    """One candidate's network as a function of the tuned hyperparameters."""

    def __init__(self, run: CandidateRun) -> None:
        super().__init__()
        self._run = run
        self._trials_begun = 0

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        learning_rate = hp.Choice(LEARNING_RATE, list(self._run.tuner.learning_rates))
        hp.Choice(BATCH_SIZE, list(self._run.tuner.batch_sizes))
        return compile_network(self._run, learning_rate)

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: keras.Model,
        *,
        train: SplitData,
        validation: SplitData,
        epochs: int | None = None,
        **_: Any,  # keras-tuner's own callbacks and flags: nothing is checkpointed per trial
    ) -> dict[str, float]:
        self._trials_begun += 1
        stage = f"Tuning {self._run.name}, trial {self._trials_begun}"
        history = fit_network(
            model,
            train,
            validation,
            self._run,
            batch_size=hp.get(BATCH_SIZE),
            epochs=epochs or self._run.tuner.epochs_per_trial,
            stage=stage,
        )
        best_auc = max(history.history["val_auc"])
        total = max(self._run.tuner.max_trials, self._trials_begun)
        report_progress(
            f"Tuning {self._run.name}", self._trials_begun, total, "trial", {"val_auc": best_auc}
        )
        return {"val_auc": best_auc}
