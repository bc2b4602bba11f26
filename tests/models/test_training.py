import logging

import numpy as np
import pytest

from components.progress import LOGGER_NAME
from models.input_data import load_split
from models.training import class_weights, compile_network, fit_network, predict_probabilities
from pipeline.config import (
    AugmentationSettings,
    CandidateRun,
    CandidateSettings,
    OperatingPointSettings,
    TrainingSettings,
    TunerSettings,
)

SIZE = 32


def candidate_run(**training) -> CandidateRun:
    still = AugmentationSettings(enabled=False)
    return CandidateRun(
        name="cnn_deep",
        seed=3,
        image_size_px=SIZE,
        candidate=CandidateSettings(training=TrainingSettings(augmentation=still, **training)),
        tuner=TunerSettings(),
        operating_point=OperatingPointSettings(),
    )


@pytest.fixture(scope="module")
def data(tiny_set):
    return load_split([tiny_set.transformed_pattern], SIZE)


def test_class_weights_make_both_classes_count_alike():
    weights = class_weights(np.array([0, 1, 1, 1]))
    assert weights == {0: 2.0, 1: pytest.approx(2 / 3)}


def test_class_weights_need_both_classes():
    with pytest.raises(ValueError, match="0 normal and 2 pneumonia"):
        class_weights(np.array([1, 1]))


def test_a_network_learns_what_can_be_learnt_and_says_how_far_it_is(data, tmp_path, caplog):
    run = candidate_run(patience_epochs=20)
    network = compile_network(run, 1e-3)
    with caplog.at_level(logging.INFO, LOGGER_NAME):
        history = fit_network(
            network, data, data, run, batch_size=8, epochs=8, stage="Training", log_dir=tmp_path
        )
    assert history.history["val_loss"][-1] < history.history["val_loss"][0]
    probabilities = predict_probabilities(network, data)
    assert np.mean((probabilities > 0.5) == data.labels) == 1.0
    last = caplog.records[-1].progress
    assert (last.done, last.total, last.unit) == (8, 8, "epoch")
    assert {"loss", "recall", "val_loss"} <= set(last.values)
    assert list(tmp_path.glob("*/events*"))


def test_the_best_weights_are_restored(data):
    run = candidate_run(patience_epochs=1)
    network = compile_network(run, 0.5)  # so large a step that it gets worse
    history = fit_network(network, data, data, run, batch_size=8, epochs=6, stage="Training")
    losses = history.history["val_loss"]
    kept = network.evaluate(data.images.repeat(3, -1) / 255, data.labels, verbose=0)[0]
    assert kept == pytest.approx(min(losses), rel=1e-3)


def test_a_seed_repeats_a_training(data):
    run = candidate_run()

    def losses(learning_rate):
        network = compile_network(run, learning_rate)
        return fit_network(
            network, data, data, run, batch_size=8, epochs=2, stage="Training"
        ).history["loss"]

    assert losses(1e-3) == pytest.approx(losses(1e-3), rel=1e-4)
