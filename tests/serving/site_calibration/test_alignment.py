"""Thresholds from unlabelled images, at simulated sites of which the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from contract.settings import SiteCalibrationSettings
from serving.site_calibration.alignment import ALIGNED, KEPT, REFUSED, Alignment, align_scores
from serving.site_calibration.shift import Reference, to_log_odds
from serving.site_calibration.transport import figures_at_share, threshold_for_share
from tests.serving.site_calibration.simulation import (
    Model,
    draw_labels,
    draw_log_odds,
    recall_and_specificity,
    train,
)

pytestmark = pytest.mark.slow

SETTINGS = SiteCalibrationSettings(num_resamples=100)
SITE_SIZE = 600


@pytest.fixture(scope="module")
def model() -> Model:
    return train(np.random.default_rng(1))


def align(model: Model, scores: np.ndarray, **changes: object) -> Alignment:
    arguments = {"settings": SETTINGS, "min_recall_lower_bound": 0.9, **changes}
    return align_scores(scores, model.reference, model.threshold, **arguments)


def site(
    model: Model,
    seed: int,
    prevalence: float = 0.62,
    scale: float = 1.0,
    offset: float = 0.0,
    number: int = SITE_SIZE,
    **changes: float,
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = draw_labels(rng, number, prevalence)
    return labels, model.probabilities(scale * draw_log_odds(rng, labels, **changes) + offset)


def validation_figures(model: Model) -> tuple[float, float]:
    """Recall and specificity of the frozen threshold where it was chosen."""
    scores = np.float32(model.reference.normal + model.reference.pneumonia)
    labels = np.repeat([False, True], [len(model.reference.normal), len(model.reference.pneumonia)])
    return recall_and_specificity(labels, scores, model.threshold)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("prevalence", [0.15, 0.5, 0.73, 0.9])
def test_another_prevalence_is_not_taken_for_another_acquisition(model, prevalence, seed):
    labels, scores = site(model, seed, prevalence)
    found = align(model, scores)
    assert found.verdict == KEPT
    assert not found.shift_found
    assert found.prevalence.low <= labels.mean() <= found.prevalence.high
    assert found.estimated_threshold.low <= model.threshold <= found.estimated_threshold.high
    assert "prevalence" in found.reasons[0]


@pytest.mark.parametrize(
    ("scale", "offset"), [(1.0, 2.0), (1.0, -2.0), (0.55, -1.0), (0.7, 1.5), (1.4, -2.5)]
)
@pytest.mark.parametrize("prevalence", [0.3, 0.62])
def test_another_acquisition_is_repaired_at_any_prevalence(model, prevalence, scale, offset):
    labels, scores = site(model, 10, prevalence, scale, offset)
    found = align(model, scores)
    assert found.verdict == ALIGNED
    assert found.shift_found
    assert found.prevalence.value == pytest.approx(labels.mean(), abs=0.05)
    before = recall_and_specificity(labels, scores, model.threshold)
    after = recall_and_specificity(labels, scores, found.threshold)
    validation = validation_figures(model)
    assert after == pytest.approx(validation, abs=0.08)
    expected = found.aligned.recall.value, found.aligned.specificity.value
    assert after == pytest.approx(expected, abs=0.06)
    # Closer to validation in the figure that had moved the most.
    moved = int(np.argmax(np.abs(np.subtract(before, validation))))
    assert abs(after[moved] - validation[moved]) < abs(before[moved] - validation[moved])
    # Of the frozen threshold it says what labels would have said.
    assert before == pytest.approx(
        (found.frozen.recall.value, found.frozen.specificity.value), abs=0.06
    )


def test_all_differences_taken_for_prevalence_would_repair_nothing(model):
    """Why the acquisition is a part of the explanation: the estimate without it absorbs it."""
    labels, scores = site(model, 4, 0.5, offset=2.5)
    found = align(model, scores)
    assert found.prevalence_unshifted > labels.mean() + 0.1
    assert found.prevalence.value == pytest.approx(labels.mean(), abs=0.05)


def test_a_known_prevalence_is_used_as_it_is(model):
    labels, scores = site(model, 5, 0.4, offset=2.0)
    found = align(model, scores, prevalence=0.4)
    assert found.verdict == ALIGNED
    assert found.prevalence_given
    assert (found.prevalence.low, found.prevalence.value, found.prevalence.high) == (0.4,) * 3
    after = recall_and_specificity(labels, scores, found.threshold)
    assert after == pytest.approx(
        (found.aligned.recall.value, found.aligned.specificity.value), abs=0.05
    )


def test_a_known_prevalence_that_the_scores_contradict_is_refused(model):
    _, scores = site(model, 5, 0.3)
    found = align(model, scores, prevalence=0.8)
    assert found.verdict == REFUSED


def test_a_prevalence_that_hangs_on_the_kind_of_shift_is_refused(model):
    _, scores = site(model, 5, 0.4, offset=3.0)
    strict = SETTINGS.model_copy(update={"max_prevalence_correction": 0.05})
    found = align(model, scores, settings=strict)
    assert found.verdict == REFUSED
    assert any("depends on what the scores' shift is taken for" in each for each in found.reasons)
    assert align(model, scores, settings=strict, prevalence=0.4).verdict == ALIGNED


def test_too_few_images_are_refused(model):
    _, scores = site(model, 6, offset=2.0, number=SETTINGS.min_images - 1)
    found = align(model, scores)
    assert found.verdict == REFUSED
    assert any("too few images: 199, expected at least 200" in each for each in found.reasons)


@pytest.mark.parametrize("prevalence", [0.0, 0.02, 0.99, 1.0])
def test_a_site_with_next_to_no_images_of_a_class_is_refused(model, prevalence):
    _, scores = site(model, 7, prevalence, offset=1.0)
    found = align(model, scores)
    assert found.verdict == REFUSED


def test_a_model_that_cannot_rank_there_is_refused(model):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        scores = model.probabilities(rng.normal(0.0, 3.0, SITE_SIZE))
        assert align(model, scores).verdict == REFUSED


@pytest.mark.parametrize("seed", range(3))
def test_a_model_of_overlapping_classes_is_refused(seed):
    weak = train(np.random.default_rng(2), separation=1.5)
    _, scores = site(weak, seed, 0.5, offset=1.0, separation=1.5)
    found = align(weak, scores)
    assert found.verdict == REFUSED


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("moved", [1.0, 2.0, 3.0, 5.0])
def test_normals_that_alone_look_ill_never_cost_more_recall_than_the_gate_allows(
    model, moved, seed
):
    """No order-preserving distortion explains it, and scores alone hardly show that."""
    labels, scores = site(model, 20 + seed, normals_moved=moved)
    found = align(model, scores)
    if found.verdict == ALIGNED:
        recall, _ = recall_and_specificity(labels, scores, found.threshold)
        assert found.recall_if_unmoved >= 0.9
        assert recall >= 0.9 - 0.03  # a sample's deviation from the reference's


def test_a_threshold_is_raised_with_caution_and_lowered_without(model):
    _, risen = site(model, 4, offset=2.0)
    raised = align(model, risen)
    assert raised.verdict == ALIGNED
    assert model.threshold < raised.threshold <= raised.estimated_threshold.low
    _, fallen = site(model, 4, offset=-2.0)
    lowered = align(model, fallen)
    assert lowered.verdict == ALIGNED
    assert lowered.threshold == lowered.estimated_threshold.value < model.threshold


def test_a_threshold_is_raised_no_further_than_is_safe_for_recall(model):
    _, scores = site(model, 9, 0.75, offset=3.0, number=1200)
    found = align(model, scores)
    free = align(model, scores, min_recall_lower_bound=0.01)
    assert found.verdict == ALIGNED
    assert found.capped
    assert not free.capped
    assert found.threshold < free.threshold
    assert free.recall_if_unmoved < 0.9 <= found.recall_if_unmoved
    assert any("raised less than the estimate" in each for each in found.warnings)


def test_images_of_one_patient_count_as_less_than_images_of_many(model):
    _, scores = site(model, 3, offset=2.0, number=300)
    repeated = np.repeat(scores, 4)
    patients = [str(index // 4) for index in range(repeated.size)]
    alone = align(model, repeated)
    together = align(model, repeated, patients=patients)
    width = together.prevalence.high - together.prevalence.low
    assert width > 1.5 * (alone.prevalence.high - alone.prevalence.low)


def test_the_same_scores_give_the_same_answer(model):
    _, scores = site(model, 3, offset=2.0)
    assert align(model, scores) == align(model, scores)


def test_saturated_scores_are_aligned_too(model):
    labels, scores = site(model, 3, scale=2.5)
    assert np.mean(scores == 1.0) > 0.1
    found = align(model, scores)
    assert found.verdict in (ALIGNED, KEPT)
    assert found.prevalence.value == pytest.approx(labels.mean(), abs=0.05)


@pytest.mark.parametrize("scores", [[], [0.2, np.nan], [[0.5]]])
def test_what_is_no_list_of_scores_is_an_error(model, scores):
    with pytest.raises(ValueError, match="expected finite probabilities"):
        align(model, np.array(scores))


def test_a_threshold_is_halfway_below_what_it_calls():
    assert threshold_for_share([0.1, 0.2, 0.6, 0.8], 0.5) == pytest.approx(0.4)
    assert threshold_for_share([0.1, 0.6, 0.6, 0.8], 0.5) == pytest.approx(0.35)  # both, not one
    assert threshold_for_share([0.4, 0.6], 1.0) == pytest.approx(0.2)


def test_figures_are_carried_back_by_the_share_that_is_called():
    reference = Reference.from_probabilities([0.1, 0.2, 0.3, 0.7], [0.4, 0.6, 0.8, 0.9])
    threshold = float(to_log_odds(0.5))
    share = 0.25 * reference.recall_at(threshold) + 0.75 * reference.false_alarms_at(threshold)
    recall, specificity = figures_at_share(reference, [share, 0.0, 1.0], 0.25)
    np.testing.assert_allclose(recall, [0.75, 0.0, 1.0])
    np.testing.assert_allclose(specificity, [0.75, 1.0, 0.0])
