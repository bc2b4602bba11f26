"""Reading what TFMA writes."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow_model_analysis.proto import (
    config_pb2,
    metrics_for_slice_pb2,
    validation_result_pb2,
)

from evaluation.slice_metrics import OVERALL, Estimate
from evaluation.tfma_results import read_evaluation

NAN = float("nan")

Figures = dict[tuple[str, str], float]


def _figures(tp: float, fp: float, tn: float, fn: float, **others: float) -> Figures:
    probability = {"auc": 0.97, "mean_prediction": 0.6, "brier": 0.05, "log_loss": 0.2} | others
    return {
        ("", "example_count"): tp + fp + tn + fn,
        ("called_pneumonia", "true_positives"): tp,
        ("called_pneumonia", "false_positives"): fp,
        ("called_pneumonia", "true_negatives"): tn,
        ("called_pneumonia", "false_negatives"): fn,
        ("called_pneumonia", "recall"): tp / (tp + fn) if tp + fn else NAN,
        **{("probability", name): value for name, value in probability.items()},
    }


def _add(
    record: metrics_for_slice_pb2.MetricsForSlice,
    model: str,
    figures: Figures,
    is_diff: bool = False,
) -> None:
    for (output, name), value in figures.items():
        item = record.metric_keys_and_values.add()
        item.key.name, item.key.output_name = name, output
        item.key.model_name, item.key.is_diff = model, is_diff
        item.value.double_value.value = value


def _overall(*models: tuple[str, Figures]) -> metrics_for_slice_pb2.MetricsForSlice:
    record = metrics_for_slice_pb2.MetricsForSlice()
    for model, figures in models:
        _add(record, model, figures)
    return record


def _write(
    folder: Path,
    records: list[metrics_for_slice_pb2.MetricsForSlice],
    result: validation_result_pb2.ValidationResult,
) -> str:
    with tf.io.TFRecordWriter(str(folder / "metrics-00000-of-00001.tfrecord")) as writer:
        for record in records:
            writer.write(record.SerializeToString())
    with tf.io.TFRecordWriter(str(folder / "validations.tfrecord")) as writer:
        writer.write(result.SerializeToString())
    return str(folder)


OK = validation_result_pb2.ValidationResult(validation_ok=True)


def test_a_lone_candidate_is_read_with_its_slices(tmp_path: Path) -> None:
    overall = _overall(("", _figures(tp=90, fp=20, tn=80, fn=10)))
    viral = _overall(("", _figures(tp=30, fp=0, tn=0, fn=2, auc=0.0)))
    key = viral.slice_key.single_slice_keys.add()
    key.column, key.bytes_value = "subtype", b"viral"
    evaluation = read_evaluation(_write(tmp_path, [viral, overall], OK))
    assert evaluation.tfma_ok
    assert evaluation.baseline is None
    assert evaluation.candidate.keys() == {OVERALL, "subtype=viral"}
    metrics = evaluation.candidate[OVERALL]
    assert (metrics.n, metrics.tp, metrics.fp, metrics.tn, metrics.fn) == (200, 90, 20, 80, 10)
    assert metrics.recall.value == 0.9
    assert (metrics.auc.value, metrics.brier, metrics.log_loss) == (0.97, 0.05, 0.2)
    # TFMA writes 0 for the area of one class; it is undefined.
    assert evaluation.candidate["subtype=viral"].auc == Estimate()


def test_the_baseline_is_told_from_the_candidate_and_differences_from_both(
    tmp_path: Path,
) -> None:
    record = _overall(
        ("candidate", _figures(tp=90, fp=20, tn=80, fn=10)),
        ("baseline", _figures(tp=95, fp=30, tn=70, fn=5)),
    )
    _add(record, "candidate", _figures(tp=-5, fp=-10, tn=10, fn=5), is_diff=True)
    evaluation = read_evaluation(_write(tmp_path, [record], OK))
    assert evaluation.candidate[OVERALL].tp == 90
    assert evaluation.baseline is not None
    assert evaluation.baseline[OVERALL].tp == 95


def test_nan_becomes_none(tmp_path: Path) -> None:
    figures = _figures(tp=0, fp=20, tn=80, fn=0, auc=NAN, brier=NAN, log_loss=float("inf"))
    metrics = read_evaluation(_write(tmp_path, [_overall(("", figures))], OK)).candidate[OVERALL]
    assert metrics.recall == Estimate()
    assert metrics.brier is None
    assert metrics.log_loss is None


def test_refused_bounds_and_slices_without_data_are_named(tmp_path: Path) -> None:
    result = validation_result_pb2.ValidationResult(validation_ok=False)
    failures = result.metric_validations_per_slice.add().failures
    low = failures.add()
    low.metric_key.name = "recall"
    low.metric_value.double_value.value = NAN
    dropped = failures.add()
    dropped.metric_key.name, dropped.metric_key.is_diff = "auc", True
    dropped.metric_value.double_value.value = -0.03
    absent = failures.add()
    absent.metric_key.name, absent.message = "specificity", "Metric not\n found."
    result.missing_slices.append(config_pb2.SlicingSpec())
    result.missing_slices.append(config_pb2.SlicingSpec(feature_values={"subtype": "viral"}))
    evaluation = read_evaluation(_write(tmp_path, [], result))
    assert not evaluation.tfma_ok
    found = [(f.metric, f.slice, f.is_change, f.value) for f in evaluation.failures]
    assert found == [
        ("recall", OVERALL, False, None),
        ("auc", OVERALL, True, -0.03),
        ("specificity", OVERALL, False, None),
    ]
    assert evaluation.failures[2].message == "Metric not found."
    assert evaluation.missing_slices == (OVERALL, "subtype=viral")
    assert evaluation.candidate == {}


def test_decisions_that_do_not_cover_all_examples_are_an_error(tmp_path: Path) -> None:
    figures = _figures(tp=90, fp=20, tn=80, fn=10) | {("", "example_count"): 201.0}
    path = _write(tmp_path, [_overall(("", figures))], OK)
    with pytest.raises(ValueError, match="all 201 examples of slice overall, got 200"):
        read_evaluation(path)
