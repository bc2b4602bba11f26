"""Train one candidate and export it at its operating point; TFX Trainer calls `run_fn`."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import keras_tuner
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from contract import features
from contract.settings import CUSTOM_CONFIG_KEY, CandidateRun
from evaluation.pseudo_sites import exposure_cuts
from evaluation.training_report import (
    CASES_FILE,
    FAMILIAR_FILE,
    NETWORK_FILE,
    PREDICTIONS_FILE,
    REPORT_FILE,
    TENSORBOARD_DIR,
    TrainingReport,
)
from models.digests import SplitDigest, split_digest, weights_digest
from models.distribution import create_strategy, is_chief, num_gpus
from models.export import OperatingRule, ServedModel, export_model
from models.image_cache import Splits, open_splits
from models.input_data import Split, mean_greys
from models.judgement import cases_of, judge_predictions, predict_validation
from models.predictor import Predictor, familiar_images
from models.provenance import PROVENANCE_FILE, describe_origin
from models.reference_scores import ReferenceScores
from models.search_spaces import HYPERPARAMETERS, Value, apply_hyperparameters
from models.trained import save_network
from models.training import train_network

if TYPE_CHECKING:  # it brings all of TFX
    from tfx.components.trainer.fn_args_utils import FnArgs


def run_fn(fn_args: FnArgs) -> None:
    """Train, calibrate and choose the operating point on validation, export, report.

    Args:
        fn_args: Files, directories and hyperparameters as TFX hands them over; the
            candidate's `CandidateRun` is JSON in `custom_config`.

    Of several processes that train together (see `models.distribution.create_strategy`) the chief
    alone writes anything.
    """
    run = CandidateRun.model_validate_json(fn_args.custom_config[CUSTOM_CONFIG_KEY])
    chosen = _chosen_values(fn_args)
    run = apply_hyperparameters(run, chosen)
    strategy = create_strategy()
    with contextlib.closing(open_splits(run, fn_args)) as splits:
        _train(run, chosen, splits, strategy, fn_args)


def _train(
    run: CandidateRun,
    chosen: Mapping[str, Value],
    splits: Splits,
    strategy: tf.distribute.Strategy,
    fn_args: FnArgs,
) -> None:
    """Do what `run_fn` does, with splits that are open."""
    train, validation = splits.train, splits.validation
    model_run_dir = Path(fn_args.model_run_dir)
    surveyed = survey(train)
    started_s = time.monotonic()
    trained = train_network(
        run,
        train,
        validation,
        strategy,
        stage=f"Training {run.name}",
        log_dir=model_run_dir / TENSORBOARD_DIR if is_chief(strategy) else None,
    )
    training_s = time.monotonic() - started_s
    if not is_chief(strategy):
        return

    predictor = Predictor(trained.network, run.candidate)
    familiar = familiar_images(predictor, (part.images for part in train.sample_chunks()))
    predictor = predictor.but(familiar=familiar)
    predictions = predict_validation(predictor, validation, run.operating_point.stress)
    judgement = judge_predictions(
        predictions,
        validation,
        run.operating_point,
        run.seed,
        exposure_cuts(surveyed.mean_greys),
    )
    predictor = predictor.but(calibration=judgement.calibration)
    report = TrainingReport(
        name=run.name,
        architecture=run.candidate.architecture,
        num_parameters=trained.network.count_params(),
        num_trainable=trained.num_trainable,
        candidate=run.candidate,
        hyperparameters=chosen,
        seed=run.seed,
        num_epochs=trained.num_epochs,
        best_epoch=trained.best_epoch,
        history=trained.history,
        num_gpus=num_gpus(),
        num_replicas=strategy.num_replicas_in_sync,
        training_s=training_s,
        cache=splits.cache,
        **judgement.for_report(),
    )
    origin = describe_origin(
        report,
        data_sha256={
            features.TRAIN: surveyed.digest,
            features.VALIDATION: split_digest(validation),
        },
        weights_sha256=weights_digest(predictor),
        code_version=run.code_version,
    )
    served = ServedModel(
        predictor,
        tft.TFTransformOutput(fn_args.transform_graph_path),
        run.image_size_px,
        OperatingRule.from_validation(report, predictions),
    )
    export_model(served, Path(fn_args.serving_model_dir), origin)
    ReferenceScores.from_predictions(
        validation.facts.labels, predictions.calibrated(judgement.calibration).plain
    ).write(Path(fn_args.serving_model_dir))
    model_run_dir.mkdir(parents=True, exist_ok=True)
    save_network(trained.network, model_run_dir / NETWORK_FILE)
    familiar.write(model_run_dir / FAMILIAR_FILE)
    predictions.write(model_run_dir / PREDICTIONS_FILE)
    cases_of(validation).write(model_run_dir / CASES_FILE)
    report.write(model_run_dir / REPORT_FILE)
    origin.write(model_run_dir / PROVENANCE_FILE)


@dataclasses.dataclass(frozen=True)
class Survey:
    """What is asked of the training split beside its images.

    Attributes:
        digest: See `SplitDigest`.
        mean_greys: float64 [n], in [0, 255].
    """

    digest: str
    mean_greys: np.ndarray


def survey(train: Split) -> Survey:
    """Look at all records once.

    Raises:
        ValueError: There are not as many of each class as the split's counts say.
    """
    digest = SplitDigest()
    greys: list[np.ndarray] = []
    counts = (0, 0)
    for part in train.chunks():
        digest.add(part)
        greys.append(mean_greys(part.images))
        counts = (counts[0] + part.class_counts[0], counts[1] + part.class_counts[1])
    if counts != train.class_counts:
        raise ValueError(
            f"Expected {train.class_counts} images of the two classes in the training split, got "
            f"{counts}: the statistics are of other records; run StatisticsGen and "
            "Transform on the same ones."
        )
    return Survey(digest.hexdigest(), np.concatenate(greys))


def _chosen_values(fn_args: FnArgs) -> Mapping[str, Value]:
    """Return what the search chose; Hyperband's own entries are not hyperparameters."""
    if not fn_args.hyperparameters:
        return {}
    found = keras_tuner.HyperParameters.from_config(fn_args.hyperparameters).values
    return {name: value for name, value in found.items() if name in HYPERPARAMETERS}
