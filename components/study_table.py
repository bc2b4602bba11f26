"""The StudyTable node: every candidate on the test split, beside an older study's figures.

It looks at the test split for all candidates, so nothing may follow from it: no node takes its
output, and the Selector has chosen, or will, without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_transform as tft
from tfx.dsl.components.base import base_component, base_executor
from tfx.types import Artifact, BaseChannel, artifact_utils

from components.candidate_inputs import MODEL_RUN, create_candidates_node, folders_of
from contract import features, nodes
from contract.progress import report_progress
from contract.settings import StudyRun
from models.predictor import Predictor, predict_probabilities
from models.trained import load_candidate
from report.study.comparison import make_row, make_table
from report.study.judged_split import JudgedSplit, read_test_split
from report.study.page import render_page
from report.study.table import StudyRow, StudyTable

EXAMPLES, TRANSFORM_GRAPH, STUDY = "examples", "transform_graph", "study"
SETTINGS = "settings"  # a StudyRun as JSON
TABLE_FILE, PAGE_FILE = "study.json", "index.html"  # a StudyTable, and the page that shows it


class StudyReport(Artifact):
    """Holds `TABLE_FILE` and `PAGE_FILE`."""

    TYPE_NAME = "pneumonia.StudyReport"


def judge_candidate(model_run: Path, split: JudgedSplit) -> StudyRow:
    """Judge the network that a Trainer left.

    Args:
        model_run: Its ModelRun artifact.
        split: The test split.
    """
    trained = load_candidate(model_run)
    predictor = Predictor(trained.network, trained.candidate)  # as the study did: not calibrated
    answers = [predict_probabilities(predictor, images) for images in split.read_images()]
    return make_row(trained.report, split.labels, np.concatenate(answers))


def write_study(
    model_runs: Mapping[str, Path], split: JudgedSplit, synthetic: bool, folder: Path
) -> None:
    """Judge all candidates, and write the table and its page.

    Args:
        model_runs: Each candidate's ModelRun artifact, by name.
        split: The test split.
        synthetic: Whether its images were drawn.
        folder: For both files.
    """
    rows = []
    for name, model_run in model_runs.items():
        row = judge_candidate(model_run, split)
        rows.append(row)
        accuracy = row.as_study.accuracy.value
        figures = {} if accuracy is None else {f"accuracy of {name}": accuracy}
        report_progress("Judging on test", len(rows), len(model_runs), "candidate", figures)
    table: StudyTable = make_table(rows, split.labels, split.source_splits, synthetic)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TABLE_FILE).write_text(table.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / PAGE_FILE).write_text(render_page(table), encoding="utf-8")


class Executor(base_executor.BaseExecutor):
    """Runs `write_study` on the node's artifacts."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Read the test split and judge the candidates of `input_dict` on it."""
        run = StudyRun.model_validate_json(exec_properties[SETTINGS])
        split = read_test_split(
            artifact_utils.get_split_uri(input_dict[EXAMPLES], features.TEST),
            tft.TFTransformOutput(artifact_utils.get_single_uri(input_dict[TRANSFORM_GRAPH])),
            run.image_size_px,
        )
        write_study(
            folders_of(input_dict, MODEL_RUN),
            split,
            run.synthetic,
            Path(artifact_utils.get_single_uri(output_dict[STUDY])),
        )


def create_study_table(
    candidates: Mapping[str, Mapping[str, BaseChannel]],
    examples: BaseChannel,
    transform_graph: BaseChannel,
    settings: StudyRun,
    code_version: str,
) -> base_component.BaseComponent:
    """Return the StudyTable node.

    Args:
        candidates: Output `model_run` of each trained candidate, by its name.
        examples: Raw examples (Examples); test is read.
        transform_graph: Transform's graph (TransformGraph).
        settings: Size of the transformed images, and whether they were drawn.
        code_version: Version of the project's code, in the cache key.

    Returns:
        A node with the id `StudyTable` and the output `study`.
    """
    return create_candidates_node(
        nodes.STUDY_TABLE,
        Executor,
        {name: {MODEL_RUN: outputs[MODEL_RUN]} for name, outputs in candidates.items()},
        inputs={EXAMPLES: examples, TRANSFORM_GRAPH: transform_graph},
        outputs={STUDY: StudyReport},
        parameters={SETTINGS: settings.model_dump_json(), "code_version": code_version},
    )
