"""What TFMA measures on the test split, per slice, and the bounds that it checks.

The model answers both questions itself: AUC and calibration are taken from its `probability`,
recall and its kin from `called_pneumonia`, the comparison with the threshold that it ships. TFMA's
own threshold of 0.5 then only separates decisions of 0 from decisions of 1.

Only the whole test split has bounds here. A bound without a slicing spec would also be asked of
the normal slice, whose recall is NaN, and NaN fails. Pneumonia slices are judged by
`components.gate`, which can say "too small to judge"; TFMA cannot.

What the model decides and what it refers to a person are slices, too (`features.CASE`). Nothing in
a record says which it is, so TFMA asks the model's signature `features.CASE_SIGNATURE`.
"""

from __future__ import annotations

import json

from tensorflow_model_analysis import constants
from tensorflow_model_analysis.proto import config_pb2

from contract import features
from contract.settings import GateSettings
from evaluation.gate import CHANGE_TOLERANCE

SLICE_FEATURES = (features.SUBTYPE, features.SIZE_GROUP, features.SHARPNESS_GROUP)

# Metric names, as an evaluation has them.
AUC = "auc"
RECALL = "recall"
SPECIFICITY = "specificity"
PRECISION = "precision"
ACCURACY = "accuracy"
TRUE_POSITIVES = "true_positives"
FALSE_POSITIVES = "false_positives"
TRUE_NEGATIVES = "true_negatives"
FALSE_NEGATIVES = "false_negatives"
MEAN_PROBABILITY = "mean_prediction"
CALIBRATION = "calibration"  # summed probability by number of positives; 1 is calibrated
BRIER = "brier"
LOG_LOSS = "log_loss"
EXAMPLE_COUNT = "example_count"

_AUC_THRESHOLDS = 10_000  # evenly spaced: the area is exact to about 1e-4
_DECISION_THRESHOLD = 0.5  # between the decisions 0 and 1


def create_eval_config(settings: GateSettings) -> config_pb2.EvalConfig:
    """Return the evaluation of the `serving_examples` signature under `settings`.

    It always has change thresholds; they take effect where the Evaluator gets a baseline.

    Args:
        settings: The gate's bounds.

    Returns:
        Metrics, slices and thresholds for TFMA.
    """
    overall = config_pb2.SlicingSpec()
    return config_pb2.EvalConfig(
        # By TFX's names. Cases are the candidate's: nothing is sliced by what a baseline refers.
        # Without its type TFMA first tries to load each as a Keras model, which it is not.
        model_specs=[
            config_pb2.ModelSpec(
                name=constants.CANDIDATE_KEY,
                model_type=constants.TF_GENERIC,
                signature_name=features.EXAMPLES_SIGNATURE,
                label_key=features.LABEL,
                preprocessing_function_names=[features.CASE_SIGNATURE],
            ),
            config_pb2.ModelSpec(
                name=constants.BASELINE_KEY,
                model_type=constants.TF_GENERIC,
                signature_name=features.EXAMPLES_SIGNATURE,
                label_key=features.LABEL,
                is_baseline=True,
                # It is asked something, too, which costs nothing and slices nothing. Where one of
                # two models gives an output, TFMA leaves the model's name out, and then looks for
                # slices under that name (`ModelSignaturesDoFn` and `ExtractSliceKeysFn` of 0.52).
                preprocessing_function_names=[features.INFORMATION_SIGNATURE],
            ),
        ],
        slicing_specs=[overall]
        + [
            config_pb2.SlicingSpec(feature_keys=[feature])
            for feature in (*SLICE_FEATURES, features.CASE)
        ],
        metrics_specs=[
            config_pb2.MetricsSpec(metrics=[_metric("ExampleCount", EXAMPLE_COUNT)]),
            config_pb2.MetricsSpec(
                output_names=[features.PROBABILITY],
                metrics=[
                    _bounded(
                        _metric("AUC", AUC, num_thresholds=_AUC_THRESHOLDS),
                        at_least=settings.min_auc,
                        max_drop=settings.max_auc_drop,
                    ),
                    _metric("BinaryCrossentropy", LOG_LOSS),
                    _metric("MeanSquaredError", BRIER),
                    _metric("MeanPrediction", MEAN_PROBABILITY),
                    _metric("Calibration", CALIBRATION),
                    _metric("CalibrationPlot", "calibration_plot"),
                ],
            ),
            config_pb2.MetricsSpec(
                output_names=[features.CALLED_PNEUMONIA],
                metrics=[
                    _bounded(
                        _at_decision("Recall", RECALL),
                        at_least=settings.min_recall,
                        max_drop=settings.max_recall_drop,
                    ),
                    _bounded(
                        _at_decision("Specificity", SPECIFICITY), at_least=settings.min_specificity
                    ),
                    _at_decision("Precision", PRECISION),
                    # The one metric that spells its argument in the singular.
                    _metric("BinaryAccuracy", ACCURACY, threshold=_DECISION_THRESHOLD),
                    _at_decision("TruePositives", TRUE_POSITIVES),
                    _at_decision("FalsePositives", FALSE_POSITIVES),
                    _at_decision("TrueNegatives", TRUE_NEGATIVES),
                    _at_decision("FalseNegatives", FALSE_NEGATIVES),
                ],
            ),
        ],
        options=config_pb2.Options(include_default_metrics={"value": False}),
    )


def _metric(class_name: str, name: str, **arguments: float) -> config_pb2.MetricConfig:
    config = json.dumps({"name": name, **arguments}, sort_keys=True)
    return config_pb2.MetricConfig(class_name=class_name, config=config)


def _at_decision(class_name: str, name: str) -> config_pb2.MetricConfig:
    return _metric(class_name, name, thresholds=_DECISION_THRESHOLD)


def _bounded(
    metric: config_pb2.MetricConfig, *, at_least: float, max_drop: float | None = None
) -> config_pb2.MetricConfig:
    threshold = config_pb2.MetricThreshold(
        value_threshold=config_pb2.GenericValueThreshold(lower_bound={"value": at_least})
    )
    if max_drop is not None:
        threshold.change_threshold.CopyFrom(
            config_pb2.GenericChangeThreshold(
                absolute={"value": -(max_drop + CHANGE_TOLERANCE)},
                direction=config_pb2.MetricDirection.HIGHER_IS_BETTER,
            )
        )
    metric.per_slice_thresholds.append(
        config_pb2.PerSliceMetricThreshold(
            slicing_specs=[config_pb2.SlicingSpec()], threshold=threshold
        )
    )
    return metric
