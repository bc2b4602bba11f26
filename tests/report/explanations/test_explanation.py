import dataclasses

import keras
import numpy as np
import pytest
from scipy.special import expit

from contract.settings import CandidateSettings
from evaluation.calibration import Calibration
from evaluation.selection import select
from evaluation.training_report import NETWORK_FILE, REPORT_FILE
from models.architectures import build_network
from models.predictor import Predictor, predict_probabilities
from report.explanations.explanation import ExplainedCandidate, best_single_candidates, explain
from report.explanations.faithfulness import blurred
from tests.report.explanations.conftest import candidate_of
from tests.report.made_reports import make_ensemble, make_report, metrics_of

BOTH_FAITHFUL = {"LIME": "faithful", "Grad-CAM": "faithful"}


def verdicts_of(found):
    return {name: check.verdict for name, check in found.checks.items()}


def explain_square(candidate, image, seed=7):
    return explain(candidate, image, num_samples=200, seed=seed)


def test_all_explanations_find_the_square(square_candidate, texture, in_square):
    found = explain_square(square_candidate, texture)
    assert found.is_pneumonia
    assert found.probability > 0.8
    weights = found.lime.weights[found.regions]
    assert weights[in_square].mean() > 10.0 * np.abs(weights[~in_square]).mean()
    assert found.lime.mask[in_square].mean() > 0.7
    assert verdicts_of(found) == BOTH_FAITHFUL


def test_a_saturated_answer_is_explained_as_well_as_any_other(
    square_candidate, saturated_candidate, texture, in_square
):
    """Its probability is 1.0 for the image, its parts and its blurred copy alike."""
    found = explain_square(saturated_candidate, texture)
    settings = saturated_candidate.settings
    predictor = Predictor(saturated_candidate.network, settings)
    parts = np.stack([texture, blurred(texture), np.zeros_like(texture)])
    np.testing.assert_allclose(predict_probabilities(predictor, parts), 1.0, atol=1e-6)
    assert found.log_odds > 40.0
    assert found.blurred_log_odds == pytest.approx(37.0, abs=1e-3)
    assert verdicts_of(found) == BOTH_FAITHFUL
    assert found.lime.mask[in_square].mean() > 0.7
    # The evidence is that of a network that is 40 log-odds less sure, to the last digits.
    unsure = explain_square(square_candidate, texture)
    assert found.log_odds - unsure.log_odds == pytest.approx(40.0, abs=1e-4)
    np.testing.assert_allclose(found.lime.weights, unsure.lime.weights, atol=1e-3)
    np.testing.assert_allclose(found.cam, unsure.cam, atol=1e-6)
    for name, check in found.checks.items():
        assert check.deletion_gain == pytest.approx(unsure.checks[name].deletion_gain, abs=1e-3)


@pytest.mark.parametrize(
    ("threshold", "is_pneumonia", "is_blurred_pneumonia"),
    [(0.5, True, False), (0.01, True, True), (0.99, False, False)],
)
def test_the_blurred_copys_answer_is_told(
    square_candidate, texture, threshold, is_pneumonia, is_blurred_pneumonia
):
    candidate = dataclasses.replace(square_candidate, threshold=threshold)
    found = explain_square(candidate, texture)
    assert found.is_pneumonia is is_pneumonia
    assert found.is_blurred_pneumonia is is_blurred_pneumonia
    assert found.blurred_log_odds == pytest.approx(-3.0, abs=1e-3)
    sign = 1.0 if is_pneumonia else -1.0
    for check in found.checks.values():
        assert check.deletion[-1] == pytest.approx(sign * found.blurred_log_odds, abs=1e-4)


def test_the_same_seed_gives_the_same(square_candidate, texture):
    first = explain_square(square_candidate, texture)
    again = explain_square(square_candidate, texture)
    np.testing.assert_array_equal(first.lime.weights, again.lime.weights)
    np.testing.assert_array_equal(first.cam, again.cam)
    for name, check in first.checks.items():
        np.testing.assert_array_equal(check.deletion, again.checks[name].deletion)


def test_a_normal_answer_is_explained_as_such(square_candidate, texture, in_square):
    """Black in the square is what speaks for normal, but blurring what is flat changes nothing."""
    image = np.where(in_square[..., np.newaxis], 0, texture).astype(np.uint8)
    found = explain_square(square_candidate, image)
    assert not found.is_pneumonia
    assert found.probability < 0.1
    assert found.checks["LIME"].deletion[0] == pytest.approx(-found.log_odds, abs=1e-6)


def test_a_network_without_maps_has_lime_alone(texture):
    keras.utils.set_random_seed(0)
    side = texture.shape[0]
    network = keras.Sequential(
        [
            keras.Input((side, side, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    found = explain(candidate_of(network), texture, num_samples=60, seed=0)
    assert found.cam is None
    assert list(found.checks) == ["LIME"]


def reports_of(*members):
    """Three candidates, and an ensemble where it has members."""
    made = {
        name: make_report(name, validation={"overall": metrics_of(tn=tn)}, stressed={})
        for name, tn in (("first", 19), ("second", 18), ("third", 17))
    }
    if members:
        best = {"overall": metrics_of(tn=20)}
        ensemble = make_ensemble(members).model_copy(update={"validation": best, "stressed": {}})
        made["ensemble"] = ensemble
    return made


@pytest.mark.parametrize(
    ("members", "expected"),
    [((), ["first", "second"]), (("second", "third"), ["second", "third"])],
)
def test_the_two_best_candidates_or_members_are_explained(members, expected):
    reports = reports_of(*members)
    selection = select(list(reports.values()))
    assert best_single_candidates(selection, reports) == expected


def test_an_ensemble_that_lost_is_skipped_and_a_single_candidate_stands_alone():
    reports = reports_of("second", "third")
    selection = select(list(reports.values())).model_copy(update={"selected": "first"})
    assert best_single_candidates(selection, reports) == ["first", "second"]
    alone = {"only": make_report("only")}
    assert best_single_candidates(select(list(alone.values())), alone) == ["only"]


def test_a_candidate_is_loaded_as_its_trainer_left_it(tmp_path):
    network = build_network(CandidateSettings(architecture="cnn_baseline"), 16)
    settings = CandidateSettings(architecture="cnn_baseline", normalisation="none")
    calibration = Calibration(slope=2.0, intercept=0.5)
    report = make_report("one", candidate=settings, calibration=calibration)
    report.write(tmp_path / REPORT_FILE)
    network.save(tmp_path / NETWORK_FILE)
    loaded = ExplainedCandidate.load(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 1)).astype(np.uint8)
    raw = network(np.repeat(images / 255.0, 3, axis=-1)).numpy()[:, 0]
    np.testing.assert_allclose(expit(loaded.log_odds(images)), calibration.apply(raw), atol=1e-5)
    assert (loaded.name, loaded.threshold) == ("one", 0.25)


def test_an_ensemble_has_no_network_to_explain(tmp_path):
    make_ensemble(["one"]).write(tmp_path / REPORT_FILE)
    with pytest.raises(ValueError, match="load its members"):
        ExplainedCandidate.load(tmp_path)
