import math

import pytest

from tools.ablation.ablation_table import ablation_tables, paired_interval, read_results
from tools.ablation.variants import FINE_TUNED, REFERENCE


def result(specificity: float) -> dict:
    return {
        "auc": 0.99, "stressed_auc": 0.98, "worst_stressed_auc": 0.95,
        "specificity": specificity, "stressed_specificity": specificity - 0.1,
        "stressed_recall": 0.97, "mean_specificity": specificity - 0.05,
        "mean_auc": specificity / 10,
    }  # fmt: skip


def test_the_interval_is_students_t_of_the_differences():
    mean, low, high = paired_interval([0.01, 0.02, 0.03])
    assert mean == pytest.approx(0.02)
    # 4.302653 is the .975 quantile of t with two degrees of freedom.
    reach = 4.302653 * 0.01 / math.sqrt(3)
    assert (low, high) == pytest.approx((0.02 - reach, 0.02 + reach))
    with pytest.raises(ValueError, match="got 1"):
        paired_interval([0.1])


def test_differences_are_of_the_same_seed():
    table = ablation_tables(
        {
            REFERENCE: {0: result(0.9), 1: result(0.8)},
            # The third seed has nothing to be compared with.
            "CLAHE": {0: result(0.92), 1: result(0.82), 2: result(0.1)},
        }
    )
    head, _, reference, clahe = table.strip().splitlines()
    assert head.startswith("| variant | seeds | AUC |")
    assert reference.endswith("| - | - |")
    assert "0.8500 ± 0.0707" in reference
    assert clahe.startswith("| CLAHE | 3 |")
    assert clahe.endswith("| +0.0020 [+0.0020, +0.0020] | +0.020 [+0.020, +0.020] |")


def test_networks_with_imagenet_weights_are_compared_with_one_of_them():
    tables = ablation_tables(
        {
            REFERENCE: {0: result(0.9), 1: result(0.8)},
            FINE_TUNED: {0: result(0.95), 1: result(0.95)},
            "EfficientNet-Lite0, 160 px": {0: result(0.94), 1: result(0.94)},
        }
    )
    first, second = tables.split("\n\n")
    assert [line.split(" | ")[0] for line in first.splitlines()[2:]] == [f"| {REFERENCE}"]
    assert second.strip().endswith("| -0.0010 [-0.0010, -0.0010] | -0.010 [-0.010, -0.010] |")


def test_one_seed_has_no_interval():
    table = ablation_tables({REFERENCE: {0: result(0.9)}, "CLAHE": {0: result(0.92)}})
    clahe = table.strip().splitlines()[-1]
    assert "±" not in clahe
    assert clahe.endswith("| - | - |")


def test_no_results_are_an_empty_table(tmp_path):
    assert read_results(tmp_path) == {}
