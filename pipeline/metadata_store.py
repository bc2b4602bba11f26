"""Where ML Metadata lives: SQLite beside the outputs, or a MySQL server."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pymysql
from ml_metadata.proto import metadata_store_pb2
from pymysql.constants import ER
from tfx.orchestration import metadata

from contract.errors import InputError
from contract.settings import MetadataSettings

_TIMEOUT_S = 10


def connection_config(
    settings: MetadataSettings, sqlite_file: Path
) -> metadata_store_pb2.ConnectionConfig:
    """Return how to reach the metadata store, once a MySQL server has answered.

    Args:
        settings: The backend and, for MySQL, the server.
        sqlite_file: The SQLite file; its folder is made. Unused for MySQL.

    Raises:
        InputError: MySQL is configured, and its password variable is not set, or the server
            cannot be used with these settings.
    """
    if settings.backend == "sqlite":
        sqlite_file.parent.mkdir(parents=True, exist_ok=True)
        return metadata.sqlite_metadata_connection_config(str(sqlite_file))
    check_mysql(settings)
    return metadata.mysql_metadata_connection_config(
        host=settings.mysql_host,
        port=settings.mysql_port,
        database=settings.mysql_database,
        username=settings.mysql_user,
        password=_password(settings),
    )


def check_mysql(settings: MetadataSettings) -> None:
    """Log in to the MySQL server; the database is made where it is missing.

    ML Metadata itself reports a wrong password and an absent server alike, as an error without
    number or text.

    Raises:
        InputError: The server, the log-in or the database cannot be used.
    """
    server = f"{settings.mysql_host}:{settings.mysql_port}"
    try:
        _connect(settings, settings.mysql_database).close()
    except pymysql.err.OperationalError as error:
        number, text = error.args[0], str(error.args[-1])
        if number == ER.ACCESS_DENIED_ERROR:
            raise InputError(
                f"expected a MySQL server at {server} that takes the user {settings.mysql_user} "
                f"with the password in {settings.mysql_password_env}, got {text!r}. How to fix: "
                "correct metadata.mysql_user or the variable's value."
            ) from error
        if number not in (ER.BAD_DB_ERROR, ER.DBACCESS_DENIED_ERROR):
            raise InputError(
                f"expected a MySQL server at {server}, got {text!r}. How to fix: start it, or "
                "correct metadata.mysql_host and metadata.mysql_port; a run that it stopped goes "
                "on with the same command."
            ) from error
        _create_database(settings, server)


def _create_database(settings: MetadataSettings, server: str) -> None:
    name = settings.mysql_database.replace("`", "``")
    try:
        with _connect(settings, None) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE `{name}`")
    except pymysql.err.MySQLError as error:
        raise InputError(
            f"expected the database {settings.mysql_database} at {server}, or the right of "
            f"{settings.mysql_user} to create it, got {str(error.args[-1])!r}. How to fix: create "
            "the database, and grant the user all on it, or correct metadata.mysql_database."
        ) from error


@contextlib.contextmanager
def explained(settings: MetadataSettings) -> Iterator[None]:
    """Let an error that a lost MySQL server has caused say so.

    Args:
        settings: The backend and, for MySQL, the server.

    Raises:
        InputError: Something failed, and the server cannot be used any more.
    """
    try:
        yield
    except Exception:
        if settings.backend == "mysql":
            check_mysql(settings)
        raise


def _connect(settings: MetadataSettings, database: str | None) -> pymysql.Connection:
    return pymysql.connect(
        host=settings.mysql_host,
        port=settings.mysql_port,
        user=settings.mysql_user,
        password=_password(settings),
        database=database,
        connect_timeout=_TIMEOUT_S,
    )


def _password(settings: MetadataSettings) -> str:
    password = os.environ.get(settings.mysql_password_env)
    if password is None:
        raise InputError(
            f"expected the MySQL password in the environment variable "
            f"{settings.mysql_password_env}, got none. Set it, or name another variable with "
            "--set metadata.mysql_password_env=NAME."
        )
    return password
