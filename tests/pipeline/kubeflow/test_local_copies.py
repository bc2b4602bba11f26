from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.errors import InputError
from pipeline.kubeflow.local_copies import local_copies, with_locations
from tests.pipeline.kubeflow.s3_server import BUCKET, S3Server, empty_bucket, serve_s3


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with serve_s3() as url:
        yield url


@pytest.fixture
def s3(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    return empty_bucket(s3_url, monkeypatch)


def _destination(folder: str) -> str:
    return json.dumps({"filesystem": {"base_directory": folder}})


def test_paths_and_other_properties_stay() -> None:
    properties: dict[str, Any] = {
        "input_base": "/mnt/data/records/",
        "push_dir": "/mnt/data/serving",
        "push_destination": _destination("/mnt/data/serving"),
        "schema_file": "/mnt/data/schema.pbtxt",
        "data_dir": f"s3://{BUCKET}/not-one-of-them",
    }
    before = dict(properties)
    with local_copies(properties) as moved:
        assert properties == before
        assert moved == {}


def test_each_external_set_gets_a_folder(s3: S3Server) -> None:
    s3.write("adults/test/part-0.gz", b"1")
    folders = {"adults": f"s3://{BUCKET}/adults", "other": "/mnt/data/other"}
    properties = {"external_records": json.dumps(folders)}
    with local_copies(properties) as moved:
        found = json.loads(properties["external_records"])
        assert found["other"] == folders["other"]
        assert (Path(found["adults"]) / "test" / "part-0.gz").read_bytes() == b"1"
        assert moved == {found["adults"]: folders["adults"]}


def test_every_property_with_a_place_gets_a_folder(s3: S3Server) -> None:
    s3.write("records/train/part-0.gz", b"1")
    s3.write("serving/3/saved_model.pb", b"model")
    properties = {
        "input_base": f"s3://{BUCKET}/records/",
        "push_dir": f"s3://{BUCKET}/serving",
        "push_destination": _destination(f"s3://{BUCKET}/serving/"),
    }
    with local_copies(properties) as moved:
        records, baseline = Path(properties["input_base"]), Path(properties["push_dir"])
        base = json.loads(properties["push_destination"])["filesystem"]["base_directory"]
        assert (records / "train" / "part-0.gz").read_bytes() == b"1"
        for folder in (baseline, Path(base)):
            assert (folder / "3" / "saved_model.pb").read_bytes() == b"model"
        assert with_locations(f"{records}/train and {base}/3", moved) == (
            f"s3://{BUCKET}/records/train and s3://{BUCKET}/serving/3"
        )
    assert not records.exists()
    assert s3.all_keys() == ["records/train/part-0.gz", "serving/3/saved_model.pb"]


def test_an_error_of_the_task_names_the_location(s3: S3Server) -> None:
    properties = {"push_dir": f"s3://{BUCKET}/serving"}
    told = f"^expected a pushed model in s3://{BUCKET}/serving, got none$"
    with pytest.raises(InputError, match=told), local_copies(properties):
        raise InputError(f"expected a pushed model in {properties['push_dir']}, got none")


def test_a_file_of_the_image_is_found(repository: Path) -> None:
    properties = {"schema_file": "package:models/schema/schema.pbtxt"}
    with local_copies(properties):
        assert Path(properties["schema_file"]) == repository / "models/schema/schema.pbtxt"
    assert Path(properties["schema_file"]).is_file()
