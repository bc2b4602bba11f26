"""A zip of a source, unpacked with suspicion: it may come from anywhere, and from any system."""

from __future__ import annotations

import contextlib
import errno
import lzma
import os
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from contract.errors import InputError, one_line
from ingestion.unpacking import fingerprint_files, folder_name, unpack_once
from ingestion.walking import has_leftover, shown

_CHUNK_BYTES = 1 << 20
_ENCRYPTED = 0x1  # bit of a member's flags
_UTF_8_NAME = 0x800  # likewise
_DEFLATE_64 = 9
_READABLE_METHODS = (
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
    zipfile.ZIP_BZIP2,
    zipfile.ZIP_LZMA,
)
# Names of PKWARE's APPNOTE 4.4.5 for what programs of today write.
_OTHER_METHODS = {
    _DEFLATE_64: "Deflate64, as the Explorer of Windows writes for files over 2 GB",
    93: "Zstandard",
    95: "XZ",
    98: "PPMd",
    99: "AES encryption",
}
# What zipfile and its decompressors raise on bytes that are not a zip, or damaged.
_DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    IndexError,
    KeyError,
    OverflowError,
    ValueError,
    struct.error,
)
_MAX_NAME_BYTES = 255  # of Linux' file systems
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def unpack_archive(archive: Path, work_dir: Path, max_bytes: int) -> Path:
    """Unpack a zip under `work_dir`, or find it unpacked, and return the folder.

    Files keep the modification times that the zip gives, so that unpacking
    again gives the same source. What `ingestion.walking` passes over in folders is not unpacked.

    Args:
        archive: The zip.
        work_dir: Folder for intermediate files.
        max_bytes: Most bytes that may be written in all.

    Raises:
        InputError: The zip is damaged, encrypted or packed by a method that cannot be read, a
            member would leave the folder or is a link, it unpacks to more than `max_bytes`, or the
            folder cannot be written.
    """
    return unpack_once(
        work_dir,
        folder_name(archive, "unpacked"),
        fingerprint_files([archive]),
        lambda folder: _unpack(archive, folder, max_bytes),
    )


def _unpack(archive: Path, folder: Path, max_bytes: int) -> None:
    try:
        with _damage_is_named(archive), zipfile.ZipFile(archive) as opened:
            members = _checked_members(archive, opened.infolist())
            declared = sum(member.file_size for _, member in members)
            if declared > max_bytes:
                raise _too_large(archive, max_bytes, f"its members add up to {declared}")
            left = max_bytes
            for name, member in members:
                left -= _unpack_member(archive, opened, name, member, folder, left, max_bytes)
    except OSError as error:
        if error.errno is None:  # So says the decompressor of bzip2.
            raise _damaged(archive, error) from error
        fix = "choose another output folder, or unpack it yourself and give the folder"
        if error.errno in _NO_ROOM:
            fix = f"free some space, {fix}"
        elif error.errno == errno.EACCES and not os.access(archive, os.R_OK):
            fix = "fix its permissions"
        raise InputError(
            f"expected to unpack {shown(archive)} into {shown(folder)}: "
            f"{error.strerror or error}; {fix}"
        ) from error


