import logging

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager.context import PhysicalDevice

from contract.progress import LOGGER_NAME
from contract.settings import TrainingSettings
from models.architectures.pretrained import assemble_network, build_head, preprocessing_of
from models.optimisation import (
    ProgressCallback,
    StagedAdam,
    compile_for_training,
    stage_rates,
    training_callbacks,
)

SHAPE = (16, 16, 3)


def dense_network():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])


@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_sgd_has_the_momentum_that_is_set(momentum):
    compiled = dense_network()
    settings = TrainingSettings(optimizer="sgd", learning_rate=0.01, momentum=momentum)
    compile_for_training(compiled, settings)
    assert compiled.optimizer.momentum == momentum
    assert float(compiled.optimizer.learning_rate) == pytest.approx(0.01)


def test_xla_does_not_compile_the_step_where_there_is_a_gpu(monkeypatch):
    devices = [*tf.config.list_physical_devices("CPU"), PhysicalDevice("/gpu:0", "GPU")]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: devices)
    compiled = dense_network()
    assert compiled.jit_compile  # what Keras chooses
    compile_for_training(compiled, TrainingSettings())
    assert not compiled.jit_compile


@pytest.mark.parametrize("restores", [True, False])
def test_early_stopping_restores_the_best_weights_only_if_asked_to(restores):
    settings = TrainingSettings(restore_best_weights=restores, patience_epochs=4)
    callbacks = training_callbacks(settings, "Training", epochs=8)
    (stopping,) = [each for each in callbacks if isinstance(each, keras.callbacks.EarlyStopping)]
    assert stopping.restore_best_weights is restores
    assert stopping.patience == 4


@pytest.fixture
def network() -> keras.Model:
    """Three stages of a layer each, of 8, 4 and 4 px, a norm after the pooling, and a head."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    backbone = keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(2, 3, strides=2, padding="same", name="first"),
            layers.Conv2D(3, 3, strides=2, padding="same", name="second"),
            layers.Conv2D(4, 3, padding="same", name="third"),
            layers.GlobalAveragePooling2D(),
            layers.LayerNormalization(name="norm"),
        ],
        name="backbone",
    )
    preprocessing = preprocessing_of("Xception", SHAPE)
    head = build_head(4, 0.0, (), None)
    return assemble_network(preprocessing, backbone, head, "tiny", trains_backbone=True)


FACTORS = {"first": 0.25, "second": 0.5, "third": 0.5, "norm": 0.5}


def test_each_change_of_the_maps_size_is_a_stage(network):
    rates = stage_rates(network, 0.5)
    for layer in network.get_layer("backbone").layers:
        for variable in layer.variables:
            assert rates[id(variable)] == FACTORS[layer.name]
    assert not set(rates) & {id(variable) for variable in network.get_layer("head").variables}


def test_a_head_alone_has_the_whole_rate(network):
    assert stage_rates(network.get_layer("head"), 0.5) == {}


def changes(network: keras.Model, **training) -> dict[str, np.ndarray]:
    """Train for a step, and return how far each layer's weights moved, largest first."""
    settings = TrainingSettings(backbone="whole", learning_rate=1e-3, **training)
    compile_for_training(network, settings)
    layers = [*network.get_layer("backbone").layers, *network.get_layer("head").layers]
    layers = {layer.name: layer for layer in layers if layer.weights}
    before = {name: layer.get_weights() for name, layer in layers.items()}
    images = np.random.default_rng(0).uniform(0, 1, (8, *SHAPE)).astype(np.float32)
    network.train_on_batch(images, np.array([[0.0], [1.0]] * 4, np.float32))
    return {
        name: np.array(
            [
                np.max(np.abs(after - value))
                for after, value in zip(layers[name].get_weights(), values, strict=True)
            ]
        )
        for name, values in before.items()
    }


@pytest.mark.slow
def test_adams_first_step_is_the_rate_of_the_stage(network):
    moved = changes(network, optimizer="adam", layer_decay=0.5)
    head = next(name for name in moved if name not in FACTORS)
    assert moved[head] == pytest.approx([1e-3, 1e-3], rel=1e-2)
    for name, factor in FACTORS.items():
        assert moved[name].max() == pytest.approx(factor * 1e-3, rel=2e-2), name


@pytest.mark.slow
def test_no_decay_leaves_all_layers_at_one_rate(network):
    moved = changes(network, optimizer="adam", layer_decay=1.0)
    assert all(steps.max() == pytest.approx(1e-3, rel=2e-2) for steps in moved.values())


