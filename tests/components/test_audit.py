import io
import logging

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from PIL import Image
from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.audit import read_split
from contract import features
from contract.facts import Measured
from contract.settings import DataSettings
from evaluation.data_audit import (
    audit_records,
    audit_shortcuts,
    audit_splits,
    describe_anomalies,
)
from ingestion.measurement import measure_records
from ingestion.tfrecord_file import encode_example, write_gzip_records


def fit_splits():
    return {
        "train": (np.array([0, 1, 1, 0]), ["a", "b", "b", "c"]),
        "validation": (np.array([0, 1]), ["d", "e"]),
        "test": (np.array([1, 0]), ["f", "g"]),
    }


def test_fit_records_have_no_failures():
    assert audit_records(fit_splits(), DataSettings()) == []


@pytest.mark.parametrize(
    ("split", "records", "messages"),
    [
        ("test", (np.array([1, 0]), ["a", "g"]), ["`train` and `test`", "got 1: a."]),
        ("test", (np.zeros(0, np.int64), []), ["`test`: expected records, got none"]),
        ("validation", (np.array([1, 1]), ["d", "e"]), ["`validation`", "no normal among 2"]),
        ("train", (np.array([0, 0]), ["a", "b"]), ["`train`", "no pneumonia among 2"]),
        (
            "train",
            (np.array([1] * 39 + [0]), [f"p{i}" for i in range(40)]),
            ["`train`", "[0.05, 0.95], got 0.975", "data.max_prevalence"],
        ),
    ],
)
def test_each_fault_is_named(split, records, messages):
    failures = audit_records({**fit_splits(), split: records}, DataSettings())
    assert len(failures) == 1
    for message in messages:
        assert message in failures[0]


def test_many_shared_patients_are_counted_and_some_are_named():
    patients = [f"p{i}" for i in range(9)]
    labels = np.array([0, 1] * 4 + [0])
    splits = {"train": (labels, patients), "test": (labels, patients)}
    (failure,) = audit_records(splits, DataSettings())
    assert "got 9: p0, p1, p2, p3, p4 and 4 more" in failure


def test_several_faults_are_told_at_once():
    splits = fit_splits()
    splits["train"] = (np.array([1, 1]), ["d", "f"])
    assert len(audit_records(splits, DataSettings())) == 3


def test_a_split_is_read_from_its_files(tmp_path):
    def record(label, patient):
        feature = {
            features.LABEL: tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            features.PATIENT_ID: tf.train.Feature(bytes_list=tf.train.BytesList(value=[patient])),
        }
        return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()

    gzip = tf.io.TFRecordOptions(compression_type="GZIP")
    for name, rows in {"a.gz": [(0, b"x"), (1, b"y")], "b.gz": [(1, b"z")]}.items():
        with tf.io.TFRecordWriter(str(tmp_path / name), gzip) as writer:
            for row in rows:
                writer.write(record(*row))
    labels, patients = read_split(str(tmp_path))
    assert labels.tolist() == [0, 1, 1]
    assert patients == ["x", "y", "z"]


def test_an_empty_split_reads_as_empty(tmp_path):
    labels, patients = read_split(str(tmp_path))
    assert len(labels) == 0
    assert patients == []


def test_strong_shortcuts_are_a_warning_and_test_is_not_asked(tmp_path, caplog):
    def record(label, grey):
        buffer = io.BytesIO()
        Image.new("L", (64, 64), grey).save(buffer, "PNG")
        values = {"image_bytes": buffer.getvalue(), "height": 64, "width": 64, "label": label}
        return encode_example({**values, "image_id": b"x", "patient_id": b"x"})

    folders = {split: tmp_path / split for split in features.SPLITS}
    for split, folder in folders.items():
        folder.mkdir()
        turned = int(split == "test")  # dark pneumonia there, bright elsewhere
        records = [record(label, 50 + 100 * (label ^ turned)) for label in (0, 1)]
        write_gzip_records(folder / "data.gz", records)
    counts = dict.fromkeys(features.SPLITS, 2)

    with caplog.at_level(logging.WARNING, "components.audit"):
        report = audit_shortcuts(measure_records(folders, counts), DataSettings())
    shortcuts = {shortcut.name: shortcut for shortcut in report.shortcuts}
    assert report.n == 4
    assert (shortcuts["mean_grey"].auc, shortcuts["mean_grey"].strong) == (1.0, True)
    warnings = [entry.getMessage() for entry in caplog.records]
    assert len(warnings) == len(report.strong)
    assert any("`mean_grey`" in warning for warning in warnings)
    caplog.clear()
    cancelled = {**folders, "validation": folders["test"]}
    with caplog.at_level(logging.WARNING, "components.audit"):
        report = audit_shortcuts(measure_records(cancelled, counts), DataSettings())
    assert {shortcut.name: shortcut.auc for shortcut in report.shortcuts}["mean_grey"] == 0.5
    assert not any("`mean_grey`" in entry.getMessage() for entry in caplog.records)


def test_a_split_that_was_made_differently_is_a_warning(caplog):
    def split(mean_grey):
        rng = np.random.default_rng(int(mean_grey))
        statistics = [{"mean_grey": grey} for grey in rng.normal(mean_grey, 5.0, 80)]
        owners = [f"{mean_grey}-{number}" for number in range(80)]
        return Measured(statistics, np.arange(80) % 2, owners)

    measured = {"train": split(100.0), "validation": split(100.5), "test": split(120.0)}
    with caplog.at_level(logging.WARNING, "components.audit"):
        report = audit_splits(measured, DataSettings())
    assert [each.second for each in report.differences if each.strong] == ["test", "test"]
    warnings = [entry.getMessage() for entry in caplog.records]
    assert len(warnings) == 2
    assert "normal images of train and test can be distinguished" in warnings[0]
    caplog.clear()
    with caplog.at_level(logging.WARNING, "components.audit"):
        audit_splits(measured, DataSettings(split_warning_auc=1.0))
    assert caplog.records == []


def test_anomalies_become_sentences(tmp_path):
    found = text_format.Parse(
        'anomaly_info { key: "label" value { description: "Out of range: 2." } }',
        anomalies_pb2.Anomalies(),
    )
    path = tmp_path / "SchemaDiff.pb"
    path.write_bytes(found.SerializeToString())
    (sentence,) = describe_anomalies("train", str(path))
    assert sentence.startswith("Split `train`, feature `label`: Out of range: 2.")
    path.write_bytes(anomalies_pb2.Anomalies().SerializeToString())
    assert describe_anomalies("train", str(path)) == []
