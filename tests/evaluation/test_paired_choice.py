import numpy as np
import pytest

from evaluation.paired_choice import Answers, compare_with_ensemble
from evaluation.predictions import Predictions, ValidationCases

NUM_PATIENTS = 300


@pytest.fixture(scope="module")
def cases():
    """300 patients with two images each; every third one is normal."""
    patients = np.repeat(np.arange(NUM_PATIENTS), 2)
    return ValidationCases(
        labels=(patients % 3 > 0).astype(np.int64),
        patient_ids=np.array([f"patient-{number}" for number in patients]),
        image_ids=np.array([f"{number}.png" for number in range(2 * NUM_PATIENTS)]),
    )


def answers(cases, *, noise=0.0, false_alarms=0, missed=0, seed=0):
    """Scores that separate the classes but for a number of patients of each."""
    rng = np.random.default_rng(seed)
    scores = np.where(cases.labels == 1, 0.8, 0.2) + noise * rng.standard_normal(cases.labels.size)
    for label, number, score in ((0, false_alarms, 0.7), (1, missed, 0.1)):
        of_class = np.unique(cases.patient_ids[cases.labels == label])
        scores[np.isin(cases.patient_ids, rng.permutation(of_class)[:number])] = score
    scores = np.clip(scores, 0.0, 1.0).astype(np.float32)
    return Answers(Predictions(scores, {"blur": scores - np.float32(0.01)}), 0.5)


def compare(cases, single, ensemble, asked_first="specificity", seed=3):
    both = {"one": single, "ensemble": ensemble}
    return compare_with_ensemble("one", "ensemble", both, cases, asked_first=asked_first, seed=seed)


def test_a_difference_that_chance_explains_leaves_the_ensemble(cases):
    choice = compare(cases, answers(cases, false_alarms=4), answers(cases, false_alarms=6, seed=1))
    assert choice.specificity.value == pytest.approx(0.02)
    assert choice.specificity.holds_zero
    assert (choice.decisive, choice.winner) == (None, "ensemble")
    assert (choice.num_patients, choice.num_resamples) == (NUM_PATIENTS, 2000)


def test_a_single_candidate_that_is_better_beyond_chance_wins(cases):
    choice = compare(cases, answers(cases, false_alarms=2), answers(cases, false_alarms=40, seed=1))
    assert choice.specificity.low > 0.0
    assert (choice.decisive, choice.winner) == ("specificity", "one")


def test_an_ensemble_that_is_better_beyond_chance_wins_whatever_the_area_says(cases):
    single = answers(cases, false_alarms=40)
    ranking = np.where(cases.labels == 1, 0.9, 0.6).astype(np.float32)
    single = Answers(Predictions(ranking, {"blur": ranking}), 0.5)  # no specificity, area 1
    choice = compare(cases, single, answers(cases, false_alarms=4, missed=30))
    assert choice.specificity.high < 0.0 < choice.auc.low
    assert (choice.decisive, choice.winner) == ("specificity", "ensemble")


def test_the_area_decides_where_the_specificities_are_equal(cases):
    better, worse = answers(cases, missed=1), answers(cases, missed=60)
    assert compare(cases, better, worse).winner == "one"
    assert compare(cases, better, worse).decisive == "auc"
    assert compare(cases, worse, better).winner == "ensemble"


def test_recall_is_asked_first_where_neither_reaches_the_target(cases):
    alarming = answers(cases, false_alarms=60)
    missing = answers(cases, missed=60)
    choice = compare(cases, alarming, missing, asked_first="recall")
    assert choice.recall.low > 0.0
    assert (choice.decisive, choice.winner) == ("recall", "one")
    assert compare(cases, alarming, missing).winner == "ensemble"


def test_a_seed_fixes_the_intervals_and_the_sides_mirror(cases):
    one, other = answers(cases, noise=0.3), answers(cases, noise=0.3, seed=1)
    choice = compare(cases, one, other)
    assert choice == compare(cases, one, other)
    assert choice != compare(cases, one, other, seed=4)
    mirrored = compare(cases, other, one)
    for name in ("recall", "specificity", "auc"):
        difference, reverse = getattr(choice, name), getattr(mirrored, name)
        assert difference.value == pytest.approx(-reverse.value)
        assert difference.low == pytest.approx(-reverse.high, abs=1e-12)
        assert difference.low <= difference.value <= difference.high


def test_images_of_one_patient_are_drawn_together(cases):
    """Twins add nothing: the interval is that of half as many images."""
    one, other = answers(cases, false_alarms=20), answers(cases, false_alarms=30, seed=1)
    together = compare(cases, one, other).specificity
    apart = ValidationCases(cases.labels, cases.image_ids, cases.image_ids)
    independent = compare(apart, one, other).specificity
    ratio = (together.high - together.low) / (independent.high - independent.low)
    assert ratio == pytest.approx(2**0.5, rel=0.1)


def test_what_cannot_be_paired_is_refused(cases):
    one = answers(cases)
    unstressed = Answers(Predictions(one.predictions.plain, {}), 0.5)
    with pytest.raises(ValueError, match="same stresses"):
        compare(cases, one, unstressed)
    short = Answers(Predictions(one.predictions.plain[:9], {"blur": np.zeros(9)}), 0.5)
    with pytest.raises(ValueError, match="same validation images"):
        compare(cases, one, short)


def test_without_stresses_the_plain_figures_are_compared(cases):
    one, other = (
        Answers(Predictions(answers(cases, false_alarms=number).predictions.plain, {}), 0.5)
        for number in (0, 10)
    )
    assert compare(cases, one, other).specificity.value == pytest.approx(0.1)
