import dataclasses
import logging
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from contract.errors import InputError
from contract.progress import LOGGER_NAME
from contract.settings import (
    AugmentationSettings,
    CandidateRun,
    FineTuningSettings,
)
from models.distribution import create_strategy
from models.input_data import SplitData, load_split
from models.predictor import Predictor, predict_probabilities
from models.training import Trained, compile_network, fit_network, train_network
from tests.models.made_runs import SIZE, STILL, candidate_run

pytestmark = pytest.mark.slow


def train(run, data, strategy=None, **arguments) -> Trained:
    return train_network(
        run, data, data, strategy or create_strategy(), stage="Training", **arguments
    )


@pytest.fixture(scope="module")
def data(tiny_set):
    return load_split([tiny_set.transformed_pattern], SIZE)


def test_a_network_learns_what_can_be_learnt_and_says_how_far_it_is(data, tmp_path, caplog):
    run = candidate_run(patience_epochs=20)
    with caplog.at_level(logging.INFO, LOGGER_NAME):
        trained = train(run, data, log_dir=tmp_path)
    assert trained.history["val_loss"][-1] < trained.history["val_loss"][0]
    assert trained.num_epochs == 8
    assert trained.num_trainable == trained.network.count_params()
    probabilities = predict_probabilities(Predictor(trained.network, run.candidate), data.images)
    assert np.mean((probabilities > 0.5) == data.labels) == 1.0
    # TensorFlow may warn of retracing in between.
    last = [record.progress for record in caplog.records if record.name == LOGGER_NAME][-1]
    assert (last.done, last.total, last.unit) == (8, 8, "epoch")
    assert {"loss", "recall", "val_loss"} <= set(last.values)
    assert list(tmp_path.glob("*/events*"))


def test_the_best_weights_are_restored(data):
    # So large a step that it gets worse.
    trained = train(candidate_run(learning_rate=0.5, patience_epochs=1, epochs=6), data)
    losses = trained.history["val_loss"]
    kept = trained.network.evaluate(data.images.repeat(3, -1) / 255, data.labels, verbose=0)[0]
    assert kept == pytest.approx(min(losses), rel=1e-3)
    assert losses[trained.best_epoch - 1] == min(losses)


def test_the_last_weights_stay_where_the_best_are_not_asked_for(data):
    # What is learnt is wrong on a validation split with the labels turned round.
    wrong = dataclasses.replace(data, labels=1 - data.labels)
    run = candidate_run(patience_epochs=2, restore_best_weights=False)
    trained = train_network(run, data, wrong, create_strategy(), stage="Training")
    losses = trained.history["val_loss"]
    kept = trained.network.evaluate(wrong.images.repeat(3, -1) / 255, wrong.labels, verbose=0)[0]
    assert trained.best_epoch < trained.num_epochs
    assert losses[trained.best_epoch - 1] == min(losses)
    assert kept == pytest.approx(losses[-1], rel=1e-3)


def test_a_seed_repeats_a_training(data):
    run = candidate_run(epochs=2)
    first, again = (train(run, data).history["loss"] for _ in range(2))
    assert first == pytest.approx(again, rel=1e-4)


@pytest.mark.parametrize(
    "training",
    [
        {
            "optimizer": "adamw",
            "schedule": "cosine",
            "weight_decay": 0.01,
            "ema_momentum": 0.8,
            "label_smoothing": 0.05,
        },
        {
            "optimizer": "sgd",
            "schedule": "plateau",
            "learning_rate": 0.02,
            "balance": "oversampling",
            "dropout": 0.1,
            "l2": 1e-4,
        },
    ],
)
def test_every_way_of_training_learns(data, training):
    run = candidate_run(epochs=10, patience_epochs=10, **training)
    trained = train(run, data)
    probabilities = predict_probabilities(Predictor(trained.network, run.candidate), data.images)
    separated = np.mean(probabilities[data.labels == 1]) - np.mean(probabilities[data.labels == 0])
    assert separated > 0.3


