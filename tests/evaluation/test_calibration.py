import numpy as np
import pytest

from evaluation.calibration import (
    Calibration,
    expected_calibration_error,
    fit_calibration,
    out_of_fold_probabilities,
)


def overconfident(count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Labels that follow a probability, and a model that triples its logit."""
    rng = np.random.default_rng(8)
    logits = rng.normal(0.5, 1.5, count)
    labels = (rng.random(count) < 1 / (1 + np.exp(-logits))).astype(int)
    return labels, 1 / (1 + np.exp(-3.0 * logits))


def test_the_line_is_found_that_undoes_overconfidence():
    labels, probabilities = overconfident()
    calibration = fit_calibration(labels, probabilities)
    assert calibration.slope == pytest.approx(1 / 3, abs=0.04)
    assert calibration.intercept == pytest.approx(0.0, abs=0.12)
    before = expected_calibration_error(labels, probabilities)
    held_out = out_of_fold_probabilities(labels, probabilities, seed=1)
    after = expected_calibration_error(labels, held_out)
    assert before > 0.08
    assert after < before / 3


def test_the_order_of_cases_stays():
    labels, probabilities = overconfident(300)
    calibrated = fit_calibration(labels, probabilities).apply(probabilities)
    np.testing.assert_array_equal(np.argsort(calibrated), np.argsort(probabilities))


def test_separated_classes_have_a_finite_fit():
    calibration = fit_calibration([0] * 20 + [1] * 20, [0.0] * 20 + [1.0] * 20)
    assert 0.0 < calibration.slope < 10.0
    assert calibration.apply([0.0, 1.0]) == pytest.approx([1 / 22, 21 / 22], abs=0.01)


def test_a_model_that_is_no_better_than_chance_is_left_as_it_is():
    labels = [0, 1] * 30
    assert fit_calibration(labels, [0.9, 0.1] * 30) == Calibration()


def test_calibration_error_by_hand():
    # Two bins: .95 with half pneumonia (gap .45), .05 with none (gap .05).
    error = expected_calibration_error([1, 0, 0, 0], [0.95, 0.95, 0.05, 0.05])
    assert error == pytest.approx(0.25)
    assert expected_calibration_error([1, 0], [1.0, 0.0]) == 0.0
