"""How a network is optimised: loss, optimizer, rates, schedule, averaging, stopping, progress."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from contract.progress import report_progress
from contract.settings import TrainingSettings
from models.architectures.pretrained import BACKBONE

_PLATEAU_FACTOR, _PLATEAU_PATIENCE_EPOCHS = 0.3, 3
_WARM_UP_EPOCHS = 1  # of the cosine schedule
_FINAL_RATE_FRACTION = 0.01  # where the cosine schedule ends
_REPORT_EVERY_S = 1.0

Rates = Mapping[int, float]  # factors of the learning rate, by the `id` of a Keras variable


def compile_for_training(
    network: keras.Model, settings: TrainingSettings, learning_rate: float | None = None
) -> None:
    """Give a network its loss, optimizer and metrics; inside its strategy's scope.

    Args:
        network: One output, the probability of pneumonia.
        settings: Optimizer and loss.
        learning_rate: None for the settings' own.
    """
    network.compile(
        optimizer=_create_optimizer(network, settings, learning_rate or settings.learning_rate),
        loss=keras.losses.BinaryCrossentropy(label_smoothing=settings.label_smoothing),
        weighted_metrics=[],  # Keras asks for it where records carry weights
        # Keras would have XLA compile the step where there is a GPU, for each shape of a batch: not
        # done after 90 s (docs/scale.md), which a training of a few minutes does not earn back.
        jit_compile=False,
        metrics=[
            keras.metrics.BinaryAccuracy(name="accuracy"),
            keras.metrics.Recall(name="recall"),
            keras.metrics.AUC(name="auc"),
        ],
    )
    # Else Keras does so in the first step, which TensorFlow then traces twice: half of a short fit.
    network.optimizer.build(network.trainable_variables)


def _create_optimizer(
    network: keras.Model, settings: TrainingSettings, learning_rate: float
) -> keras.Optimizer:
    arguments: dict[str, Any] = {
        "learning_rate": learning_rate,
        "use_ema": settings.ema_momentum > 0.0,
        "ema_momentum": settings.ema_momentum or 0.99,  # Keras checks it even where it is unused
    }
    adam, adamw, sgd = FusedAdam, FusedAdamW, keras.optimizers.SGD
    if settings.layer_decay < 1.0:
        adam, adamw, sgd = StagedAdam, StagedAdamW, StagedSGD
        arguments["rates"] = stage_rates(network, settings.layer_decay)
    if settings.optimizer == "adam":
        return adam(**arguments)
    if settings.optimizer == "sgd":
        return sgd(momentum=settings.momentum, **arguments)
    optimizer = adamw(weight_decay=settings.weight_decay, **arguments)
    # Decay shrinks kernels; offsets and norms' scales have nothing to gain from it.
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def training_callbacks(
    settings: TrainingSettings, stage: str, epochs: int, log_dir: Path | None = None
) -> list[keras.callbacks.Callback]:
    """Return what watches a fit: schedule, averaging, early stopping, progress, logs."""
    callbacks: list[keras.callbacks.Callback] = []
    if settings.schedule == "cosine":
        # Around the optimizer's own rate, so that a stage with another rate keeps its shape.
        callbacks.append(CosineSchedule(epochs))
    elif settings.schedule == "plateau":
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(
                monitor="val_loss", factor=_PLATEAU_FACTOR, patience=_PLATEAU_PATIENCE_EPOCHS
            )
        )
    if settings.ema_momentum > 0.0:
        # Before early stopping, which then judges and keeps the averaged weights.
        callbacks.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    callbacks += [
        keras.callbacks.EarlyStopping(
            monitor="val_loss",
            patience=settings.patience_epochs,
            restore_best_weights=settings.restore_best_weights,
        ),
        keras.callbacks.TerminateOnNaN(),
        ProgressCallback(stage),
    ]
    if log_dir is not None:
        callbacks.append(keras.callbacks.TensorBoard(str(log_dir), write_graph=False))
    return callbacks


class CosineSchedule(keras.callbacks.Callback):
    """One epoch of warm-up, then half a cosine down (Loshchilov and Hutter 2017)."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._epochs = epochs
        self._peak_rate = 0.0

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Take the optimizer's own rate as the peak."""
        self._peak_rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Set the epoch's rate."""
        self.model.optimizer.learning_rate = self._peak_rate * cosine_factor(epoch, self._epochs)


def cosine_factor(epoch: int, num_epochs: int) -> float:
    """Return what the cosine schedule multiplies the peak rate with, in (0, 1].

    Args:
        epoch: From 0.
        num_epochs: Of the whole fit.
    """
    if epoch < _WARM_UP_EPOCHS < num_epochs:
        return (epoch + 1) / (_WARM_UP_EPOCHS + 1)
    passed = (epoch - _WARM_UP_EPOCHS) / max(1, num_epochs - _WARM_UP_EPOCHS)
    cosine = 0.5 * (1.0 + math.cos(math.pi * min(1.0, max(0.0, passed))))
    return _FINAL_RATE_FRACTION + (1.0 - _FINAL_RATE_FRACTION) * cosine


