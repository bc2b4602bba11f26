"""A temporary MariaDB server, in a folder, for tests of the metadata store on MySQL."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import pymysql

PROGRAMS = ("mariadbd", "mariadb-install-db")
USER, PASSWORD = "pipeline", "s3cret"


def is_installed() -> bool:
    """Return whether Debian's mariadb-server, or another, is there."""
    return all(shutil.which(program) for program in PROGRAMS)


class MariaDb:
    """The server; a context manager. Its user may use and create `metadb` alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        me = getpass.getuser()
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--user={me}", "--skip-test-db",
             f"--datadir={self._folder / 'data'}", "--auth-root-authentication-method=normal"],
            check=True, capture_output=True,
        )  # fmt: skip
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["mariadbd", "--no-defaults", f"--user={me}",
                 f"--datadir={self._folder / 'data'}", f"--socket={self._folder / 's'}",
                 f"--pid-file={self._folder / 'pid'}", f"--port={self.port}",
                 "--bind-address=127.0.0.1"],
                stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        with self._connect() as connection, connection.cursor() as cursor:
            for host in ("localhost", "127.0.0.1"):
                cursor.execute(f"CREATE USER '{USER}'@'{host}' IDENTIFIED BY '{PASSWORD}'")
                cursor.execute(f"GRANT ALL ON metadb.* TO '{USER}'@'{host}'")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server, as by a power failure."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _connect(self) -> pymysql.Connection:
        for _ in range(600):
            if "ready for connections" in (self._folder / "log").read_text():
                return pymysql.connect(unix_socket=str(self._folder / "s"), user="root")
            time.sleep(0.1)
        raise AssertionError((self._folder / "log").read_text())
