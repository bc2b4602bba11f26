"""Train one candidate and export it at its operating point; TFX Trainer calls `run_fn`."""

from __future__ import annotations

import time
from pathlib import Path

import keras_tuner
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from models import features
from models.export import ServedModel, export_model
from models.input_data import load_split
from models.operating_point import choose_operating_point
from models.slice_metrics import slice_metrics_from_predictions
from models.training import compile_network, fit_network, predict_probabilities
from models.training_report import REPORT_FILE, TENSORBOARD_DIR, TrainingReport
from models.tune import BATCH_SIZE, LEARNING_RATE, default_hyperparameters
from pipeline.config import CUSTOM_CONFIG_KEY, CandidateRun


def run_fn(fn_args: FnArgs) -> None:
    """Train, choose the operating point on validation, export, report.

    Args:
        fn_args: Files, directories and hyperparameters as TFX hands them over; the
            candidate's `CandidateRun` is JSON in `custom_config`.
    """
    run = CandidateRun.model_validate_json(fn_args.custom_config[CUSTOM_CONFIG_KEY])
    hyperparameters = (
        keras_tuner.HyperParameters.from_config(fn_args.hyperparameters)
        if fn_args.hyperparameters
        else default_hyperparameters(run)
    )
    train = load_split(fn_args.train_files, run.image_size_px)
    validation = load_split(fn_args.eval_files, run.image_size_px)
    model_run_dir = Path(fn_args.model_run_dir)

    started_s = time.monotonic()
    network = compile_network(run, hyperparameters.get(LEARNING_RATE))
    history = fit_network(
        network,
        train,
        validation,
        run,
        batch_size=hyperparameters.get(BATCH_SIZE),
        epochs=run.candidate.training.epochs,
        stage=f"Training {run.name}",
        log_dir=model_run_dir / TENSORBOARD_DIR,
    )
    training_s = time.monotonic() - started_s

    probabilities = predict_probabilities(network, validation)
    operating_point = choose_operating_point(
        validation.labels, probabilities, run.operating_point.target_sensitivity
    )
    served = ServedModel(
        network,
        tft.TFTransformOutput(fn_args.transform_graph_path),
        run.image_size_px,
        operating_point.threshold,
    )
    export_model(served, Path(fn_args.serving_model_dir))
    val_losses = history.history["val_loss"]
    report = TrainingReport(
        name=run.name,
        architecture=run.candidate.architecture,
        num_parameters=network.count_params(),
        hyperparameters={name: hyperparameters.get(name) for name in (LEARNING_RATE, BATCH_SIZE)},
        seed=run.seed,
        num_epochs=len(val_losses),
        best_epoch=1 + val_losses.index(min(val_losses)),
        history=history.history,
        num_gpus=len(tf.config.list_physical_devices("GPU")),
        training_s=training_s,
        threshold=operating_point.threshold,
        target_sensitivity=operating_point.target_sensitivity,
        validation=slice_metrics_from_predictions(
            validation.labels,
            probabilities,
            operating_point.threshold,
            {
                features.SUBTYPE: validation.subtypes,
                features.SIZE_GROUP: validation.size_groups,
                features.SHARPNESS_GROUP: validation.sharpness_groups,
            },
        ),
    )
    report.write(model_run_dir / REPORT_FILE)