def test_averaged_weights_are_what_is_kept(data):
    trained = train(candidate_run(epochs=2, ema_momentum=0.9), data)
    kept = trained.network.evaluate(data.images.repeat(3, -1) / 255, data.labels, verbose=0)[0]
    assert kept == pytest.approx(min(trained.history["val_loss"]), rel=1e-3)


def test_two_devices_share_a_step_and_learn_the_same_task(data):
    # The logical CPUs that conftest.py sets up.
    strategy = create_strategy(["CPU:0", "CPU:1"])
    assert isinstance(strategy, tf.distribute.MirroredStrategy)
    assert strategy.num_replicas_in_sync == 2
    run = candidate_run(batch_size=4, epochs=6)
    trained = train(run, data, strategy)
    steps = trained.network.optimizer.iterations.numpy() / trained.num_epochs
    assert steps == len(data.labels) / (4 * 2)
    probabilities = predict_probabilities(Predictor(trained.network, run.candidate), data.images)
    assert np.mean((probabilities > 0.5) == data.labels) > 0.9


def test_a_device_is_never_left_without_images(data):
    # After two steps of 16, one image is left for two devices.
    chosen = {field.name: getattr(data, field.name)[:33] for field in dataclasses.fields(data)}
    run = candidate_run("cnn_baseline", epochs=1)
    trained = train(run, SplitData(**chosen), create_strategy(["CPU:0", "CPU:1"]))
    assert trained.network.optimizer.iterations.numpy() == 33 // 16
    assert np.isfinite(trained.history["loss"][0])
    assert np.isfinite(trained.history["val_loss"][0])


def test_one_gpu_or_none_needs_no_mirror():
    assert create_strategy().num_replicas_in_sync == 1


def test_fine_tuning_follows_the_head_with_its_own_rate(data, tiny_applications):
    tuning = FineTuningSettings(num_layers=3, learning_rate=1e-4, epochs=1)
    run = candidate_run("efficientnet_v2_b0", epochs=2, fine_tuning=tuning)
    trained = train(run, data)
    assert trained.num_epochs == 3
    assert float(trained.network.optimizer.learning_rate) == pytest.approx(1e-4)
    head_alone = sum(np.prod(weight.shape) for weight in trained.network.get_layer("head").weights)
    assert trained.num_trainable > head_alone


def fine_tuned_run(**training) -> CandidateRun:
    settings = {"backbone": "whole", "learning_rate": 1e-2, "epochs": 2, **training}
    return candidate_run("efficientnet_v2_b0", **settings)


def backbone_weights(network: keras.Model) -> dict[str, np.ndarray]:
    """Copy a backbone's variables; Keras numbers layers anew in each network, names here do not."""
    variables = network.get_layer("backbone").variables
    return {
        f"{index} {variable.name}": variable.numpy().copy()
        for index, variable in enumerate(variables)
    }


def changed_by(run: CandidateRun, data) -> tuple[set[str], set[str]]:
    """Train, and return the backbone's variables that changed, and those that did not."""
    before = backbone_weights(compile_network(run, create_strategy()))
    after = backbone_weights(train(run, data).network)
    changed = {path for path, value in before.items() if np.any(after[path] != value)}
    return changed, set(before) - changed


def test_a_backbone_is_trained_as_a_whole_with_its_statistics(data, tiny_applications):
    run = fine_tuned_run(epochs=1, augmentation=AugmentationSettings())
    changed, unchanged = changed_by(run, data)
    assert sum("moving_" in path for path in changed) == 4
    # A count, not a weight: of the dropout.
    assert all("seed" in path for path in unchanged)


@pytest.mark.parametrize("augmentation", [STILL, AugmentationSettings()])
def test_a_frozen_backbone_keeps_weights_and_statistics(data, augmentation, tiny_applications):
    run = candidate_run("efficientnet_v2_b0", epochs=1, augmentation=augmentation)
    changed, unchanged = changed_by(run, data)
    assert not changed
    assert any("moving_" in path for path in unchanged)


