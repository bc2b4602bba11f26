"""The search over a candidate's hyperparameters; TFX Tuner calls `tuner_fn`."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import keras_tuner
from keras_tuner.oracles import BayesianOptimizationOracle, HyperbandOracle, RandomSearchOracle
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.tuner.component import TunerFnResult

from contract.progress import report_progress
from contract.settings import CUSTOM_CONFIG_KEY, CandidateRun
from models.distribution import create_strategy
from models.image_cache import Splits, open_splits
from models.judgement import area_on_plain_and_stressed
from models.predictor import Predictor
from models.search_spaces import Value, apply_hyperparameters, declare_space
from models.training import train_network

# Of AUC on plain validation and the mean AUC over its stresses, where these are asked for.
OBJECTIVE = "mean_auc"
_HYPERBAND_EPOCHS = "tuner/epochs"  # keras-tuner's name for what a bracket grants a trial

_LOGGER = logging.getLogger(__name__)


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Set up the search; see `tfx.components.Tuner`.

    Args:
        fn_args: Train and validation files, a working directory, and the
            candidate's `CandidateRun` as JSON in `custom_config`.

    Returns:
        The tuner, and the arguments that TFX calls its `search` with.
    """
    run = CandidateRun.model_validate_json(fn_args.custom_config[CUSTOM_CONFIG_KEY])
    splits = open_splits(run, fn_args)
    if run.trials_dir:
        # A search that was interrupted goes on here, if nothing that it depends on has changed.
        key = search_key(run, [*fn_args.train_files, *fn_args.eval_files])
        directory = Path(run.trials_dir) / f"{run.name}-{key}"
    else:
        directory = Path(fn_args.working_dir)
    return TunerFnResult(
        tuner=create_tuner(run, directory),
        fit_kwargs={"splits": splits},
    )


def search_key(run: CandidateRun, files: Sequence[str]) -> str:
    """Return a short fingerprint of what a search's trials depend on.

    The budget is not part of it: a search that ended early goes on when it gets a larger one.

    Args:
        run: The candidate, with the code's version.
        files: Patterns of the data's files; their folder is new for new data.
    """
    tuner = run.tuner.model_dump(exclude={"max_trials", "max_minutes"})
    parts = [run.model_dump_json(exclude={"tuner", "operating_point"}), repr(tuner), *files]
    parts.append(f"stress {run.operating_point.stress}")  # of the target, trials know nothing
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def create_tuner(run: CandidateRun, directory: Path) -> keras_tuner.Tuner:
    """Create the configured search, which maximises AUC on plain and stressed validation.

    Its first trial is the candidate's own settings. Trials that `directory` already holds are
    not run again; one that was interrupted is.

    Args:
        run: The candidate, the search settings and the seed.
        directory: Where trials are kept.
    """
    settings = run.tuner
    common: dict[str, Any] = {
        "objective": keras_tuner.Objective(OBJECTIVE, "max"),
        "seed": run.seed,
        # One broken trial is recorded as such; three in a row end the search with their error.
        "max_consecutive_failed_trials": 3,
    }
    oracle: keras_tuner.Oracle
    if settings.algorithm == "hyperband":
        oracle = _BudgetedHyperband(max_epochs=settings.epochs_per_trial, **common)
    elif settings.algorithm == "bayesian":
        oracle = _BudgetedBayesian(max_trials=settings.max_trials, **common)
    else:
        oracle = _BudgetedRandom(max_trials=settings.max_trials, **common)
    if settings.max_minutes is not None:
        oracle.deadline_s = time.monotonic() + 60.0 * settings.max_minutes
    hypermodel = _CandidateHyperModel(run, oracle)
    return _Search(
        oracle=oracle, hypermodel=hypermodel, directory=str(directory), project_name="trials"
    )


class _Budgeted(keras_tuner.Oracle):
    """A search that begins with the defaults and begins no trial after a deadline."""

    deadline_s: float | None = None

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        has_result = any(trial.status == "COMPLETED" for trial in self.trials.values())
        if has_result and self.deadline_s is not None and time.monotonic() > self.deadline_s:
            _LOGGER.warning("The search ends with %d trials: its time is up", len(self.trials))
            return {"status": "STOPPED", "values": None}
        answer: dict[str, Any] = super().populate_space(trial_id)
        if not self.trials and answer["status"] == "RUNNING":
            # What Hyperband says of the trial's epochs stays; the rest are defaults.
            own = {name: value for name, value in answer["values"].items() if "/" in name}
            answer["values"] = {**self.hyperparameters.values, **own}
        return answer


class _BudgetedRandom(_Budgeted, RandomSearchOracle):
    pass


class _BudgetedBayesian(_Budgeted, BayesianOptimizationOracle):
    pass


class _BudgetedHyperband(_Budgeted, HyperbandOracle):
    pass


class _Search(keras_tuner.Tuner):
    """keras-tuner's loop, with nothing saved per trial but its result."""

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        return self.hypermodel.fit(trial.hyperparameters, None, *args, **kwargs)

    def load_model(self, trial: Any) -> keras.Model:
        raise NotImplementedError("The Trainer trains the best trial anew, on all epochs.")


class _CandidateHyperModel(keras_tuner.HyperModel):
    """One candidate as a function of the tuned hyperparameters."""

    def __init__(self, run: CandidateRun, oracle: keras_tuner.Oracle) -> None:
        super().__init__()
        self._run = run
        self._oracle = oracle

    def build(self, hp: keras_tuner.HyperParameters) -> None:
        """Declare the search space; the network is built where it is trained."""
        declare_space(hp, self._run)

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: None,
        *,
        splits: Splits,
        **_: Any,
    ) -> dict[str, float]:
        number = len(self._oracle.trials)
        values: dict[str, Value] = hp.values
        run = apply_hyperparameters(self._run, values)
        stage = f"Tuning {run.name}"
        trained = train_network(
            run,
            splits.train,
            splits.validation,
            create_strategy(),
            stage=f"{stage}, trial {number}",
            epochs=int(values.get(_HYPERBAND_EPOCHS) or run.tuner.epochs_per_trial),
        )
        area = area_on_plain_and_stressed(
            Predictor(trained.network, run.candidate),
            splits.validation,
            run.operating_point.stress,
        )
        total = max(run.tuner.max_trials, number)
        report_progress(stage, number, total, "trial", {OBJECTIVE: area})
        return {OBJECTIVE: area}
