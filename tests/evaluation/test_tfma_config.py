"""The evaluation's configuration: what is bounded, where, and by how much."""

from __future__ import annotations

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_specs
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.utils import model_util

from contract.settings import GateSettings
from evaluation.tfma_config import create_eval_config

SETTINGS = GateSettings(
    min_recall=0.91, min_specificity=0.82, min_auc=0.93, max_recall_drop=0.04, max_auc_drop=0.05
)


def _bounds(config: config_pb2.EvalConfig) -> dict[tuple[str, str, bool], float]:
    thresholds = metric_specs.metric_thresholds_from_metrics_specs(
        config.metrics_specs, eval_config=config
    )
    bounds = {}
    for key, specs in thresholds.items():
        for slicing_spec, threshold in specs:
            # None would be every slice, and so the normal one.
            assert slicing_spec == config_pb2.SlicingSpec(), key
            value = threshold.absolute if key.is_diff else threshold.lower_bound
            bounds[(key.output_name, key.name, key.is_diff)] = round(value.value, 6)
    return bounds


def test_every_bound_is_asked_of_the_whole_split_only_and_of_what_is_served() -> None:
    assert _bounds(create_eval_config(SETTINGS)) == {
        ("called_pneumonia", "recall", False): 0.91,
        ("called_pneumonia", "recall", True): -0.04,
        ("called_pneumonia", "specificity", False): 0.82,
        ("probability", "auc", False): 0.93,
        ("probability", "auc", True): -0.05,
    }


def test_the_evaluator_keeps_change_thresholds_only_with_a_baseline() -> None:
    config = create_eval_config(SETTINGS)
    alone = tfma.utils.update_eval_config_with_defaults(
        config, has_baseline=False, rubber_stamp=True
    )
    assert not any(is_diff for _, _, is_diff in _bounds(alone))
    compared = tfma.utils.update_eval_config_with_defaults(config, has_baseline=True)
    assert {spec.name for spec in compared.model_specs} == {"candidate", "baseline"}
    tfma.utils.verify_eval_config(compared)


def test_slices_are_the_whole_and_those_of_subtype_size_sharpness_and_case() -> None:
    config = create_eval_config(SETTINGS)
    assert [list(spec.feature_keys) for spec in config.slicing_specs] == [
        [],
        ["subtype"],
        ["size_group"],
        ["sharpness_group"],
        ["case"],
    ]
    for model in config.model_specs:
        assert (model.signature_name, model.label_key) == ("serving_examples", "label")


def test_only_the_candidate_is_asked_what_it_refers() -> None:
    config = create_eval_config(SETTINGS)
    asked = {model.name: list(model.preprocessing_function_names) for model in config.model_specs}
    assert asked == {"candidate": ["cases"], "baseline": ["model_information"]}


def test_no_model_is_tried_as_a_keras_model_first():
    for spec in create_eval_config(SETTINGS).model_specs:
        # TFMA finds out, by loading it, where the type is "".
        assert model_util.get_model_type(spec, model_path="nowhere") == spec.model_type
        assert spec.model_type == tfma.TF_GENERIC