def test_what_was_trained_as_a_whole_answers_each_image_alone(data, tiny_applications):
    trained = train(fine_tuned_run(), data)
    images = data.images.repeat(3, -1) / np.float32(255)
    together = trained.network(images, training=False).numpy()
    alone = np.concatenate([trained.network(image[None]).numpy() for image in images])
    np.testing.assert_allclose(alone, together, atol=1e-5)
    # While it is trained, the others of a batch count.
    assert np.abs(trained.network(images, training=True).numpy() - together).max() > 1e-3


def test_the_head_is_warmed_up_on_a_backbone_that_stays(data, tiny_applications, monkeypatch):
    run = fine_tuned_run(head_epochs=2, epochs=1, augmentation=AugmentationSettings())
    before = backbone_weights(compile_network(run, create_strategy()))
    seen = []

    def observed(network, *arguments, **named):
        history = fit_network(network, *arguments, **named)
        rates = [layer.rate for layer in dropouts(network)]
        seen.append((named["stage"], named["epochs"], rates, backbone_weights(network)))
        return history

    monkeypatch.setattr("models.training.fit_network", observed)
    trained = train(run, data)
    (own_rate,) = [layer.rate for layer in dropouts(trained.network)]
    assert own_rate > 0.0
    assert [each[:3] for each in seen] == [
        ("Training, head", 2, [0.0]),
        ("Training", None, [own_rate]),
    ]
    after_head, after_all = (each[3] for each in seen)
    assert all(np.array_equal(after_head[path], value) for path, value in before.items())
    assert any(np.any(after_all[path] != value) for path, value in before.items())
    assert trained.num_epochs == 3
    assert trained.num_trainable > sum(
        math.prod(weight.shape) for weight in trained.network.get_layer("head").weights
    )


def test_the_best_epoch_is_of_the_last_stage_whose_weights_are_kept():
    history = {"val_loss": [0.1, 0.5, 0.9, 0.4, 0.6]}
    assert Trained(None, history, 1).best_epoch == 1
    assert Trained(None, history, 1, num_earlier_epochs=2).best_epoch == 4


def dropouts(network: keras.Model) -> list[keras.layers.Dropout]:
    layers = network.get_layer("backbone").layers
    return [layer for layer in layers if isinstance(layer, keras.layers.Dropout)]


def test_the_warm_up_of_a_still_set_needs_the_backbone_once(data, tiny_applications):
    trained = train(fine_tuned_run(head_epochs=3, layer_decay=0.5), data)
    assert trained.num_epochs == 5
    assert len(trained.history["loss"]) == len(trained.history["val_loss"]) == 5


def test_averaged_weights_of_a_whole_backbone_are_what_is_kept(data, tiny_applications):
    trained = train(fine_tuned_run(ema_momentum=0.5, layer_decay=0.7, head_epochs=1), data)
    kept = trained.network.evaluate(data.images.repeat(3, -1) / 255, data.labels, verbose=0)[0]
    assert kept == pytest.approx(min(trained.history["val_loss"][1:]), rel=1e-3)


def test_two_devices_train_a_whole_backbone_by_stages(data, tiny_applications):
    run = fine_tuned_run(batch_size=4, layer_decay=0.5, epochs=1)
    trained = train(run, data, create_strategy(["CPU:0", "CPU:1"]))
    assert trained.network.optimizer.iterations.numpy() == len(data.labels) / (4 * 2)
    assert np.all(np.isfinite(trained.history["val_loss"]))


def test_a_network_without_a_backbone_has_none_to_train(data):
    with pytest.raises(InputError, match=r"training\.backbone: frozen for cnn_deep"):
        train(candidate_run("cnn_deep", backbone="whole"), data)
