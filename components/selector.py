"""The Selector node: one candidate goes on to the test split, chosen without it."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_component, base_executor
from tfx.types import Artifact, BaseChannel, artifact_utils
from tfx.types.standard_artifacts import Model, ModelRun

from components.candidate_inputs import MODEL, MODEL_RUN, create_candidates_node, folders_of
from contract import nodes
from evaluation.predictions import Predictions, ValidationCases
from evaluation.selection import SELECTION_FILE, Selection, select
from evaluation.training_report import CASES_FILE, PREDICTIONS_FILE, REPORT_FILE, TrainingReport

_LOGGER = logging.getLogger(__name__)


def choose(
    models: Mapping[str, Path], model_runs: Mapping[str, Path], model: Path, model_run: Path
) -> Selection:
    """Compare the candidates, and copy the chosen one.

    Args:
        models: Each candidate's Model artifact, by name.
        model_runs: Each candidate's ModelRun artifact, which holds its report, its predictions
            on validation and the cases that they are of.
        model: Where the chosen model goes.
        model_run: Where its report and logs go, with `selection.json` beside them.

    Returns:
        The contents of `selection.json`.

    Raises:
        ValueError: The candidates were judged on different validation images.
    """
    reports = [TrainingReport.read(folder / REPORT_FILE) for folder in model_runs.values()]
    predictions = {
        name: Predictions.read(folder / PREDICTIONS_FILE) for name, folder in model_runs.items()
    }
    selection = select(reports, predictions, _common_cases(model_runs))
    # Copied: on Kubeflow an artifact belongs to the run and the node that wrote it.
    shutil.copytree(models[selection.selected], model, dirs_exist_ok=True)
    shutil.copytree(model_runs[selection.selected], model_run, dirs_exist_ok=True)
    text = selection.model_dump_json(indent=2) + "\n"
    (model_run / SELECTION_FILE).write_text(text, encoding="utf-8")
    _LOGGER.info("Selected %s: %s", selection.selected, selection.reason)
    return selection


def _common_cases(model_runs: Mapping[str, Path]) -> ValidationCases:
    (first, common), *others = (
        (name, ValidationCases.read(folder / CASES_FILE)) for name, folder in model_runs.items()
    )
    for name, cases in others:
        if not cases.equals(common):
            raise ValueError(
                f"Expected {first} and {name} on the same validation images in one order, got "
                "others: train all candidates on the output of one Transform."
            )
    return common


class Executor(base_executor.BaseExecutor):
    """Runs `choose` on the node's artifacts."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Choose among the candidates of `input_dict`; it holds nothing of the test split."""
        choose(
            folders_of(input_dict, MODEL),
            folders_of(input_dict, MODEL_RUN),
            Path(artifact_utils.get_single_uri(output_dict[MODEL])),
            Path(artifact_utils.get_single_uri(output_dict[MODEL_RUN])),
        )


def create_selector(
    candidates: Mapping[str, Mapping[str, BaseChannel]], code_version: str
) -> base_component.BaseComponent:
    """Return the Selector node.

    Args:
        candidates: Outputs `model` and `model_run` of each candidate, by its name.
        code_version: Version of the project's code, in the cache key.

    Returns:
        A node with the id `Selector` and the outputs `model` and `model_run`.
    """
    return create_candidates_node(
        nodes.SELECTOR,
        Executor,
        candidates,
        inputs={},
        outputs={MODEL: Model, MODEL_RUN: ModelRun},
        parameters={"code_version": code_version},
    )
