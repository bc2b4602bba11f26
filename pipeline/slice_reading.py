"""The newest run's slices, found through its metadata store."""

from __future__ import annotations

from pathlib import Path

from ml_metadata.proto import metadata_store_pb2

from contract import nodes as node_names
from contract.errors import InputError
from contract.plain_path import plain_path
from evaluation.gate import REPORT_FILE, GateReport
from evaluation.tfma_results import read_evaluation
from report.slices import SliceRow, slice_rows
from report.stored_run import (
    StoredRun,
    read_pipeline_names,
    read_stored_run,
    sqlite_connection,
)

METADATA_FILE = "metadata.sqlite"
_FIX = "Give the output folder of a run that has reached its verdict."


def read_slices(output: Path, pipeline_name: str | None = None) -> tuple[SliceRow, ...]:
    """Read the slices of the newest run in an output folder.

    Args:
        output: The folder, which holds `metadata.sqlite`.
        pipeline_name: Which pipeline's run; None takes the only one there is.

    Raises:
        InputError: There is no such store or run, the run has no verdict, or its files are gone.
    """
    # A link that the store's paths go through may have been cleared with the user's cache.
    output = plain_path(output)
    connection = _connection(output)
    name = pipeline_name or _only_pipeline(connection, output)
    try:
        record = read_stored_run(connection, name)
        evaluation = _existing(record, node_names.EVALUATOR, "evaluation")
        blessing = _existing(record, node_names.GATE, "blessing")
    except LookupError as error:  # no run, or a run without the node
        raise InputError(f"{output}: {error.args[0]}. {_FIX}") from error
    gate = GateReport.model_validate_json((blessing / REPORT_FILE).read_text(encoding="utf-8"))
    return slice_rows(read_evaluation(str(evaluation)), gate)


def _connection(output: Path) -> metadata_store_pb2.ConnectionConfig:
    path = output / METADATA_FILE
    if not path.is_file():
        raise InputError(
            f"expected {METADATA_FILE} in {output}, got none. {_FIX} A run whose metadata is in "
            "MySQL has the same table in its report, as slices.csv."
        )
    return sqlite_connection(path)


def _only_pipeline(connection: metadata_store_pb2.ConnectionConfig, output: Path) -> str:
    try:
        names = read_pipeline_names(connection)
    except Exception as error:  # ml_metadata has one type for each of SQLite's errors
        raise InputError(
            f"expected {output / METADATA_FILE} to be a metadata store, got: {error}. {_FIX}"
        ) from error
    if len(names) != 1:
        raise InputError(
            f"expected one pipeline in {output}, got {', '.join(names) or 'none'}. "
            + (f"{_FIX}" if not names else "Choose one with --pipeline NAME.")
        )
    return names[0]


def _existing(record: StoredRun, node_id: str, name: str) -> Path:
    path = record.output(node_id, name).path
    if not path.is_dir():
        raise InputError(
            f"expected the {name} of {node_id} at {path}, got nothing: the store keeps absolute "
            "paths. Put the output folder back to where it was written."
        )
    return path