@contextlib.contextmanager
def _damage_is_named(archive: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except _DAMAGES as error:
        raise _damaged(archive, error) from error


def _damaged(archive: Path, error: Exception) -> InputError:
    reason = one_line(error) or type(error).__name__
    fix = "download or make it again"
    if "multiple disks" in reason:
        fix = "join its parts into one zip, or unpack it yourself and give the folder"
    return InputError(f"expected a complete zip, got {shown(archive)}: {reason}; {fix}")


def _checked_members(
    archive: Path, members: Sequence[zipfile.ZipInfo]
) -> list[tuple[str, zipfile.ZipInfo]]:
    """Return the files that are to be unpacked, by their names, after checking what is in a zip."""
    files: dict[str, zipfile.ZipInfo] = {}
    folders: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        name = _portable_name(member)
        windows = PureWindowsPath(name)
        if ".." in windows.parts or windows.drive or windows.root or "\0" in name:
            raise InputError(
                f"expected names inside the zip's own folder, got {one_line(member.filename)!r} in "
                f"{shown(archive)}, which would be written elsewhere; do not trust this file, and "
                "get another"
            )
        path = PurePosixPath(name)
        if name.endswith("/") or not path.parts or has_leftover(path.parts):
            continue
        _check_readable(archive, member)
        if any(len(os.fsencode(part)) > _MAX_NAME_BYTES for part in path.parts):
            raise InputError(
                f"expected names of at most {_MAX_NAME_BYTES} bytes, got {member.filename[:40]!r}"
                f"... in {shown(archive)}; rename it, and make the zip again"
            )
        folders.update((parent.as_posix(), member) for parent in path.parents)
        if path.as_posix() in files:
            raise _named_twice(archive, member)
        files[path.as_posix()] = member
    for name in files.keys() & folders.keys():
        raise _named_twice(archive, files[name])
    return list(files.items())


def _check_readable(archive: Path, member: zipfile.ZipInfo) -> None:
    if stat.S_ISLNK(member.external_attr >> 16):
        raise InputError(
            f"expected files and folders only, got the link {one_line(member.filename)!r} in "
            f"{shown(archive)}; make the zip again with the linked file in its place"
        )
    if member.flag_bits & _ENCRYPTED:
        raise InputError(
            f"expected a zip without a password, got the encrypted "
            f"{one_line(member.filename)!r} in {shown(archive)}; unpack it yourself and give the "
            "folder"
        )
    if member.compress_type not in _READABLE_METHODS:
        method = _OTHER_METHODS.get(member.compress_type, "another one")
        raise InputError(
            f"expected a zip packed by Deflate, or not packed, got the method "
            f"{member.compress_type} ({method}) for {one_line(member.filename)!r} in "
            f"{shown(archive)}; unpack it yourself and give the folder, or pack it again, in "
            "7-Zip as `zip` with the method `Deflate`"
        )


def _portable_name(member: zipfile.ZipInfo) -> str:
    """Return a member's name, with `/` between folders and in Unicode."""
    name = member.filename
    if not member.flag_bits & _UTF_8_NAME:
        # macOS writes UTF-8 without saying so, which Python takes for DOS letters.
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")  # Some programs on Windows write backslashes.


def _unpack_member(
    archive: Path,
    opened: zipfile.ZipFile,
    name: str,
    member: zipfile.ZipInfo,
    folder: Path,
    left: int,
    max_bytes: int,
) -> int:
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file, opened.open(member) as packed:
        written = copy_at_most(packed, file, left)
    if written is None:
        raise _too_large(archive, max_bytes, f"{one_line(member.filename)!r} goes past it")
    modified_s = time.mktime((*member.date_time, 0, 0, -1))
    os.utime(target, (modified_s, modified_s))
    return written


def copy_at_most(source: IO[bytes], target: IO[bytes], max_bytes: int) -> int | None:
    """Copy a stream, and return the bytes written, or None as soon as they would pass `max_bytes`.

    The size in a zip's header may be wrong; what is counted here is what is written.
    """
    written = 0
    while chunk := source.read(_CHUNK_BYTES):
        written += len(chunk)
        if written > max_bytes:
            return None
        target.write(chunk)
    return written


def _named_twice(archive: Path, member: zipfile.ZipInfo) -> InputError:
    return InputError(
        f"expected each name once, got {one_line(member.filename)!r} again, as a file or as a "
        f"folder, in {shown(archive)}; unpack it yourself, look which one is meant, and "
        "give the folder"
    )


def _too_large(archive: Path, max_bytes: int, detail: str) -> InputError:
    return InputError(
        f"expected {shown(archive)} to unpack to at most {max_bytes} bytes, but {detail}; if you "
        "trust the file, raise data.max_archive_bytes"
    )
