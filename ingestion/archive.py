"""A zip of a source, unpacked with suspicion: it may come from anywhere."""

from __future__ import annotations

import os
import stat
import time
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from contract.errors import InputError
from ingestion.unpacking import fingerprint_files, unpack_once

_CHUNK_BYTES = 1 << 20
_ENCRYPTED = 0x1  # bit of a member's flags


def unpack_archive(archive: Path, work_dir: Path, max_bytes: int) -> Path:
    """Unpack a zip under `work_dir`, or find it unpacked, and return the folder.

    Files keep the modification times that the zip tells, so that unpacking
    again gives the same source.

    Args:
        archive: The zip.
        work_dir: Folder for intermediate files.
        max_bytes: Most bytes that may be written in all.

    Raises:
        InputError: The zip is damaged or encrypted, a member would leave the
            folder or is a link, it unpacks to more than `max_bytes`, or the
            folder cannot be written.
    """
    return unpack_once(
        work_dir,
        f"{archive.stem}-unpacked",
        fingerprint_files([archive]),
        lambda folder: _unpack(archive, folder, max_bytes),
    )


def _unpack(archive: Path, folder: Path, max_bytes: int) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            for member in members:
                _check_member(archive, member)
            declared = sum(member.file_size for member in members)
            if declared > max_bytes:
                raise _too_large(archive, max_bytes, f"its members add up to {declared}")
            left = max_bytes
            for member in members:
                if not member.is_dir():
                    left -= _unpack_member(archive, opened, member, folder, left, max_bytes)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise InputError(
            f"expected a complete zip, got {archive}: {error}; download or make it again"
        ) from error
    except OSError as error:
        raise InputError(
            f"expected to unpack {archive} into {folder}: {error.strerror or error}; free some "
            "space, choose another output folder, or unpack it yourself and give the folder"
        ) from error


def _check_member(archive: Path, member: zipfile.ZipInfo) -> None:
    name = _portable_name(member)
    windows = PureWindowsPath(name)
    if ".." in windows.parts or windows.drive or windows.root or "\0" in name:
        raise InputError(
            f"expected names inside the zip's own folder, got {member.filename!r} in {archive}, "
            "which would be written elsewhere; do not trust this file, and get another"
        )
    if stat.S_ISLNK(member.external_attr >> 16):
        raise InputError(
            f"expected files and folders only, got the link {member.filename!r} in {archive}; "
            "make the zip again with the linked file in its place"
        )
    if member.flag_bits & _ENCRYPTED:
        raise InputError(
            f"expected a zip without a password, got the encrypted {member.filename!r} in "
            f"{archive}; unpack it yourself and give the folder"
        )


def _portable_name(member: zipfile.ZipInfo) -> str:
    return member.filename.replace("\\", "/")  # Some programs on Windows write backslashes.


def _unpack_member(
    archive: Path,
    opened: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    folder: Path,
    left: int,
    max_bytes: int,
) -> int:
    target = folder / PurePosixPath(_portable_name(member))
    target.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(member) as packed, target.open("wb") as file:
        written = copy_at_most(packed, file, left)
    if written is None:
        raise _too_large(archive, max_bytes, f"{member.filename!r} goes past it")
    modified_s = time.mktime((*member.date_time, 0, 0, -1))
    os.utime(target, (modified_s, modified_s))
    return written


def copy_at_most(source: IO[bytes], target: IO[bytes], max_bytes: int) -> int | None:
    """Copy a stream, and return the bytes written, or None as soon as they would pass `max_bytes`.

    What a zip's header declares can be a lie; what is counted here is what is written.
    """
    written = 0
    while chunk := source.read(_CHUNK_BYTES):
        written += len(chunk)
        if written > max_bytes:
            return None
        target.write(chunk)
    return written


def _too_large(archive: Path, max_bytes: int, detail: str) -> InputError:
    return InputError(
        f"expected {archive} to unpack to at most {max_bytes} bytes, but {detail}; if you trust "
        "the file, raise data.max_archive_bytes"
    )
