"""Where the Report node gets what it shows."""

from __future__ import annotations

from collections.abc import Mapping

from tfx.dsl.components.base.base_node import BaseNode
from tfx.types import BaseChannel

from components.report import create_report
from contract.report_settings import ReportRun
from contract.settings import PipelineSettings


def create_report_node(
    settings: PipelineSettings,
    candidates: Mapping[str, Mapping[str, BaseChannel]],
    inputs: Mapping[str, BaseChannel],
    *,
    records_dir: str,
    metadata_file: str,
    synthetic: bool,
    code_version: str,
) -> BaseNode:
    """Build the Report node.

    Args:
        settings: The whole configuration.
        candidates: Outputs `model` and `model_run` of each candidate, and `tuner_results` of those
            that were tuned, by its name.
        inputs: See `components.report.create_report`.
        records_dir: Where ingestion wrote the records.
        metadata_file: The metadata store, where it is a file on this machine; else "".
        synthetic: Whether the records were drawn.
        code_version: Version of the project's code.
    """
    return create_report(
        candidates,
        inputs,
        ReportRun(
            pipeline_name=settings.name,
            seed=settings.seed,
            image_size_px=settings.transform.image_size_px,
            synthetic=synthetic,
            report=settings.report,
        ),
        records_dir=records_dir,
        metadata_file=metadata_file,
        code_version=code_version,
    )
