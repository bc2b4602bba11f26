from __future__ import annotations

import dataclasses
import os

import pytest

from contract.settings import DataSettings
from ingestion.fingerprint import fingerprint_source, relevant_settings
from ingestion.records import Source, SourceImage

_SETTINGS = DataSettings()


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"1")
    return Source("folder", "somewhere", (SourceImage(str(path), "a", 0, "normal", "p"),))


def test_same_source_and_settings_have_the_same_fingerprint(source):
    assert fingerprint_source(source, _SETTINGS) == fingerprint_source(source, DataSettings())


@pytest.mark.parametrize(
    "change",
    [
        {"image_id": "b"},
        {"label": 1},
        {"subtype": "viral"},
        {"patient_id": "q"},
        {"source_split": "test"},
        {"patient_known": False},
    ],
)
def test_each_fact_counts(source, change):
    changed = dataclasses.replace(source, images=(dataclasses.replace(source.images[0], **change),))
    assert fingerprint_source(changed, _SETTINGS) != fingerprint_source(source, _SETTINGS)


@pytest.mark.parametrize("what", ["size", "time", "missing"])
def test_the_file_counts(source, what):
    before = fingerprint_source(source, _SETTINGS)
    path = source.images[0].path
    stat = path.stat()
    if what == "size":
        path.write_bytes(b"12")
        os.utime(path, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
    elif what == "time":
        os.utime(path, ns=(1, 1))
    else:
        path.unlink()
    assert fingerprint_source(source, _SETTINGS) != before


@pytest.mark.parametrize(
    "change",
    [
        {"validation_fraction": 0.2},
        {"test_fraction": 0.2},
        {"split_salt": "v2"},
        {"num_shards": 5},
        {"max_rejected_fraction": 0.5},
        {"cross_split_duplicates": "drop_from_train"},
        {"max_image_pixels": 1000},
    ],
)
def test_each_setting_that_shapes_the_result_counts(source, change):
    changed = DataSettings(**change)
    assert fingerprint_source(source, changed) != fingerprint_source(source, _SETTINGS)
    assert change.items() <= relevant_settings(changed).items()


def test_settings_of_later_steps_do_not_count(source):
    changed = DataSettings(min_prevalence=0.1)
    assert fingerprint_source(source, changed) == fingerprint_source(source, _SETTINGS)
