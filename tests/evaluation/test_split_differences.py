import numpy as np
import pytest

from contract.facts import Measured
from evaluation.split_differences import SplitDifferences, compare_splits, describe

NUM_PATIENTS = 200


def make_split(seed, *, pneumonia=0.5, shift=0.0, spread=1.0, num_patients=NUM_PATIENTS):
    """Two images of each patient; noise, and one feature that follows the class."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(num_patients) < pneumonia * num_patients, 2).astype(np.int64)
    greys = rng.normal(100.0 + shift * (labels == 0), spread)
    return Measured(
        [
            {"mean_grey": grey, "contrast": contrast, "native_width_px": 224.0}
            for grey, contrast in zip(
                greys - 9.0 * labels, rng.normal(size=labels.size), strict=True
            )
        ],
        labels,
        [f"{seed}-{index // 2}" for index in range(labels.size)],
    )


@pytest.fixture(scope="module")
def train():
    return make_split(0)


def compare(train, **others):
    splits = {"train": train, "validation": make_split(1), "test": make_split(2)} | others
    report = compare_splits(splits, 0.65)
    return {(each.second, each.label): each for each in report.differences}, report


def test_splits_that_were_made_alike_cannot_be_told_apart(train):
    found, _ = compare(train)
    assert len(found) == 4
    for each in found.values():
        assert each.first == "train"
        assert (each.n_first, each.n_second) == (NUM_PATIENTS, NUM_PATIENTS)
        assert each.low < 0.5
        assert each.auc < 0.58
        assert not each.strong


def test_a_class_that_was_made_differently_is_found_and_the_other_is_not_blamed(train):
    found, _ = compare(train, test=make_split(2, shift=2.5))
    normal, pneumonia = found["test", "normal"], found["test", "pneumonia"]
    assert normal.auc > 0.85
    assert normal.strong
    assert normal.low < normal.auc < normal.high
    assert (normal.leading_feature, normal.leading_auc > 0.85) == ("mean_grey", True)
    assert not pneumonia.strong
    assert "normal images of train and test can be distinguished" in describe(normal)
    assert "most easily by mean grey" in describe(normal)


def test_a_feature_that_is_only_spread_more_is_found(train):
    found, _ = compare(train, validation=make_split(1, spread=6.0))
    assert found["validation", "normal"].strong
    assert found["validation", "normal"].leading_auc < 0.65  # it alone does not say so


def test_another_prevalence_is_no_difference(train):
    found, _ = compare(train, test=make_split(2, pneumonia=0.8, num_patients=500))
    assert not any(each.strong for each in found.values())


def test_images_of_one_patient_do_not_help():
    """Each patient has a different value, which would separate the splits if memorised."""

    def own_values(seed):
        split = make_split(seed)
        values = np.random.default_rng(seed).uniform(size=NUM_PATIENTS)
        statistics = [{"own": values[index // 2]} for index in range(len(split.labels))]
        return Measured(statistics, split.labels, split.patient_ids)

    report = compare_splits(
        {"train": own_values(0), "validation": own_values(1), "test": own_values(2)}, 0.65
    )
    assert not any(each.strong for each in report.differences)


def test_too_few_patients_are_not_judged(train, tmp_path):
    found, report = compare(train, test=make_split(2, num_patients=58))
    few = found["test", "normal"]
    assert (few.auc, few.low, few.leading_feature, few.strong) == (None, None, "", False)
    assert few.n_second == 58
    report.write(tmp_path)
    assert SplitDifferences.read(tmp_path) == report