def stage_rates(network: keras.Model, decay: float) -> dict[int, float]:
    """Give every stage of a backbone its part of the learning rate.

    Rates fall from the head to the first layers: a pretrained backbone's first layers know what
    every image has, its last ones know ImageNet (Howard and Ruder 2018, "Universal Language Model
    Fine-tuning", 3.2).

    A stage is the layers between two changes of the maps' size. The last one has `decay`, the
    one before it `decay ** 2`, and so on; the head has the whole rate.

    Args:
        network: Of the pretrained family, or its head alone, where nothing is slowed down.
        decay: In (0, 1].

    Returns:
        The factor of each of the backbone's variables, by its `id`.
    """
    backbone = next((layer for layer in network.layers if layer.name == BACKBONE), None)
    if backbone is None:
        return {}
    sides_px = sorted({_side_px(layer) for layer in backbone.layers} - {0})
    rates = {}
    for layer in backbone.layers:
        # What follows the pooling belongs to the last stage.
        depth = sides_px.index(_side_px(layer)) if _side_px(layer) else 0
        for variable in layer.variables:
            rates[id(variable)] = decay ** (depth + 1)
    return rates


def _side_px(layer: keras.layers.Layer) -> int:
    """Return the height of a layer's maps; 0 where it has none."""
    shape = layer.output.shape
    return int(shape[1]) if len(shape) == 4 else 0


class _OneOperation:
    """Adam's step of a variable as TensorFlow's one operation for it.

    Keras 3 writes the same formula as a dozen operations for each of the hundreds of variables:
    most of what a step is traced for. Weights are those of Keras' optimizer, to rounding.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take one variable's step; float32, dense."""
        optimizer: Any = self
        index = optimizer._get_variable_index(variable)
        momentum, velocity = optimizer._momentums[index].value, optimizer._velocities[index].value
        step = tf.cast(optimizer.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=momentum.handle,
            v=velocity.handle,
            beta1_power=optimizer.beta_1**step,
            beta2_power=optimizer.beta_2**step,
            lr=tf.cast(learning_rate, tf.float32),
            beta1=optimizer.beta_1,
            beta2=optimizer.beta_2,
            epsilon=optimizer.epsilon,
            grad=gradient,
        )


class FusedAdam(_OneOperation, keras.optimizers.Adam):
    """`keras.optimizers.Adam`, quicker to trace."""


class FusedAdamW(_OneOperation, keras.optimizers.AdamW):
    """`keras.optimizers.AdamW`, quicker to trace."""


class _PerVariable:
    """An optimizer's steps, and its weight decay, at a rate of each variable's own."""

    def __init__(self, *args: Any, rates: Rates, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rates = dict(rates)
        self._factors: list[float] = []

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Note the factors, in the order of the variables."""
        self._factors = [self._rates.get(id(variable), 1.0) for variable in variables]
        super().build(variables)  # type: ignore[misc] # of Keras, beside this class

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take one variable's step."""
        optimizer: Any = self
        rate = learning_rate * self._factors[optimizer._get_variable_index(variable)]
        if optimizer.weight_decay and optimizer._use_weight_decay(variable):
            decay = tf.cast(rate * optimizer.weight_decay, variable.dtype)
            optimizer.assign_sub(variable, variable * decay)
        super().update_step(gradient, variable, rate)  # type: ignore[misc]

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        """Leave it to `update_step`: Keras would take the rate of all."""


class StagedAdam(_PerVariable, FusedAdam):
    """Adam; `rates` are factors of the learning rate, see `stage_rates`."""


class StagedAdamW(_PerVariable, FusedAdamW):
    """AdamW, its weight decay by each variable's own rate, too."""


class StagedSGD(_PerVariable, keras.optimizers.SGD):
    """Stochastic gradient descent, see `StagedAdam`."""


class ProgressCallback(keras.callbacks.Callback):
    """Report epochs, with loss and recall, while a network is fitted.

    Args:
        stage: What the reports call this work.
    """

    def __init__(self, stage: str) -> None:
        super().__init__()
        self._stage = stage
        self._epoch = 0
        self._num_epochs = 0
        self._values: dict[str, float] = {}
        self._last_report_s = 0.0

    def _report(self) -> None:
        self._last_report_s = time.monotonic()
        report_progress(self._stage, self._epoch, self._num_epochs, "epoch", self._values)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Show the stage before its first epoch ends."""
        self._num_epochs = self.params["epochs"]
        self._report()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Refresh the figures about once a second."""
        if logs and time.monotonic() - self._last_report_s >= _REPORT_EVERY_S:
            self._values = {name: float(logs[name]) for name in ("loss", "recall") if name in logs}
            self._report()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Show the epoch's figures on both splits."""
        self._epoch = epoch + 1
        wanted = ("loss", "recall", "val_loss", "val_recall")
        self._values = {name: float(logs[name]) for name in wanted if logs and name in logs}
        self._report()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Mark the stage as finished; stopped early, it had only as many epochs."""
        self._num_epochs = self._epoch
        self._report()
