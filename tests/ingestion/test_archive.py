from __future__ import annotations

import io
import os
import shutil
import stat
import struct
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


def _with_names(path, names, flags=0):
    """Write a zip whose members have exactly these bytes as names."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, _ in enumerate(names):
            archive.writestr(f"{number:04d}".ljust(len(names[number]), "_"), f"{number}".encode())
    data = path.read_bytes()
    for number, name in enumerate(names):
        data = data.replace(f"{number:04d}".ljust(len(name), "_").encode(), name)
    path.write_bytes(data)
    return path


def test_a_zip_of_windows_has_backslashes_and_entries_for_folders(tmp_path):
    names = [b"train\\", b"train\\NORMAL\\", b"train\\NORMAL\\1.png", b"./train/NORMAL/2.png"]
    folder = unpack_archive(_with_names(tmp_path / "a.zip", names), tmp_path / "work", _LIMIT)
    assert (folder / "train/NORMAL/1.png").read_bytes() == b"2"
    assert (folder / "train/NORMAL/2.png").read_bytes() == b"3"


def test_names_that_macos_wrote_as_utf8_without_saying_so(tmp_path):
    names = ["Mu\u0308ller.png".encode(), b"r\x94ntgen.png"]  # decomposed, and of DOS
    folder = unpack_archive(_with_names(tmp_path / "a.zip", names), tmp_path / "work", _LIMIT)
    assert {path.name for path in folder.glob("*.png")} == {"Mu\u0308ller.png", "röntgen.png"}


def test_leftovers_are_not_unpacked(tmp_path):
    members = {
        "x/1": b"one",
        "__MACOSX/x/._1": b"",
        "x/.DS_Store": b"",
        "x/Thumbs.db": b"",
        "x/Icon\r": b"",
    }
    folder = unpack_archive(_zip(tmp_path / "a.zip", members), tmp_path / "work", _LIMIT)
    assert {path.name for path in folder.rglob("*")} == {".complete", "x", "1"}


def _with_method(path, method):
    archive = _zip(path, {"a/1.png": b"one"})
    data = bytearray(archive.read_bytes())
    data[8:10] = struct.pack("<H", method)
    at = data.index(b"PK\x01\x02") + 10
    data[at : at + 2] = struct.pack("<H", method)
    archive.write_bytes(data)
    return archive


@pytest.mark.parametrize(
    ("method", "name"), [(9, "Deflate64"), (93, "Zstandard"), (98, "PPMd"), (250, "another one")]
)
def test_a_method_that_cannot_be_read_is_named_with_the_remedy(tmp_path, method, name):
    with pytest.raises(
        InputError, match=rf"got the method {method} \({name}.*'a/1\.png'.*a\.zip.*pack it again"
    ) as refused:
        unpack_archive(_with_method(tmp_path / "a.zip", method), tmp_path / "work", _LIMIT)
    assert "download" not in str(refused.value)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_STORED])
def test_other_methods_of_python_are_read(tmp_path, method):
    archive = _zip(tmp_path / "a.zip", {"1": b"one"}, method)
    assert (unpack_archive(archive, tmp_path / "work", _LIMIT) / "1").read_bytes() == b"one"


@pytest.mark.parametrize("names", [[b"xray", b"xray/b"], [b"xray/b", b"xray"], [b"x/aa", b"x\\aa"]])
def test_a_name_that_comes_twice_is_refused(tmp_path, names):
    with pytest.raises(InputError, match=r"expected each name once, got 'x"):
        unpack_archive(_with_names(tmp_path / "a.zip", names), tmp_path / "work", _LIMIT)


def test_a_name_that_is_too_long_for_the_disk_is_named(tmp_path):
    archive = _with_names(tmp_path / "a.zip", [b"x" * 300])
    with pytest.raises(InputError, match="expected names of at most 255 bytes, got 'xxx"):
        unpack_archive(archive, tmp_path / "work", _LIMIT)


def test_a_zip_with_a_long_name_of_its_own_is_read(tmp_path):
    archive = _zip(tmp_path / f"{'ü' * 120}.zip", {"1": b"one"})
    assert (unpack_archive(archive, tmp_path / "work", _LIMIT) / "1").read_bytes() == b"one"


def test_a_zip_whose_name_is_no_utf8_is_read(tmp_path):
    archive = _zip(tmp_path / os.fsdecode(b"r\xf6ntgen.zip"), {"1": b"one"})
    folder = unpack_archive(archive, tmp_path / "work", _LIMIT)
    assert folder.name == r"r\xf6ntgen-unpacked"


def test_a_full_disk_and_a_zip_that_cannot_be_read_are_told_apart(tmp_path, monkeypatch):
    archive = _zip(tmp_path / "a.zip", {"1": b"one"})

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "open", fail)
    with pytest.raises(InputError, match="No space left on device; free some space"):
        unpack_archive(archive, tmp_path / "work", _LIMIT)


@st.composite
def _damaged_zips(draw):
    buffer = io.BytesIO()
    methods = st.sampled_from(
        [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    )
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("x/1.png", "x\\2.png", "Müller"):
            archive.writestr(name, bytes(range(60)) * 3, draw(methods))
    data = bytearray(buffer.getvalue())
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@pytest.mark.slow
@settings(
    max_examples=400, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.one_of(st.binary(max_size=200), _damaged_zips()))
def test_any_bytes_end_in_files_inside_the_folder_or_in_an_input_error(tmp_path, data):
    archive = tmp_path / "any.zip"
    archive.write_bytes(data)
    work = tmp_path / "work"
    try:
        folder = unpack_archive(archive, work, _LIMIT)
    except InputError:
        assert list(work.iterdir()) == []
    else:
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= _LIMIT
        shutil.rmtree(work)
    assert {path.name for path in tmp_path.iterdir()} <= {"any.zip", "work"}
