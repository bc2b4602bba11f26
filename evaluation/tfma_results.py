"""Reading of an evaluation artifact into plain data.

TFMA writes protocol buffers, with NaN where a figure is undefined, an AUC of 0 where a class is
absent and counts as floats. What leaves this module has None there, integers, and intervals.
"""

from __future__ import annotations

import math
from collections import defaultdict

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.proto import metrics_for_slice_pb2, validation_result_pb2

from contract import features
from evaluation import tfma_config as names
from evaluation.gate import Evaluation, ThresholdFailure
from evaluation.slice_metrics import OVERALL, SliceMetrics, slice_metrics_from_counts, slice_name

# Figures by (output, metric), as one model shows them on one slice.
_Figures = dict[tuple[str, str], float]

# TFMA leaves the name out where it evaluates one model only.
_CANDIDATE_NAMES = ("", constants.CANDIDATE_KEY)


def read_evaluation(path: str) -> Evaluation:
    """Read what the Evaluator wrote.

    Args:
        path: Folder of a ModelEvaluation artifact.

    Returns:
        The figures of the candidate, and of the baseline where there was one, by slice name, and
        TFMA's own verdict.

    Raises:
        ValueError: The confusion matrix does not add up to the number of examples.
    """
    candidate: dict[str, SliceMetrics] = {}
    baseline: dict[str, SliceMetrics] = {}
    for record in tfma.load_metrics(path):
        where = _slice_name(record.slice_key)
        for model, figures in _figures_by_model(record).items():
            slices = candidate if model in _CANDIDATE_NAMES else baseline
            slices[where] = _slice_metrics(figures, where)
    result = tfma.load_validation_result(path)
    return Evaluation(
        candidate=candidate,
        baseline=baseline or None,
        tfma_ok=result.validation_ok,
        failures=tuple(_failures(result)),
        missing_slices=tuple(_spec_name(spec) for spec in result.missing_slices),
    )


def _figures_by_model(record: metrics_for_slice_pb2.MetricsForSlice) -> dict[str, _Figures]:
    by_model: dict[str, _Figures] = defaultdict(dict)
    for item in record.metric_keys_and_values:
        if item.value.HasField("double_value") and not item.key.is_diff:
            key = (item.key.output_name, item.key.name)
            by_model[item.key.model_name][key] = item.value.double_value.value
    return by_model


def _slice_metrics(figures: _Figures, where: str) -> SliceMetrics:
    def probability(metric: str) -> float | None:
        return _finite(figures.get((features.PROBABILITY, metric)))

    def count(metric: str) -> int:
        return round(figures[(features.CALLED_PNEUMONIA, metric)])

    metrics = slice_metrics_from_counts(
        tp=count(names.TRUE_POSITIVES),
        fp=count(names.FALSE_POSITIVES),
        tn=count(names.TRUE_NEGATIVES),
        fn=count(names.FALSE_NEGATIVES),
        auc=probability(names.AUC),
        mean_probability=probability(names.MEAN_PROBABILITY),
        brier=probability(names.BRIER),
        log_loss=probability(names.LOG_LOSS),
    )
    num_examples = round(figures[("", names.EXAMPLE_COUNT)])
    if metrics.n != num_examples:
        raise ValueError(
            f"expected decisions for all {num_examples} examples of slice {where}, got {metrics.n}"
        )
    return metrics


def _failures(result: validation_result_pb2.ValidationResult) -> list[ThresholdFailure]:
    return [
        ThresholdFailure(
            metric=failure.metric_key.name,
            slice=_slice_name(validation.slice_key),
            is_change=failure.metric_key.is_diff,
            value=_finite(failure.metric_value.double_value.value)
            if failure.HasField("metric_value")
            else None,
            message=" ".join(failure.message.split()),
        )
        for validation in result.metric_validations_per_slice
        for failure in validation.failures
    ]


def _slice_name(key: metrics_for_slice_pb2.SliceKey) -> str:
    parts = []
    for part in key.single_slice_keys:
        value = getattr(part, part.WhichOneof("kind"))
        text = value.decode("utf-8") if isinstance(value, bytes) else str(value)
        parts.append(slice_name(part.column, text))
    return ", ".join(parts) or OVERALL


def _spec_name(spec: tfma.SlicingSpec) -> str:
    parts = list(spec.feature_keys)
    parts += [slice_name(key, value) for key, value in sorted(spec.feature_values.items())]
    return ", ".join(parts) or OVERALL


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