@pytest.mark.slow
def test_sgds_steps_are_those_of_the_stage(network):
    weights = network.get_weights()
    whole = changes(network, optimizer="sgd", momentum=0.0, layer_decay=1.0)
    network.set_weights(weights)
    staged = changes(network, optimizer="sgd", momentum=0.0, layer_decay=0.5)
    for name, steps in whole.items():
        np.testing.assert_allclose(staged[name], FACTORS.get(name, 1.0) * steps, rtol=5e-2)


@pytest.mark.parametrize("layer_decay", [1.0, 0.5])
def test_weight_decay_follows_the_rate_of_the_stage_and_spares_offsets_and_scales(
    network, layer_decay
):
    settings = TrainingSettings(
        backbone="whole", learning_rate=0.1, weight_decay=0.2, layer_decay=layer_decay
    )
    for variable in network.trainable_variables:
        variable.assign(variable * 0 + 2.0)
    compile_for_training(network, settings)
    optimizer = network.optimizer
    gradients = [keras.ops.zeros_like(variable) for variable in network.trainable_variables]
    optimizer.apply(gradients, network.trainable_variables)
    for layer in [*network.get_layer("backbone").layers, *network.get_layer("head").layers]:
        factor = FACTORS.get(layer.name, 1.0) if layer_decay < 1.0 else 1.0
        for variable in layer.trainable_variables:
            shrunk = 2.0 * (1.0 - 0.1 * 0.2 * factor) if variable.name == "kernel" else 2.0
            np.testing.assert_allclose(variable.numpy(), shrunk, rtol=1e-6)


def test_stages_keep_their_rates_under_the_loss_scaling_of_mixed_precision(network):
    rates = stage_rates(network, 0.5)
    optimizer = keras.optimizers.LossScaleOptimizer(
        StagedAdam(learning_rate=1e-3, rates=rates), initial_scale=8.0
    )
    before = [variable.numpy() for variable in network.trainable_variables]
    gradients = [8.0 * keras.ops.ones_like(variable) for variable in network.trainable_variables]
    optimizer.apply(gradients, network.trainable_variables)
    for variable, value in zip(network.trainable_variables, before, strict=True):
        step = np.abs(variable.numpy() - value)
        np.testing.assert_allclose(step, 1e-3 * rates.get(id(variable), 1.0), rtol=1e-2)


def test_an_early_stop_is_told_as_the_epochs_that_were_run(caplog):
    callback = ProgressCallback("Training")
    callback.set_params({"epochs": 6})
    with caplog.at_level(logging.INFO, LOGGER_NAME):
        callback.on_train_begin()
        callback.on_epoch_end(0, {"loss": 0.5, "val_loss": 0.6, "auc": 0.7})
        callback.on_epoch_end(1, {"loss": 0.4, "val_loss": 0.7, "auc": 0.8})
        callback.on_train_end()
    told = [record.progress for record in caplog.records]
    assert [(progress.done, progress.total) for progress in told] == [
        (0, 6),
        (1, 6),
        (2, 6),
        (2, 2),
    ]
    assert told[-1].values == {"loss": 0.4, "val_loss": 0.7}


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("adam", keras.optimizers.Adam(1e-2)),
        ("adamw", keras.optimizers.AdamW(1e-2, weight_decay=0.1)),
    ],
)
def test_steps_are_those_of_keras_optimizers(network, name, theirs):
    compile_for_training(
        network,
        TrainingSettings(optimizer=name, learning_rate=1e-2, weight_decay=0.1, backbone="whole"),
    )
    theirs.build(network.trainable_variables)
    if name == "adamw":
        theirs.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    numbers = np.random.default_rng(3)
    gradients = [
        [
            numbers.normal(size=variable.shape).astype(np.float32)
            for variable in network.trainable_variables
        ]
        for _ in range(5)
    ]
    start = network.get_weights()
    ends = []
    for optimizer in (theirs, network.optimizer):
        network.set_weights(start)
        for step in gradients:
            optimizer.apply([keras.ops.convert_to_tensor(each) for each in step])
        ends.append(network.get_weights())
    assert any(
        np.max(np.abs(end - before)) > 1e-2 for end, before in zip(ends[0], start, strict=True)
    )
    for expected, got in zip(*ends, strict=True):
        # The operation rounds 1 - beta_2 to single precision: 1e-5 of a step of 1e-2.
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)
