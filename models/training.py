"""Fitting one network: loss, optimizer, class weights, early stopping."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from models.architectures import build_network
from models.callbacks import ProgressCallback
from models.input_data import SplitData, evaluation_batches, training_batches
from pipeline.config import CandidateRun, TrainingSettings

_OPTIMIZERS: dict[str, type[keras.optimizers.Optimizer]] = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
}


def compile_network(run: CandidateRun, learning_rate: float) -> keras.Model:
    """Build and compile a candidate's network, its weights drawn from `run.seed`.

    Args:
        run: The candidate and the input size.
        learning_rate: Initial step size of the optimizer.

    Returns:
        A compiled model; metrics `recall` (of pneumonia, at threshold .5) and `auc`.
    """
    keras.utils.set_random_seed(run.seed)
    network = build_network(run.candidate.architecture, run.image_size_px)
    network.compile(
        optimizer=_OPTIMIZERS[run.candidate.training.optimizer](learning_rate),
        loss="binary_crossentropy",
        metrics=[keras.metrics.Recall(name="recall"), keras.metrics.AUC(name="auc")],
    )
    return network


def class_weights(labels: np.ndarray) -> dict[int, float]:
    """Weigh the classes so that both count alike: n / (2 n_class), mean weight 1.

    Args:
        labels: int64 [n], 0 or 1.

    Raises:
        ValueError: When one of the classes is missing.
    """
    counts = np.bincount(labels, minlength=2)
    if np.any(counts == 0):
        raise ValueError(
            f"Expected both classes in the training split, got {counts[0]} normal and "
            f"{counts[1]} pneumonia: add images of the missing class."
        )
    return {label: len(labels) / (2.0 * count) for label, count in enumerate(counts)}


def fit_network(
    network: keras.Model,
    train: SplitData,
    validation: SplitData,
    run: CandidateRun,
    *,
    batch_size: int,
    epochs: int,
    stage: str,
    log_dir: Path | None = None,
) -> keras.callbacks.History:
    """Train until the validation loss stops falling, and restore the best weights.

    Args:
        network: Compiled, from `compile_network`.
        train: Training split; augmented afresh in every epoch.
        validation: Validation split; judged unchanged after every epoch.
        run: Training settings and seed.
        batch_size: Images per step.
        epochs: The most epochs.
        stage: What progress reports call this.
        log_dir: Where TensorBoard logs go; None for none.

    Returns:
        Keras' history; the network holds the best epoch's weights.
    """
    settings: TrainingSettings = run.candidate.training
    callbacks: list[keras.callbacks.Callback] = [
        keras.callbacks.EarlyStopping(
            monitor="val_loss", patience=settings.patience_epochs, restore_best_weights=True
        ),
        keras.callbacks.TerminateOnNaN(),
        ProgressCallback(stage),
    ]
    if log_dir is not None:
        callbacks.append(keras.callbacks.TensorBoard(str(log_dir), write_graph=False))
    return network.fit(
        training_batches(train, batch_size, run.seed, settings.augmentation),
        validation_data=evaluation_batches(validation, batch_size),
        epochs=epochs,
        class_weight=class_weights(train.labels) if settings.class_weights else None,
        callbacks=callbacks,
        shuffle=False,  # the dataset does that
        verbose=0,
    )


def predict_probabilities(network: keras.Model, data: SplitData) -> np.ndarray:
    """Return the probability of pneumonia for each record, float32 [n] in [0, 1]."""
    return network.predict(evaluation_batches(data, 64), verbose=0)[:, 0]
