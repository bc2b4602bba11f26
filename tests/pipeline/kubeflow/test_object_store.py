"""Folders on a disk, and in an object store over real HTTP.

Two pushes at the same time to one folder of an object store are not tried: they may take the
same number, as `local_push_dir` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs

from contract.errors import InputError
from pipeline.kubeflow.object_store import (
    list_files,
    local_data,
    local_push_dir,
    read_text,
    remove_file,
    write_text,
)
from serving.push_folder import push, pushed_versions
from tests.pipeline.kubeflow.s3_server import BUCKET, S3Server, empty_bucket, serve_s3

RECORDS = f"s3://{BUCKET}/data/records"
SERVING = f"s3://{BUCKET}/serving/pneumonia"
KEY = "serving/pneumonia"


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with serve_s3() as url:
        yield url


@pytest.fixture
def s3(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    return empty_bucket(s3_url, monkeypatch)


def _model(folder: Path, content: bytes = b"model") -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(content)
    (folder / "variables" / "variables.index").write_bytes(content)
    (folder / "zz_after_saved_model").write_bytes(content)
    return folder


def test_a_path_is_used_where_it_is(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")
    with local_data(absent) as data, local_push_dir(absent) as pushed:
        assert (data, pushed) == (absent, absent)
    assert not Path(absent).exists()


def test_records_are_fetched_with_their_folders_and_go_again(s3: S3Server) -> None:
    s3.write("data/records/train/part-0", b"one")
    s3.write("data/records/facts.json", b"{}")
    s3.write("data/records-of-another-run/train/part-0", b"not these")
    with local_data(f"{RECORDS}/") as folder:
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in Path(folder).rglob("*")
            if path.is_file()
        }
        assert files == {"train/part-0": b"one", "facts.json": b"{}"}
    assert not Path(folder).exists()


def test_the_empty_objects_that_consoles_make_for_folders_are_no_files(s3: S3Server) -> None:
    s3.write("data/records/")
    s3.write("data/records/train/")
    s3.write("data/records/train/part-0", b"one")
    with local_data(RECORDS) as folder:
        assert [path.name for path in Path(folder).rglob("*") if path.is_file()] == ["part-0"]


def test_versions_count_up_and_an_equal_model_is_not_pushed_again(
    s3: S3Server, tmp_path: Path
) -> None:
    first, second = _model(tmp_path / "a"), _model(tmp_path / "b", b"other")
    for model, version, is_new in ((first, 1, True), (second, 2, True), (second, 2, False)):
        with local_push_dir(SERVING) as folder:
            assert push(model, Path(folder)) == (version, is_new)
    files = ("saved_model.pb", "variables/variables.index", "zz_after_saved_model")
    assert s3.all_keys() == [f"{KEY}/{number}/{name}" for number in (1, 2) for name in files]
    assert s3.read(f"{KEY}/1/saved_model.pb") == b"model"
    assert s3.read(f"{KEY}/2/variables/variables.index") == b"other"


def test_only_the_newest_version_is_fetched_and_numbers_are_no_texts(s3: S3Server) -> None:
    for number in ("9", "10", "03", "٣", "latest"):
        s3.write(f"{KEY}/{number}/saved_model.pb", number.encode())
    with local_push_dir(SERVING) as folder:
        assert pushed_versions(folder) == [10]
        assert (Path(folder) / "10" / "saved_model.pb").read_bytes() == b"10"
        assert [path.name for path in Path(folder).iterdir()] == ["10"]


def test_the_saved_model_is_sent_last(
    s3: S3Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="werkzeug"), local_push_dir(SERVING) as folder:
        push(_model(tmp_path / "a"), Path(folder))
    requests = [record.getMessage() for record in caplog.records if record.name == "werkzeug"]
    sent = [line.split()[-4] for line in requests if '"PUT ' in line]
    assert sent == [
        f"/{BUCKET}/{KEY}/1/variables/variables.index",
        f"/{BUCKET}/{KEY}/1/zz_after_saved_model",
        f"/{BUCKET}/{KEY}/1/saved_model.pb",
    ]


def test_what_an_interrupted_push_left_is_no_version_but_keeps_its_number(
    s3: S3Server, tmp_path: Path
) -> None:
    s3.write(f"{KEY}/1/saved_model.pb", b"older")
    s3.write(f"{KEY}/2/variables/variables.data", b"of another model")
    with local_push_dir(SERVING) as folder:
        assert pushed_versions(folder) == [1]
        assert push(_model(tmp_path / "a"), Path(folder)) == (3, True)
    assert f"{KEY}/3/saved_model.pb" in s3.all_keys()
    assert f"{KEY}/2/saved_model.pb" not in s3.all_keys()


def test_a_task_that_fails_sends_nothing(s3: S3Server, tmp_path: Path) -> None:
    def fail() -> None:
        with local_push_dir(SERVING) as folder:
            push(_model(tmp_path / "a"), Path(folder))
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert s3.all_keys() == []


def test_small_files_on_a_disk(tmp_path: Path) -> None:
    _small_files(str(tmp_path / "runs" / "1"))
    assert list((tmp_path / "runs" / "1").rglob("*.txt")) == []


def test_small_files_in_an_object_store(s3: S3Server) -> None:
    _small_files(f"s3://{BUCKET}/runs/1")
    assert s3.all_keys() == []


def _small_files(folder: str) -> None:
    assert read_text(folder, "errors/Trainer.txt") is None
    assert list_files(folder) == []
    assert write_text(folder, "errors/Trainer.txt", "größer") == f"{folder}/errors/Trainer.txt"
    write_text(f"{folder}/", "b.txt", "old")
    write_text(folder, "b.txt", "new")
    assert list_files(folder) == ["b.txt", "errors/Trainer.txt"]
    assert list_files(f"{folder}/errors") == ["Trainer.txt"]
    assert read_text(folder, "errors/Trainer.txt") == "größer"
    assert read_text(folder, "b.txt") == "new"
    for name in list_files(folder):
        remove_file(folder, name)
    remove_file(folder, "never there")
    assert list_files(folder) == []
    assert read_text(folder, "b.txt") is None


def _fetch(location: str) -> None:
    with local_data(location):
        pass


def _push(location: str) -> None:
    with local_push_dir(location):
        pass


@pytest.mark.parametrize(
    ("use", "location"),
    [
        (_fetch, f"s3://{BUCKET}/absent"),
        (_fetch, "s3://no-such-bucket/records"),
        (_fetch, "ftps3://host/records"),
        (_push, "s3://no-such-bucket/serving"),
        (_push, "ftps3://host/serving"),
        (lambda location: write_text(location, "summary.json", "{}"), "s3://no-such-bucket/runs"),
        (lambda location: write_text(location, "summary.json", "{}"), "ftps3://host/runs"),
    ],
)
def test_a_place_that_cannot_be_used_is_told_with_the_remedy(use, location, s3: S3Server) -> None:
    with pytest.raises(InputError) as caught:
        use(location)
    assert f"folder at {location} that this pod can " in str(caught.value)
    assert "kubeflow.secrets" in str(caught.value)
    assert s3.buckets() == [BUCKET]  # a bucket's name that was mistyped makes none


def test_a_disk_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where the folder should be")
    with pytest.raises(InputError, match=f"folder at {tmp_path}/runs that this pod can write"):
        write_text(f"{tmp_path}/runs", "summary.json", "{}")


@pytest.mark.parametrize(
    "use",
    [
        _fetch,
        _push,
        lambda location: write_text(location, "summary.json", "{}"),
        lambda location: read_text(location, "summary.json"),
        lambda location: remove_file(location, "summary.json"),
    ],
)
def test_missing_credentials_are_told(
    use, s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(InputError, match=r"credentials in kubeflow\.secrets"):
        use(f"s3://{BUCKET}/folder")
