"""Fitting one candidate's network, through all its stages."""

from __future__ import annotations

import dataclasses
import logging
import math
from pathlib import Path

import keras
import tensorflow as tf

from contract.settings import CandidateRun
from models.architectures import build_network
from models.architectures.fine_tuning import frozen_backbone, unfreeze_upper_layers
from models.distribution import (
    distribute,
    precision_policy,
    prepare_for_processes,
    spans_processes,
)
from models.frozen_features import backbone_features, has_frozen_backbone, head_of
from models.input_data import (
    Shard,
    Split,
    SplitData,
    evaluation_batches,
    feature_batches,
    training_batches,
)
from models.optimisation import compile_for_training, training_callbacks

_LOGGER = logging.getLogger(__name__)

History = dict[str, list[float]]  # figures per epoch by Keras' names, such as `val_loss`


@dataclasses.dataclass(frozen=True)
class Trained:
    """A fitted network.

    Attributes:
        network: With the weights of the best epoch, or of the last one where
            `restore_best_weights` is off.
        history: Of all epochs; a second stage follows the first.
        num_trainable: Parameters that the last stage changed.
        num_earlier_epochs: Of the stages before the last one, of which no weights are kept.
    """

    network: keras.Model
    history: History
    num_trainable: int
    num_earlier_epochs: int = 0

    @property
    def num_epochs(self) -> int:
        """Epochs run, early stopping included."""
        return len(self.history["val_loss"])

    @property
    def best_epoch(self) -> int:
        """The epoch of the lowest validation loss in the last stage, from 1."""
        losses = self.history["val_loss"][self.num_earlier_epochs :]
        return self.num_earlier_epochs + 1 + losses.index(min(losses))


def train_network(
    run: CandidateRun,
    train: Split,
    validation: Split,
    strategy: tf.distribute.Strategy,
    *,
    stage: str,
    epochs: int | None = None,
    log_dir: Path | None = None,
) -> Trained:
    """Build a candidate's network and train it through all its stages.

    A frozen backbone whose images never change, and are in memory, is run once over them, and
    the head is trained on what it saw. Where fine-tuning of upper layers is configured it
    follows, with its own learning rate, after the head has converged. Where all of the backbone
    is trained, the head may come first, for `head_epochs`.

    Args:
        run: The candidate, with the hyperparameters to use put in.
        train: Training split, as loaded.
        validation: Validation split, as loaded.
        strategy: Devices that share the work.
        stage: What progress reports call this.
        epochs: The most epochs of the first stage, beside `head_epochs`; None for the settings'
            own.
        log_dir: Where TensorBoard logs go; None for none.

    Raises:
        ValueError: The training split lacks a class, or the architecture has no backbone
            to fine-tune.
    """
    settings = run.candidate.training
    train = train.view(run.candidate)
    validation = validation.view(run.candidate)
    network = compile_network(run, strategy)
    history: History = {}
    if settings.head_epochs > 0:
        with frozen_backbone(network):
            with strategy.scope():
                compile_for_training(network, settings)
            history = _fit_stage(
                network,
                train,
                validation,
                run,
                strategy,
                f"{stage}, head",
                settings.head_epochs,
                log_dir / "head" if log_dir else None,
            )
        with strategy.scope():
            compile_for_training(network, settings)
    num_earlier = len(history.get("val_loss", ()))
    history = _joined(
        history, _fit_stage(network, train, validation, run, strategy, stage, epochs, log_dir)
    )
    if settings.fine_tuning.num_layers > 0:
        with strategy.scope():
            unfreeze_upper_layers(network, settings.fine_tuning.num_layers)
            compile_for_training(network, settings, settings.fine_tuning.learning_rate)
        further = fit_network(
            network,
            train,
            validation,
            run,
            stage=f"{stage}, fine-tuning",
            num_replicas=strategy.num_replicas_in_sync,
            epochs=settings.fine_tuning.epochs,
            log_dir=log_dir / "fine_tuning" if log_dir else None,
        )
        num_earlier = len(history["val_loss"])
        history = _joined(history, further)
    num_trainable = sum(math.prod(weight.shape) for weight in network.trainable_weights)
    return Trained(network, history, num_trainable, num_earlier)


def _joined(before: History, after: History) -> History:
    """Return the figures of two stages, one after the other."""
    return {name: before.get(name, []) + values for name, values in after.items()}


