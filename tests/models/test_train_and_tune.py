"""The two functions that TFX calls, on real Transform output."""

import json
from pathlib import Path

import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from keras_tuner.oracles import BayesianOptimizationOracle, HyperbandOracle, RandomSearchOracle
from tensorflow.python.autograph.impl import api
from tfx.components.trainer.fn_args_utils import FnArgs

from contract import features
from contract.settings import (
    CUSTOM_CONFIG_KEY,
    AugmentationSettings,
    CandidateRun,
    CandidateSettings,
    OperatingPointSettings,
    TrainingSettings,
    TunerSettings,
)
from evaluation.training_report import REPORT_FILE, TrainingReport
from models.search_spaces import SEARCH_SPACES
from models.stress import STRESSES
from models.train import run_fn
from models.training import train_network
from models.tune import OBJECTIVE, create_tuner, search_key, tuner_fn
from tests.rooms import ROOMS

pytestmark = pytest.mark.slow

SIZE = 32
SPACE = {"batch_size": (8, 20)}


def run_of(algorithm="random", **tuner) -> CandidateRun:
    return CandidateRun(
        name="cnn_deep",
        seed=2,
        image_size_px=SIZE,
        candidate=CandidateSettings(
            architecture="cnn_deep",
            training=TrainingSettings(
                epochs=2, batch_size=8, augmentation=AugmentationSettings(enabled=False)
            ),
        ),
        tuner=TunerSettings(
            **{"algorithm": algorithm, "epochs_per_trial": 1, "space": SPACE, **tuner}
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


@pytest.fixture
def rewritten(monkeypatch):
    """Return the functions that AutoGraph is about to rewrite; it has no public way to ask."""
    found = []
    rewrite = api._convert_actual
    monkeypatch.setattr(
        api, "_convert_actual", lambda entity, *more: found.append(entity) or rewrite(entity, *more)
    )
    return found


@pytest.mark.parametrize("is_tuned", [True, False])
def test_run_fn_exports_at_the_chosen_operating_point_and_reports(
    tiny_set, tmp_path, is_tuned, rewritten
):
    hyperparameters = None
    if is_tuned:
        chosen = keras_tuner.HyperParameters()
        chosen.Fixed("learning_rate", 2e-3)
        chosen.Fixed("batch_size", 20)
        chosen.Fixed("tuner/epochs", 3)  # Hyperband's own
        hyperparameters = chosen.get_config()
    run_fn(fn_args(tiny_set, tmp_path, run_of(), hyperparameters))
    # It takes seconds, and for nothing: no function of ours needs it.
    assert rewritten, "AutoGraph's own function has another name by now"
    assert [each for each in rewritten if each.__module__.split(".")[0] in ROOMS] == []

    report = TrainingReport.read(tmp_path / "run" / REPORT_FILE)
    training = report.candidate.training
    if is_tuned:
        assert report.hyperparameters == {"learning_rate": 2e-3, "batch_size": 20}
        assert (training.learning_rate, training.batch_size) == (2e-3, 20)
    else:
        assert report.hyperparameters == {}
        assert training == run_of().candidate.training
    assert set(report.stressed) == set(STRESSES)
    assert 0 <= report.calibration_error_after <= 1
    assert report.num_epochs == len(report.history["val_loss"]) == 2
    assert next(iter(report.validation)) == "overall"
    assert {"subtype=viral", "sharpness_group=medium"} <= set(report.validation)
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
    assert all(0.0 <= trial.score <= 1.0 for trial in trials)
    first = result.tuner.oracle.get_trial("0").hyperparameters.values
    # The candidate's own settings come first.
    assert (first["learning_rate"], first["batch_size"]) == (3e-3, 8)
    best = result.tuner.get_best_hyperparameters()[0]
    assert best.get("batch_size") in (8, 20)
    assert best.get("learning_rate") in {3e-3, *SEARCH_SPACES["convolutional"]["learning_rate"]}
    assert json.loads(json.dumps(best.get_config()))


def test_an_interrupted_search_goes_on_where_it_was(tiny_set, tmp_path, monkeypatch):
    run = run_of(max_trials=3).model_copy(update={"trials_dir": str(tmp_path / "trials")})
    trained = []

    def train_twice(*arguments, **keywords):
        trained.append(keywords["stage"])
        if len(trained) == 3:
            raise KeyboardInterrupt
        return train_network(*arguments, **keywords)

    with monkeypatch.context() as patched:
        patched.setattr("models.tune.train_network", train_twice)
        result = tuner_fn(fn_args(tiny_set, tmp_path, run))
        with pytest.raises(KeyboardInterrupt):
            result.tuner.search(**result.fit_kwargs)
    scores = [trial.score for trial in result.tuner.oracle.get_best_trials(2)]

    again = tuner_fn(fn_args(tiny_set, tmp_path, run))
    finished_before = [trial.score for trial in again.tuner.oracle.get_best_trials(2)]
    assert finished_before == scores
    assert len(scores) == 2
    again.tuner.search(**again.fit_kwargs)
    assert len(again.tuner.oracle.get_best_trials(5)) == 3


def test_a_search_ends_when_its_time_is_up_but_not_without_a_trial(tiny_set, tmp_path):
    result = tuner_fn(fn_args(tiny_set, tmp_path, run_of(max_trials=5, max_minutes=1e-6)))
    result.tuner.search(**result.fit_kwargs)
    assert len(result.tuner.oracle.get_best_trials(5)) == 1


@pytest.mark.parametrize(
    ("algorithm", "oracle_class"),
    [
        ("random", RandomSearchOracle),
        ("bayesian", BayesianOptimizationOracle),
        ("hyperband", HyperbandOracle),
    ],
)
def test_the_configured_algorithm_searches(algorithm, oracle_class, tmp_path):
    tuner = create_tuner(run_of(algorithm), tmp_path)
    assert isinstance(tuner.oracle, oracle_class)
    assert tuner.oracle.objective.name == OBJECTIVE


def test_hyperband_gives_its_trials_their_epochs(tiny_set, tmp_path):
    result = tuner_fn(fn_args(tiny_set, tmp_path, run_of("hyperband", epochs_per_trial=2)))
    result.tuner.search(**result.fit_kwargs)
    trials = result.tuner.oracle.get_best_trials(20)
    assert {trial.hyperparameters.values["tuner/epochs"] for trial in trials} <= {1, 2}


def test_a_search_goes_on_only_for_what_it_was_begun_with():
    run = run_of(max_trials=2)
    key = search_key(run, ["a"])
    assert search_key(run_of(max_trials=9, max_minutes=3.0), ["a"]) == key
    assert search_key(run_of(max_trials=2, epochs_per_trial=2), ["a"]) != key
    assert search_key(run.model_copy(update={"code_version": "new"}), ["a"]) != key
    assert search_key(run, ["b"]) != key
    target = OperatingPointSettings(target_sensitivity=0.9)
    assert search_key(run.model_copy(update={"operating_point": target}), ["a"]) == key
    plain = OperatingPointSettings(stress=False)
    assert search_key(run.model_copy(update={"operating_point": plain}), ["a"]) != key


def test_a_space_of_unknown_names_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"tuner\.space, got \['depth'\]"):
        create_tuner(run_of(space={"depth": (1, 2)}), tmp_path)
