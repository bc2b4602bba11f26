"""The Report node: the run as people look at it, in one page.

It comes last but for the push, also where the gate has refused the model. No node takes its
output: what it shows of the test split changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_component, base_executor
from tfx.types import Artifact, BaseChannel, artifact_utils
from tfx.utils import path_utils

from components.baseline import VERSION_PROPERTY, is_baseline_present
from components.candidate_inputs import MODEL, MODEL_RUN, create_candidates_node, folders_of
from contract import nodes
from contract.settings import ReportRun
from report.report import write_report
from report.sources import Sources

REPORT = "report"
TUNER_RESULTS = "tuner_results"  # the Tuner's own name
BASELINE, SELECTED_MODEL, SELECTED_RUN = "baseline_model", "selected_model", "selected_run"
EXTERNAL_EVALUATION = "external_evaluation"  # only where there are external sets
# Single inputs, by the names of the fields of `Sources`.
_FOLDERS = (
    "examples", "schema", "statistics", "anomalies", "data_audit", "transform_graph", "evaluation",
    "blessing",
)  # fmt: skip
SETTINGS, RECORDS_DIR, METADATA_FILE = "settings", "records_dir", "metadata_file"


class RunReport(Artifact):
    """Holds `index.html`, the model card and the slices' table; see `report.report`."""

    TYPE_NAME = "pneumonia.RunReport"


class Executor(base_executor.BaseExecutor):
    """Runs `write_report` on the node's artifacts."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write the report of what the artifacts of `input_dict` hold."""
        write_report(
            _read_sources(input_dict, exec_properties),
            Path(artifact_utils.get_single_uri(output_dict[REPORT])),
        )


def _read_sources(
    input_dict: dict[str, list[Artifact]], exec_properties: Mapping[str, Any]
) -> Sources:
    (baseline,) = input_dict[BASELINE]
    has_baseline = is_baseline_present(baseline)
    metadata_file = exec_properties[METADATA_FILE]
    return Sources(
        run=ReportRun.model_validate_json(exec_properties[SETTINGS]),
        **{name: Path(artifact_utils.get_single_uri(input_dict[name])) for name in _FOLDERS},
        models=folders_of(input_dict, MODEL),
        model_runs=folders_of(input_dict, MODEL_RUN),
        model=Path(artifact_utils.get_single_uri(input_dict[SELECTED_MODEL])),
        model_run=Path(artifact_utils.get_single_uri(input_dict[SELECTED_RUN])),
        baseline=Path(path_utils.serving_model_dir(baseline.uri)) if has_baseline else None,
        baseline_version=(
            int(baseline.get_custom_property(VERSION_PROPERTY)) if has_baseline else None
        ),
        records_dir=Path(exec_properties[RECORDS_DIR]),
        metadata_file=Path(metadata_file) if metadata_file else None,
        tuner_results=folders_of(input_dict, TUNER_RESULTS),
        external_evaluation=(
            Path(artifact_utils.get_single_uri(input_dict[EXTERNAL_EVALUATION]))
            if EXTERNAL_EVALUATION in input_dict
            else None
        ),
    )


def create_report(
    candidates: Mapping[str, Mapping[str, BaseChannel]],
    inputs: Mapping[str, BaseChannel],
    settings: ReportRun,
    *,
    records_dir: str,
    metadata_file: str,
    code_version: str,
) -> base_component.BaseComponent:
    """Return the Report node.

    Args:
        candidates: Outputs `model` and `model_run` of each candidate, and `tuner_results` of those
            that were tuned, by its name.
        inputs: Channels by the names of the single folders of `Sources`, and the selected model
            and its run and the baseline under `SELECTED_MODEL`, `SELECTED_RUN` and `BASELINE`;
            `EXTERNAL_EVALUATION` where there are external sets.
        settings: Of the report and of the run.
        records_dir: Where ingestion wrote the records and their card.
        metadata_file: The metadata store, a SQLite file on this machine; "" elsewhere.
        code_version: Version of the project's code, in the cache key.

    Returns:
        A node with the id `Report` and the output `report`.
    """
    return create_candidates_node(
        nodes.REPORT,
        Executor,
        candidates,
        inputs=inputs,
        outputs={REPORT: RunReport},
        parameters={
            SETTINGS: settings.model_dump_json(),
            RECORDS_DIR: records_dir,
            METADATA_FILE: metadata_file,
            "code_version": code_version,
        },
    )
