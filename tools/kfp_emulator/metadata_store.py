"""What is known of artifacts and executions, in one SQLite file that survives a kill."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS artifacts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, uri TEXT, schema_title TEXT, properties TEXT);
CREATE TABLE IF NOT EXISTS executions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, pipeline TEXT, fingerprint TEXT, parameters TEXT);
CREATE TABLE IF NOT EXISTS outputs (execution_id INTEGER, name TEXT, artifact_id INTEGER);
"""


@dataclasses.dataclass(frozen=True)
class StoredArtifact:
    """A recorded artifact.

    Attributes:
        artifact_id: What the cache knows it by; content plays no part.
        uri: Its location.
        schema_title: Its type.
        properties: Its metadata, in the form that `metadata_values` describes.
    """

    artifact_id: int
    uri: str
    schema_title: str
    properties: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class NewArtifact:
    """An artifact to record; attributes as of `StoredArtifact`."""

    uri: str
    schema_title: str
    properties: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Outputs:
    """What an execution left: artifacts and plain parameters by name."""

    artifacts: Mapping[str, StoredArtifact]
    parameters: Mapping[str, Any]


class MetadataStore:
    """Executions that completed, with their outputs. Threads may share it."""

    def __init__(self, file: Path) -> None:
        """Open the store, or make it."""
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection:
            connection.executescript(_TABLES)

    def record(
        self,
        pipeline: str,
        fingerprint: str,
        artifacts: Mapping[str, NewArtifact],
        parameters: Mapping[str, Any],
    ) -> Outputs:
        """Record a completed execution, whole or not at all.

        Args:
            pipeline: The pipeline's name.
            fingerprint: What the cache finds it by; empty for never.
            artifacts: Its output artifacts by name.
            parameters: Its output parameters by name.
        """
        with self._connection() as connection:
            execution_id = connection.execute(
                "INSERT INTO executions (pipeline, fingerprint, parameters) VALUES (?, ?, ?)",
                (pipeline, fingerprint, json.dumps(dict(parameters))),
            ).lastrowid
            for name, artifact in artifacts.items():
                artifact_id = connection.execute(
                    "INSERT INTO artifacts (uri, schema_title, properties) VALUES (?, ?, ?)",
                    (artifact.uri, artifact.schema_title, json.dumps(artifact.properties)),
                ).lastrowid
                connection.execute(
                    "INSERT INTO outputs VALUES (?, ?, ?)", (execution_id, name, artifact_id)
                )
            return _read_outputs(connection, execution_id)

    def find(self, pipeline: str, fingerprint: str) -> Outputs | None:
        """Return the newest execution's outputs with a fingerprint, None without one."""
        with self._connection() as connection:
            row = connection.execute(
                "SELECT MAX(id) FROM executions WHERE pipeline = ? AND fingerprint = ?",
                (pipeline, fingerprint),
            ).fetchone()
            return None if row[0] is None else _read_outputs(connection, row[0])

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        # One per transaction: SQLite's connections stay in their thread.
        with (
            contextlib.closing(sqlite3.connect(self._file, timeout=60.0)) as connection,
            connection,  # commits, or rolls back
        ):
            yield connection


def _read_outputs(connection: sqlite3.Connection, execution_id: int | None) -> Outputs:
    rows = connection.execute(
        "SELECT name, id, uri, schema_title, properties FROM outputs"
        " JOIN artifacts ON artifact_id = id WHERE execution_id = ?",
        (execution_id,),
    )
    artifacts = {
        name: StoredArtifact(artifact_id, uri, title, json.loads(properties))
        for name, artifact_id, uri, title, properties in rows
    }
    (parameters,) = connection.execute(
        "SELECT parameters FROM executions WHERE id = ?", (execution_id,)
    ).fetchone()
    return Outputs(artifacts, json.loads(parameters))
