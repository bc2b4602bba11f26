"""From the StudyTable node's artifact to the output folder and the summary."""

from __future__ import annotations

import shutil
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2

from components.study_table import PAGE_FILE, STUDY, TABLE_FILE
from contract import nodes
from contract.settings import PipelineSettings
from pipeline.summary import Study, StudyRow
from report.stored_run import read_stored_run
from report.study.table import StudyTable

FOLDER = "study"  # in the output folder


def fetch_study(
    settings: PipelineSettings,
    connection: metadata_store_pb2.ConnectionConfig,
    output_dir: Path,
) -> Study:
    """Copy the newest run's table and page to where a user finds them.

    Args:
        settings: Of that run.
        connection: The metadata store.
        output_dir: Receives `study/study.json` and `study/index.html`.

    Returns:
        What the summary says of it.

    Raises:
        KeyError: The run has not made a table.
    """
    made = read_stored_run(connection, settings.name).output(nodes.STUDY_TABLE, STUDY).path
    folder = output_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name in (TABLE_FILE, PAGE_FILE):
        shutil.copyfile(made / name, folder / name)
    text = (made / TABLE_FILE).read_text(encoding="utf-8")
    return describe_study(StudyTable.model_validate_json(text), folder / PAGE_FILE)


def describe_study(table: StudyTable, page: Path) -> Study:
    """Return the part of a table that goes into the summary.

    Args:
        table: The whole of it.
        page: The file of its page.
    """
    return Study(
        page=str(page),
        comparable=table.comparable,
        comparability=table.comparability,
        rows=tuple(
            StudyRow(
                name=row.name,
                metrics=row.as_study,
                published=row.published,
                note=row.note,
            )
            for row in table.rows
        ),
    )
