import keras
import numpy as np
import pytest
from scipy.special import expit

from contract.settings import CandidateSettings
from evaluation.calibration import Calibration
from evaluation.training_report import NETWORK_FILE, REPORT_FILE
from models.architectures import build_network
from models.predictor import EnsemblePredictor, Predictor, predict_probabilities
from report.explanations.log_odds import (
    EnsembleLogOdds,
    NetworkLogOdds,
    load_log_odds,
    mean_log_odds,
    threshold_log_odds,
)
from tests.report.made_reports import make_ensemble, make_report

SIDE = 32
IMAGES = np.random.default_rng(0).integers(0, 256, (5, SIDE, SIDE, 1)).astype(np.uint8)
CALIBRATION = Calibration(slope=1.4, intercept=0.3)


def network_of(architecture, seed=0):
    keras.utils.set_random_seed(seed)
    settings = CandidateSettings(architecture=architecture, normalisation="none", weights="none")
    return build_network(settings, SIDE), settings


def shift(network, logits):
    """Let a network answer some logits more, all images alike."""
    output = [layer for layer in network._flatten_layers() if isinstance(layer, keras.layers.Dense)]
    kernel, bias = output[-1].get_weights()
    output[-1].set_weights([kernel, bias + logits])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "num_views"),
    [
        ("ann_small", 1),
        ("ann_small", 3),
        ("cnn_deep", 3),
        ("compact_resnet", 1),
        ("compact_resnet", 3),
        ("efficientnet_lite0", 1),
    ],
)
def test_they_are_those_of_the_predictors_probability(architecture, num_views):
    network, settings = network_of(architecture)
    settings = settings.model_copy(update={"num_views": num_views})
    log_odds = NetworkLogOdds(network, settings, CALIBRATION)(IMAGES)
    predictor = Predictor(network, settings, CALIBRATION)
    assert log_odds.dtype == np.float64
    np.testing.assert_allclose(expit(log_odds), predict_probabilities(predictor, IMAGES), atol=1e-6)


@pytest.mark.parametrize("logits", [40.0, -40.0])
def test_nothing_is_lost_where_the_probability_saturates(logits):
    network, settings = network_of("compact_resnet")
    log_odds = NetworkLogOdds(network, settings, CALIBRATION)
    before = log_odds(IMAGES)
    shift(network, logits)
    np.testing.assert_allclose(log_odds(IMAGES), before + 1.4 * logits, atol=1e-4)


def test_many_images_are_asked_in_batches_and_keep_their_order():
    network, settings = network_of("cnn_baseline")
    log_odds = NetworkLogOdds(network, settings, CALIBRATION)
    images = np.random.default_rng(1).integers(0, 256, (130, SIDE, SIDE, 1)).astype(np.uint8)
    alone = np.concatenate([log_odds(images[[number]]) for number in (0, 63, 64, 129)])
    np.testing.assert_allclose(log_odds(images)[[0, 63, 64, 129]], alone, atol=1e-5)


def test_an_ensembles_are_those_of_its_mean_probability():
    members = [network_of("cnn_baseline", seed) for seed in (0, 1)]
    log_odds = EnsembleLogOdds(
        [NetworkLogOdds(*member, CALIBRATION) for member in members], Calibration(slope=0.5)
    )
    predictor = EnsemblePredictor(
        [Predictor(*member, CALIBRATION) for member in members], Calibration(slope=0.5)
    )
    expected = predict_probabilities(predictor, IMAGES)
    np.testing.assert_allclose(expit(log_odds(IMAGES)), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("log_odds", "mean"),
    [
        ([3.0, 3.0], 3.0),
        ([400.0, 400.0], 400.0),
        ([-400.0, -400.0], -400.0),
        # One half of certainty: the mean is about .5, whatever the other member's certainty.
        ([400.0, -400.0], 0.0),
        # 1 - p is half of e^-40: the surer member does not matter.
        ([400.0, 40.0], 40.0 + np.log(2.0)),
    ],
)
def test_the_mean_of_sure_members_keeps_its_digits(log_odds, mean):
    found = mean_log_odds(np.array([log_odds]).T)
    np.testing.assert_allclose(found, [mean], rtol=1e-12, atol=1e-12)


def test_the_mean_is_of_probabilities_not_of_log_odds():
    found = mean_log_odds(np.array([[4.0], [-1.0]]))
    np.testing.assert_allclose(expit(found), [(expit(4.0) + expit(-1.0)) / 2.0])


def test_a_threshold_in_log_odds():
    assert threshold_log_odds(0.5) == 0.0
    assert expit(threshold_log_odds(0.07)) == pytest.approx(0.07)
    assert threshold_log_odds(0.0) == -np.inf
    assert threshold_log_odds(1.0) == np.inf


def test_what_a_run_left_is_loaded_ensembles_with_their_members(tmp_path):
    networks = {}
    for seed, name in enumerate(("one", "two")):
        network, settings = network_of("cnn_baseline", seed)
        report = make_report(name, candidate=settings, calibration=CALIBRATION)
        report.write(tmp_path / name / REPORT_FILE)
        network.save(tmp_path / name / NETWORK_FILE)
        networks[name] = NetworkLogOdds(network, settings, CALIBRATION)
    make_ensemble(["one", "two"]).write(tmp_path / "ensemble" / REPORT_FILE)
    folders = {name: tmp_path / name for name in ("one", "two", "ensemble")}
    for name, expected in networks.items():
        np.testing.assert_allclose(load_log_odds(name, folders)(IMAGES), expected(IMAGES))
    mean = mean_log_odds(np.stack([network(IMAGES) for network in networks.values()]))
    np.testing.assert_allclose(load_log_odds("ensemble", folders)(IMAGES), mean)
