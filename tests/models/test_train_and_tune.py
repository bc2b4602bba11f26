"""The two functions that TFX calls, on real Transform output."""

import json
from pathlib import Path

import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

from models import features
from models.train import run_fn
from models.training_report import REPORT_FILE, TrainingReport
from models.tune import BATCH_SIZE, LEARNING_RATE, create_tuner, tuner_fn
from pipeline.config import (
    CUSTOM_CONFIG_KEY,
    CandidateRun,
    CandidateSettings,
    OperatingPointSettings,
    TrainingSettings,
    TunerSettings,
)

SIZE = 32


def run_of(algorithm="random", **tuner) -> CandidateRun:
    return CandidateRun(
        name="cnn_deep",
        seed=2,
        image_size_px=SIZE,
        candidate=CandidateSettings(training=TrainingSettings(epochs=2, batch_size=8)),
        tuner=TunerSettings(
            algorithm=algorithm, epochs_per_trial=1, batch_sizes=(8, 20), **tuner
        ),
        operating_point=OperatingPointSettings(),
    )  # fmt: skip


def fn_args(tiny_set, folder: Path, run: CandidateRun, hyperparameters=None) -> FnArgs:
    return FnArgs(
        working_dir=str(folder / "work"),
        train_files=[tiny_set.transformed_pattern],
        eval_files=[tiny_set.transformed_pattern],
        transform_graph_path=tiny_set.transform_graph_path,
        serving_model_dir=str(folder / "model"),
        model_run_dir=str(folder / "run"),
        hyperparameters=hyperparameters,
        custom_config={CUSTOM_CONFIG_KEY: run.model_dump_json()},
    )


@pytest.mark.parametrize("is_tuned", [True, False])
def test_run_fn_exports_at_the_chosen_operating_point_and_reports(tiny_set, tmp_path, is_tuned):
    hyperparameters = None
    if is_tuned:
        chosen = keras_tuner.HyperParameters()
        chosen.Fixed(LEARNING_RATE, 2e-3)
        chosen.Fixed(BATCH_SIZE, 20)
        hyperparameters = chosen.get_config()
    run_fn(fn_args(tiny_set, tmp_path, run_of(), hyperparameters))

    report = TrainingReport.read(tmp_path / "run" / REPORT_FILE)
    expected = (2e-3, 20) if is_tuned else (1e-3, 8)
    assert tuple(report.hyperparameters.values()) == pytest.approx(expected)
    assert isinstance(report.hyperparameters[BATCH_SIZE], int)
    assert report.num_epochs == len(report.history["val_loss"]) == 2
    assert next(iter(report.validation)) == "overall"
    assert "subtype=viral" in report.validation
    assert report.validation["overall"].recall.value >= report.target_sensitivity

    model = tf.saved_model.load(str(tmp_path / "model"))
    answer = model.signatures[features.SERVING_SIGNATURE](
        image_bytes=tf.constant(tiny_set.image_bytes)
    )
    assert answer[features.THRESHOLD].numpy()[0] == pytest.approx(report.threshold)
    called = answer[features.PREDICTED_LABEL].numpy() == b"pneumonia"
    labels = np.array(tiny_set.labels, bool)
    assert np.sum(called & labels) == report.validation["overall"].tp
    assert np.sum(called & ~labels) == report.validation["overall"].fp


def test_tuner_fn_searches_and_keeps_every_trial(tiny_set, tmp_path):
    result = tuner_fn(fn_args(tiny_set, tmp_path, run_of(max_trials=2)))
    result.tuner.search(**result.fit_kwargs)
    trials = result.tuner.oracle.get_best_trials(10)
    assert len(trials) == 2
    assert all(trial.score is not None for trial in trials)
    best = result.tuner.get_best_hyperparameters()[0]
    assert best.get(BATCH_SIZE) in (8, 20)
    assert best.get(LEARNING_RATE) in TunerSettings().learning_rates
    assert json.loads(json.dumps(best.get_config()))


@pytest.mark.parametrize(
    ("algorithm", "tuner_class"),
    [
        ("random", keras_tuner.RandomSearch),
        ("bayesian", keras_tuner.BayesianOptimization),
        ("hyperband", keras_tuner.Hyperband),
    ],
)
def test_the_configured_algorithm_searches(algorithm, tuner_class, tmp_path):
    assert isinstance(create_tuner(run_of(algorithm), tmp_path), tuner_class)
