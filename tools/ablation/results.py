"""The files of the ablation's results."""

from __future__ import annotations

import json
from pathlib import Path

from contract.settings import PipelineSettings
from evaluation.predictions import Predictions
from evaluation.selection import compare_figures
from evaluation.slice_metrics import OVERALL
from models.ensemble import mean_predictions
from models.input_data import SplitData
from models.judgement import Judgement, judge_predictions, measure_exposure_cuts
from tools.ablation.variants import VARIANTS


def result_file(output: Path, name: str, seed: int) -> Path:
    """Return the file of a variant's result."""
    words = "".join(letter if letter.isalnum() else "_" for letter in name)
    return output / "results" / f"{words}-{seed}.json"


def predictions_file(output: Path, name: str, seed: int) -> Path:
    """Return the file of a variant's predictions on validation, next to its result."""
    return result_file(output, name, seed).with_suffix(".npz")


def write_result(
    output: Path,
    name: str,
    seed: int,
    predictions: Predictions,
    validation: SplitData,
    num_parameters: int,
    training_s: float,
) -> None:
    """Judge predictions as the Selector would see them, and write what came out.

    Args:
        output: The ablation's folder.
        name: A key of `VARIANTS`.
        seed: Of the training.
        predictions: Uncalibrated, on plain and stressed validation.
        validation: The cases that they are of.
        num_parameters: All weights.
        training_s: What the training took, s.
    """
    judgement = _judge(predictions, validation, seed)
    comparison = compare_figures(
        name,
        judgement.validation[OVERALL],
        judgement.stressed,
        reaches_target=judgement.operating_point.reaches_target,
        num_parameters=num_parameters,
    )
    result = {"variant": name, "seed": seed, "training_s": training_s}
    text = json.dumps({**result, **comparison.model_dump(exclude={"name"})}, indent=2)
    result_file(output, name, seed).write_text(text + "\n", encoding="utf-8")


def combine(output: Path, seed: int, validation: SplitData) -> None:
    """Judge every variant that is the mean of others, where all of these have a result.

    Args:
        output: The ablation's folder.
        seed: Of the members.
        validation: The cases that the predictions are of.
    """
    for name, variant in VARIANTS.items():
        files = [predictions_file(output, member, seed) for member in variant.members]
        if not files or not all(file.exists() for file in files):
            continue
        members = []
        for file in files:
            predictions = Predictions.read(file)
            judged = _judge(predictions, validation, seed)
            members.append(predictions.calibrated(judged.calibration))
        results = [
            json.loads(result_file(output, member, seed).read_text(encoding="utf-8"))
            for member in variant.members
        ]
        write_result(
            output,
            name,
            seed,
            mean_predictions(members),
            validation,
            sum(result["num_parameters"] for result in results),
            sum(result["training_s"] for result in results),
        )


def _judge(predictions: Predictions, validation: SplitData, seed: int) -> Judgement:
    # The training split is not at hand here; its thirds of exposure are about validation's.
    cuts = measure_exposure_cuts(validation.images)
    return judge_predictions(
        predictions, validation, PipelineSettings().operating_point, seed, cuts
    )
