"""From the Report node's artifact to the output folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2

from components.report import REPORT
from contract import nodes
from contract.settings import PipelineSettings
from report.report import PAGE_FILE
from report.stored_run import read_stored_run

FOLDER = "report"  # in the output folder


def fetch_report(
    settings: PipelineSettings,
    connection: metadata_store_pb2.ConnectionConfig,
    output_dir: Path,
) -> Path:
    """Copy the newest run's report to where a user finds it.

    Args:
        settings: Of that run.
        connection: The metadata store.
        output_dir: Receives `report/`, in place of an earlier run's.

    Returns:
        The page.

    Raises:
        KeyError: The run has not made a report.
    """
    made = read_stored_run(connection, settings.name).output(nodes.REPORT, REPORT).path
    folder = output_dir / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)
    return folder / PAGE_FILE
