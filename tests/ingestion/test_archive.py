from __future__ import annotations

import io
import stat
import struct
import zipfile

import pytest

from contract.errors import InputError
from ingestion.archive import copy_at_most, unpack_archive

_LIMIT = 1_000_000


def _zip(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_files_come_out_as_they_went_in(tmp_path):
    archive = _zip(tmp_path / "a.zip", {"x/y/1": b"one", "x/2": b"two", "empty/": b""})
    folder = unpack_archive(archive, tmp_path / "work", _LIMIT)
    assert (folder / "x/y/1").read_bytes() == b"one"
    assert (folder / "x/2").read_bytes() == b"two"


def test_second_time_reuses_and_a_new_zip_replaces(tmp_path):
    archive = _zip(tmp_path / "a.zip", {"1": b"one"})
    folder = unpack_archive(archive, tmp_path / "work", _LIMIT)
    (folder / "witness").write_text("still the same folder")
    assert (unpack_archive(archive, tmp_path / "work", _LIMIT) / "witness").exists()
    _zip(archive, {"1": b"another"})
    folder = unpack_archive(archive, tmp_path / "work", _LIMIT)
    assert not (folder / "witness").exists()
    assert (folder / "1").read_bytes() == b"another"


def test_unpacking_again_keeps_the_times_of_files(tmp_path):
    archive = _zip(tmp_path / "a.zip", {"1": b"one"})
    times = [
        (unpack_archive(archive, tmp_path / work, _LIMIT) / "1").stat().st_mtime_ns
        for work in ("first", "second")
    ]
    assert times[0] == times[1]


@pytest.mark.parametrize(
    "name",
    ["../evil", "x/../../evil", "/evil", "C:/evil", "..\\evil", "x\\..\\..\\evil", "C:\\evil"],
)
def test_names_that_leave_the_folder_are_refused(tmp_path, name):
    archive = _zip(tmp_path / "a.zip", {"ok": b"fine", name: b"evil"})
    with pytest.raises(InputError, match=r"expected names inside the zip's own folder, got .*evil"):
        unpack_archive(archive, tmp_path / "work", _LIMIT)
    assert not list(tmp_path.rglob("evil"))
    assert list((tmp_path / "work").iterdir()) == []


def test_links_are_refused_by_name(tmp_path):
    link = zipfile.ZipInfo("train/NORMAL/link.jpeg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match=r"got the link 'train/NORMAL/link\.jpeg'"):
        unpack_archive(tmp_path / "a.zip", tmp_path / "work", _LIMIT)


def test_bomb_is_refused_before_it_is_written(tmp_path):
    archive = _zip(tmp_path / "a.zip", {f"{i}": b"\0" * 300_000 for i in range(4)})
    assert archive.stat().st_size < 10_000
    with pytest.raises(
        InputError,
        match=r"at most 1000000 bytes, but its members add up to 1200000.*max_archive_bytes",
    ):
        unpack_archive(archive, tmp_path / "work", _LIMIT)
    assert not list((tmp_path / "work").rglob("0"))


def test_bomb_that_lies_about_its_size_is_refused(tmp_path):
    archive = _zip(tmp_path / "a.zip", {"1": b"\0" * 2_000_000})
    honest = struct.pack("<I", 2_000_000)
    data = archive.read_bytes()
    assert data.count(honest) == 2  # in the local and in the central header
    archive.write_bytes(data.replace(honest, struct.pack("<I", 10)))
    with pytest.raises(InputError, match="expected a complete zip"):
        unpack_archive(archive, tmp_path / "work", _LIMIT)
    written = sum(
        path.stat().st_size for path in tmp_path.rglob("*") if path != archive and path.is_file()
    )
    assert written <= _LIMIT


def test_copy_stops_at_the_limit_on_what_is_written():
    target = io.BytesIO()
    assert copy_at_most(io.BytesIO(b"x" * 3_000_000), target, 2_000_000) is None
    assert len(target.getvalue()) <= 2_000_000
    assert copy_at_most(io.BytesIO(b"x" * 3_000_000), io.BytesIO(), 3_000_000) == 3_000_000


@pytest.mark.parametrize("damage", ["truncated", "flipped", "text"])
def test_damaged_zip_is_refused(tmp_path, damage):
    archive = _zip(tmp_path / "a.zip", {"1": bytes(range(256)) * 40}, zipfile.ZIP_STORED)
    data = bytearray(archive.read_bytes())
    if damage == "truncated":
        data = data[:5000]
    elif damage == "flipped":
        data[2000] ^= 0xFF
    else:
        data = bytearray(b"this is no zip")
    archive.write_bytes(data)
    with pytest.raises(InputError, match=r"expected a complete zip, got .*a\.zip.*again"):
        unpack_archive(archive, tmp_path / "work", _LIMIT)


def test_encrypted_zip_is_refused(tmp_path):
    archive = _zip(tmp_path / "a.zip", {"1": b"secret"})
    data = bytearray(archive.read_bytes())
    data[6] |= 1  # flags in the local header
    data[data.index(b"PK\x01\x02") + 8] |= 1  # and in the central one
    archive.write_bytes(data)
    with pytest.raises(
        InputError, match="expected a zip without a password, got the encrypted '1'"
    ):
        unpack_archive(archive, tmp_path / "work", _LIMIT)