def _fit_stage(
    network: keras.Model,
    train: Split,
    validation: Split,
    run: CandidateRun,
    strategy: tf.distribute.Strategy,
    stage: str,
    epochs: int | None,
    log_dir: Path | None,
) -> History:
    """Train what is trainable of a network, by the shortest way.

    Features of a frozen backbone are kept in memory, so that splits that are not are trained on
    image by image, the backbone included; so do several processes.
    """
    if (
        not spans_processes(strategy)
        and has_frozen_backbone(network)
        and not run.candidate.training.augmentation.enabled
        and isinstance(train, SplitData)
        and isinstance(validation, SplitData)
    ):
        return _fit_head(network, train, validation, run, strategy, stage, epochs, log_dir)
    return fit_network(
        network,
        train,
        validation,
        run,
        stage=stage,
        num_replicas=strategy.num_replicas_in_sync,
        epochs=epochs,
        log_dir=log_dir,
    )


def compile_network(run: CandidateRun, strategy: tf.distribute.Strategy) -> keras.Model:
    """Build and compile a candidate's network, its weights drawn from `run.seed`.

    Args:
        run: The candidate and the input size.
        strategy: Where the network's replicas live.

    Returns:
        A compiled model; metrics `accuracy` and `recall` (of pneumonia, at .5) and `auc`.
    """
    keras.utils.set_random_seed(run.seed)
    with strategy.scope(), precision_policy(run.candidate.training.mixed_precision):
        network = build_network(run.candidate, run.input_size_px)
        compile_for_training(network, run.candidate.training)
    return network


def fit_network(
    network: keras.Model,
    train: Split,
    validation: Split,
    run: CandidateRun,
    *,
    stage: str,
    num_replicas: int = 1,
    epochs: int | None = None,
    log_dir: Path | None = None,
) -> History:
    """Train until the validation loss stops falling, and restore the best weights if asked to.

    Args:
        network: Compiled, from `compile_network`.
        train: Training split, from `Split.view`; augmented afresh in every epoch.
        validation: Validation split, likewise; judged unchanged after every epoch.
        run: Training settings and seed.
        stage: What progress reports call this.
        num_replicas: Devices that share a step; a step takes that many batches.
        epochs: The most epochs; None for the settings' own.
        log_dir: Where TensorBoard logs go; None for none.

    Returns:
        Figures per epoch; the network holds the best epoch's weights, or the last one's where
        `restore_best_weights` is off.
    """
    settings = run.candidate.training

    def create_training(batch_size: int, shard: Shard) -> tf.data.Dataset:
        return training_batches(train, batch_size, run.seed, run.candidate, shard)

    def create_judging(batch_size: int, shard: Shard) -> tf.data.Dataset:
        return evaluation_batches(validation, batch_size, run.candidate.normalisation, shard)

    (training, num_steps), (judging, num_judging_steps) = (
        distribute(network.distribute_strategy, create, settings.batch_size, num_replicas)
        for create in (create_training, create_judging)
    )
    if spans_processes(network.distribute_strategy):
        prepare_for_processes(network)
    fitted = network.fit(
        training,
        steps_per_epoch=num_steps,
        validation_data=judging,
        validation_steps=num_judging_steps,
        epochs=epochs or settings.epochs,
        callbacks=training_callbacks(settings, stage, epochs or settings.epochs, log_dir),
        shuffle=False,  # the dataset does that
        verbose=0,
    )
    history: History = fitted.history
    return history


def _fit_head(
    network: keras.Model,
    train: SplitData,
    validation: SplitData,
    run: CandidateRun,
    strategy: tf.distribute.Strategy,
    stage: str,
    epochs: int | None,
    log_dir: Path | None,
) -> History:
    """Train the head on the frozen backbone's features, which are computed once."""
    settings = run.candidate.training
    batch_size = settings.batch_size * strategy.num_replicas_in_sync
    _LOGGER.info("%s: the backbone is frozen, its features are computed once", stage)
    train_features, validation_features = (
        backbone_features(
            network, evaluation_batches(data, batch_size, run.candidate.normalisation)
        )
        for data in (train, validation)
    )
    head = head_of(network)
    with strategy.scope():
        compile_for_training(head, settings)
    fitted = head.fit(
        feature_batches(train_features, train.labels, batch_size, run.seed, settings),
        validation_data=(validation_features, validation.labels[:, None].astype("float32")),
        epochs=epochs or settings.epochs,
        callbacks=training_callbacks(settings, stage, epochs or settings.epochs, log_dir),
        shuffle=False,  # the dataset does that
        verbose=0,
    )
    history: History = fitted.history
    return history
