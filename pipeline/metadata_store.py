"""Where ML Metadata lives: SQLite beside the outputs, or a MySQL server."""

from __future__ import annotations

import os
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from contract.errors import InputError
from contract.settings import MetadataSettings


def connection_config(
    settings: MetadataSettings, sqlite_file: Path
) -> metadata_store_pb2.ConnectionConfig:
    """Return how to reach the metadata store.

    Args:
        settings: The backend and, for MySQL, the server.
        sqlite_file: The SQLite file; its folder is made. Unused for MySQL.

    Raises:
        InputError: When MySQL is asked for and its password variable is not set.
    """
    if settings.backend == "sqlite":
        sqlite_file.parent.mkdir(parents=True, exist_ok=True)
        return metadata.sqlite_metadata_connection_config(str(sqlite_file))
    password = os.environ.get(settings.mysql_password_env)
    if password is None:
        raise InputError(
            f"Expected the MySQL password in the environment variable "
            f"{settings.mysql_password_env}, got none. Set it, or name another variable with "
            "--set metadata.mysql_password_env=NAME."
        )
    return metadata.mysql_metadata_connection_config(
        host=settings.mysql_host,
        port=settings.mysql_port,
        database=settings.mysql_database,
        username=settings.mysql_user,
        password=password,
    )
