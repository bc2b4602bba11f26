"""How a network is optimised: loss, optimizer, schedule, averaging, early stopping."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras

from contract.settings import TrainingSettings
from models.callbacks import ProgressCallback
from models.stage_rates import StagedAdam, StagedAdamW, StagedSGD, stage_rates

_PLATEAU_FACTOR, _PLATEAU_PATIENCE_EPOCHS = 0.3, 3
_WARM_UP_EPOCHS = 1  # of the cosine schedule
_FINAL_RATE_FRACTION = 0.01  # where the cosine schedule ends


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
        metrics=[
            keras.metrics.BinaryAccuracy(name="accuracy"),
            keras.metrics.Recall(name="recall"),
            keras.metrics.AUC(name="auc"),
        ],
    )


def _create_optimizer(
    network: keras.Model, settings: TrainingSettings, learning_rate: float
) -> keras.Optimizer:
    arguments: dict[str, Any] = {
        "learning_rate": learning_rate,
        "use_ema": settings.ema_momentum > 0.0,
        "ema_momentum": settings.ema_momentum or 0.99,  # Keras checks it even where it is unused
    }
    adam, adamw, sgd = keras.optimizers.Adam, keras.optimizers.AdamW, keras.optimizers.SGD
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
