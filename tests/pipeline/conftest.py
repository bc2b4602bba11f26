"""A made-up run, for the tests of the summary and of the report."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.summary import Summary, notice_for


def _estimate(value: float | None, margin: float) -> dict[str, float | None]:
    if value is None:
        return {"value": None, "low": None, "high": None}
    return {"value": value, "low": max(0.0, value - margin), "high": min(1.0, value + margin)}


def _metrics(n: int, positives: int, recall: float | None, specificity: float | None) -> Any:
    both = recall is not None and specificity is not None
    tp, tn = round(positives * (recall or 0.0)), round((n - positives) * (specificity or 0.0))
    return {
        "n": n,
        "positives": positives,
        "tp": tp,
        "fn": positives - tp,
        "tn": tn,
        "fp": n - positives - tn,
        "recall": _estimate(recall, 0.021),
        "specificity": _estimate(specificity, 0.034),
        "precision": _estimate(0.947 if positives else None, 0.019),
        "accuracy": _estimate(0.941, 0.017),
        "auc": _estimate(0.981 if both else None, 0.009),
        "mean_probability": 0.7,
        "prevalence": positives / n,
        "brier": 0.3312,
        "log_loss": 0.2,
    }


def _split_metrics() -> Any:
    return {
        "overall": _metrics(782, 581, 0.967, 0.866),
        "slices": {
            "subtype=bacterial": _metrics(379, 379, 0.987, None),
            "subtype=normal": _metrics(201, 0, None, 0.866),
            "subtype=unknown": _metrics(4, 4, 0.75, None),
            "subtype=viral": _metrics(198, 198, 0.929, None),
            "size_group=1000_px_and_over": _metrics(401, 300, 0.97, 0.88),
            "size_group=500_to_999_px": _metrics(300, 220, 0.965, 0.85),
            "size_group=under_500_px": _metrics(81, 61, 0.95, 0.84),
            "sharpness_group=sharp": _metrics(260, 90, 0.93, 0.9),
        },
    }


def _check(
    name: str, slice_name: str, value: float | None, bound: float | None, **more: Any
) -> Any:
    passed = value is None or bound is None or value >= bound
    return {
        "name": name,
        "slice": slice_name,
        "metric": "recall",
        "value": value,
        "bound": bound,
        "comparison": "at least",
        "verdict": "passed" if passed else "failed",
        "n": 581,
        **more,
    }


def _coverage(images: int, unfamiliar: int | None, uncertain: int | None) -> Any:
    return {
        "n": images,
        "num_unfamiliar": unfamiliar,
        "num_uncertain": uncertain,
        "share": _estimate((images - 68) / images, 0.02),
        "decided": _metrics(images - 68, 540, 0.991, 0.987),
    }


def _site(group: str, recall: float, specificity: float | None) -> Any:
    def share(value: float | None) -> Any:
        low, high = (None, None) if value is None else (value - 0.08, 1.0)
        return {"value": value, "low": low, "high": high}

    return {
        "scheme": "sharpness",
        "group": group,
        "positives": 97,
        "negatives": 31 if specificity else 0,
        "recall": share(recall),
        "specificity": share(specificity),
        "held_out_threshold": 0.4,
        "held_out_recall": share(recall),
        "held_out_specificity": share(specificity),
    }


def _shortcut(name: str, auc: float, direction: str) -> Any:
    interval = {"low": auc - 0.011, "high": auc + 0.01}
    return {"name": name, "auc": auc, **interval, "direction": direction, "strong": auc >= 0.75}


def _trial(score: float | None, **hyperparameters: float) -> Any:
    return {"score": score, "hyperparameters": hyperparameters}


def _split_counts(images: int, patients: int) -> Any:
    normal, bacterial = images // 4, images // 2
    return {
        "images": images,
        "patients": patients,
        "by_label": {"normal": normal, "pneumonia": images - normal},
        "by_subtype": {
            "normal": normal,
            "bacterial": bacterial,
            "viral": images - normal - bacterial,
            "unknown": 0,
        },
        "by_size_group": {},
    }


@pytest.fixture
def summary_fields() -> dict[str, Any]:
    """The fields of a run on real images whose model was blessed and pushed."""
    return {
        "verdict": "blessed",
        "run_id": "2026-07-25T10:00:00",
        "ended": "2026-07-25T10:20:00+00:00",
        "synthetic": False,
        "notice": notice_for(False),
        "data": {
            "source": "/data/chest_xray.zip",
            "images": 5228,
            "patients": 2897,
            "rejected": 4,
            "splits": {
                "train": _split_counts(3662, 2011),
                "validation": _split_counts(784, 438),
                "test": _split_counts(782, 448),
            },
        },
        "shortcuts": [
            _shortcut("mean_absolute_gradient", 0.905, "lower_in_pneumonia"),
            _shortcut("contrast", 0.699, "lower_in_pneumonia"),
            _shortcut("aspect_ratio", 0.5, "none"),
        ],
        "candidates": [
            {
                "name": "cnn_deep",
                "architecture": "cnn_deep",
                "parameters": 3_312_961,
                "trainable_parameters": 3_311_041,
                "hyperparameters": {"learning_rate": 0.0003, "batch_size": 32},
                "trials": [
                    _trial(0.9741, learning_rate=0.0003, batch_size=32),
                    _trial(0.9602, learning_rate=0.001, batch_size=64),
                    _trial(None, learning_rate=0.1),
                ],
                "epochs_run": 11,
                "training_s": 640.5,
                "validation_metrics": _metrics(784, 588, 0.971, 0.89),
                "reaches_target": True,
                "stressed_recall": 0.96,
                "stressed_specificity": 0.84,
                "stressed_auc": 0.9646,
                "worst_stress": "low_resolution",
                "worst_stressed_auc": 0.9512,
                "stressed_metrics": {
                    "blur": _metrics(784, 588, 0.964, 0.87),
                    "low_resolution": _metrics(784, 588, 0.956, 0.81),
                },
                "pseudo_sites": [
                    _site("soft", 0.99, 0.71),
                    _site("sharp", 0.91, None),
                ],
                "calibration_error_before": 0.0412,
                "calibration_error_after": 0.0173,
            }
        ],
        "selected": "cnn_deep",
        "selection_reason": "cnn_deep is the only candidate",
        "operating_point": {
            "threshold": 0.31372,
            "target_sensitivity": 0.97,
            "chosen_on": "validation",
        },
        "decisions": {
            "low": 0.121,
            "high": 0.874,
            "max_missed_fraction": 0.01,
            "max_false_alarm_fraction": 0.01,
            "max_unfamiliar_fraction": 0.01,
            "validation": _coverage(784, 7, 61),
            "test": _coverage(782, None, None),
        },
        "metrics": {"validation": _split_metrics(), "test": _split_metrics()},
        "gate": {
            "blessed": True,
            "baseline_present": True,
            "checks": [
                _check("recall", "overall", 0.967, 0.95),
                _check("specificity", "overall", 0.866, 0.8, n=201),
                _check("auc", "overall", 0.981, 0.9, n=782),
                _check(
                    "recall_change",
                    "overall",
                    -0.003,
                    -0.01,
                    comparison="change against the baseline at least",
                    baseline=0.97,
                ),
                _check("recall_lower_bound", "overall", 0.946, 0.9),
                _check("slice_recall", "subtype=viral", 0.929, 0.9, n=198),
                _check(
                    "slice_recall",
                    "subtype=unknown",
                    0.75,
                    0.9,
                    verdict="too_small",
                    n=4,
                    note="too small to judge: 4 pneumonia images, fewer than 30",
                ),
                _check("slice_recall", "size_group=1000_px_and_over", 0.97, 0.9, n=300),
                _check("tfma", "overall", None, None, comparison="validated", n=782),
            ],
        },
        "pushed_model": {"path": "/srv/output/serving/pneumonia/3", "version": 3},
        "timings_s": {
            "Convert": 41.2,
            "Transform": 63.9,
            "Trainer-cnn-deep": 812.4,
            "Evaluator": 14.0,
            "total": 1104.7,
        },
        "versions": {
            "project": "0.1.0",
            "tfx": "1.21.0",
            "tensorflow": "2.21.0",
            "keras": "3.15.1",
        },
        "settings": {"name": "pneumonia", "seed": 0},
        "num_gpus": 0,
        "tensorboard_dir": "/srv/output/tensorboard",
        "log_file": "/srv/output/logs/run.log",
    }


@pytest.fixture
def blessed_summary(summary_fields: dict[str, Any]) -> Summary:
    return Summary.model_validate(summary_fields)


@pytest.fixture
def refused_summary(summary_fields: dict[str, Any]) -> Summary:
    """A run on drawn images whose model the gate refused, without an earlier model."""
    refused = _check("specificity", "overall", 0.612, 0.8, n=201)
    checks = [summary_fields["gate"]["checks"][0], refused]
    return Summary.model_validate(
        summary_fields
        | {
            "verdict": "refused",
            "synthetic": True,
            "notice": notice_for(True),
            "gate": {"blessed": False, "baseline_present": False, "checks": checks},
            "pushed_model": None,
        }
    )


def _scores(mean: float) -> Any:
    percentiles = {str(each): mean for each in (0, 5, 25, 50, 75, 95, 100)}
    return {
        "n": 500,
        "mean_probability": mean,
        "percentiles": percentiles,
        "histogram": [0] * 15 + [500] + [0] * 4,
    }


@pytest.fixture
def external_sets() -> dict[str, Any]:
    """A second hospital, and a set of normal images that a model without a decision judged."""
    base = {
        "synthetic": False,
        "num_patients": 900,
        "num_images_without_patient": 0,
        "num_seen": 0,
        "rejected": [],
        "warnings": [],
        "threshold": 0.31372,
        "calibration_error": 0.2876,
    }
    return {
        "nih_adults": base
        | {
            "source": "/data/nih.zip",
            "rejected": [{"image_id": f"{n}.png", "reason": "truncated"} for n in range(5)],
            "metrics": _metrics(1000, 500, 0.91, 0.12) | {"auc": _estimate(0.553, 0.036)},
            "scores": {"normal": _scores(0.731), "pneumonia": _scores(0.78)},
            "coverage": {
                "n": 1000,
                "num_unfamiliar": 917,
                "num_uncertain": 17,
                "share": _estimate(0.066, 0.016),
                "decided": _metrics(66, 40, 0.875, None),
            },
            "referred_by_label": {"normal": _estimate(0.93, 0.02), "pneumonia": {}},
        },
        "normals": base
        | {
            "source": "/data/normals",
            "num_seen": 7,
            "metrics": _metrics(500, 0, None, 0.8),
            "scores": {"normal": _scores(0.2), "pneumonia": None},
            "coverage": None,
            "referred_by_label": None,
        },
    }
