"""One run at a time in a folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from contract.errors import InputError


@contextlib.contextmanager
def locked_folder(
    folder: Path, *, replaced: bool = False, option: str = "--output"
) -> Iterator[None]:
    """Keep other runs out of a folder while the body runs.

    The lock is a file, which is removed at the end. The operating system frees it with the process
    that holds it, however that ends, and on a network file system it holds between machines.

    Args:
        folder: The folder, made with those above it where missing.
        replaced: Whether the body replaces the folder as a whole. The lock is then beside it, where
            the body must be allowed to write anyway, and the folder itself is not made.
        option: By which a user gives it, for messages.

    Raises:
        InputError: Another run has it, or the place cannot be written.
    """
    folder = folder.resolve()
    lock = folder.parent / f".{folder.name}.lock" if replaced else folder / ".lock"
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _acquire(lock)
    except BlockingIOError as error:
        raise InputError(
            f"expected a folder in which nothing runs, got {folder}: another run works in this "
            f"folder ({_holder(lock)}); wait until it ends, or choose another {option}"
        ) from error
    except OSError as error:
        raise InputError(
            f"expected a folder that can be written, got {lock.parent}: "
            f"{error.strerror or error}; choose another {option}, or fix its permissions"
        ) from error
    try:
        yield
    finally:
        # First the name, then the lock: who opened the file before sees that it has no name.
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(lock: Path) -> int:
    """Return the descriptor of the locked file; raises `BlockingIOError` where another has it."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_named(descriptor, lock):
                os.ftruncate(descriptor, 0)
                holder = f"process {os.getpid()} on {os.uname().nodename}"
                os.write(descriptor, f"{holder}, since {time.strftime('%H:%M:%S')}".encode())
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # The run before has just ended, and removed this file.


def _is_named(descriptor: int, lock: Path) -> bool:
    try:
        named = lock.stat()
    except FileNotFoundError:
        return False
    status = os.fstat(descriptor)
    return (status.st_dev, status.st_ino) == (named.st_dev, named.st_ino)


def _holder(lock: Path) -> str:
    try:
        return lock.read_text(encoding="utf-8") or "just started"
    except OSError:
        return "just started"
