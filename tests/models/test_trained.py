"""Loading what Trainers left. `tests/models/test_ensemble.py` loads whole ensembles."""

import zipfile

import keras
import numpy as np
import pytest

from contract.settings import CandidateSettings
from evaluation.calibration import Calibration
from evaluation.training_report import FAMILIAR_FILE, NETWORK_FILE, REPORT_FILE
from models.architectures import build_network
from models.distribution import create_strategy
from models.input_data import load_split
from models.predictor import Predictor, familiar_images, predict_answers, predict_probabilities
from models.trained import load_candidate, load_predictor, save_network
from models.training import train_network
from tests.models.made_runs import candidate_run
from tests.report.made_reports import make_report

SIZE = 24
IMAGES = np.random.default_rng(0).integers(0, 256, (20, SIZE, SIZE, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two candidates as their Trainers leave them, and the predictors that they were."""
    folders, predictors = {}, {}
    for seed, name in enumerate(("first", "second")):
        folder = tmp_path_factory.mktemp(name)
        candidate = CandidateSettings(architecture="ann_small", normalisation="none")
        keras.utils.set_random_seed(seed)
        network = build_network(candidate, SIZE)
        calibration = Calibration(slope=2.0, intercept=0.5 + seed)
        familiar = familiar_images(Predictor(network, candidate), [IMAGES])
        save_network(network, folder / NETWORK_FILE)
        familiar.write(folder / FAMILIAR_FILE)
        make_report(name, candidate=candidate, calibration=calibration).write(folder / REPORT_FILE)
        folders[name] = folder
        predictors[name] = Predictor(network, candidate, calibration, familiar)
    return folders, predictors


@pytest.mark.slow
def test_a_candidate_answers_as_before_it_was_saved(trained):
    folders, predictors = trained
    loaded = load_candidate(folders["first"])
    assert (loaded.report.name, loaded.folder) == ("first", folders["first"])
    found = predict_answers(loaded.predictor(), IMAGES)
    expected = predict_answers(predictors["first"], IMAGES)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    plain = predict_probabilities(Predictor(loaded.network, loaded.candidate), IMAGES)
    assert not np.allclose(plain, found[0])  # the calibration is on


@pytest.mark.slow
def test_an_ensemble_is_the_calibrated_mean_of_its_members(trained, tmp_path):
    folders, predictors = trained
    calibration = Calibration(slope=1.5, intercept=-0.25)
    make_report(
        "ensemble", candidate=None, members=("first", "second"), calibration=calibration
    ).write(tmp_path / REPORT_FILE)
    found = predict_probabilities(load_predictor(tmp_path, folders), IMAGES)
    mean = np.mean([predict_probabilities(each, IMAGES) for each in predictors.values()], axis=0)
    np.testing.assert_allclose(found, calibration.apply(mean), atol=1e-6)
    with pytest.raises(ValueError, match=r"got the ensemble 'ensemble': load its members"):
        load_candidate(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "training",
    [
        pytest.param({"optimizer": "adam"}, id="the head alone, on features computed once"),
        pytest.param({"backbone": "whole", "head_epochs": 1}, id="the head first"),
        pytest.param({"backbone": "whole", "layer_decay": 0.5, "head_epochs": 1}, id="by stages"),
    ],
)
def test_what_was_trained_is_loaded_without_what_trained_it(
    tiny_applications, tiny_set, tmp_path, training
):
    run = candidate_run("efficientnet_lite0", epochs=1, **training)
    data = load_split([tiny_set.transformed_pattern], run.image_size_px)
    network = train_network(run, data, data, create_strategy(), stage="Training").network
    expected = predict_probabilities(Predictor(network, run.candidate), data.images)
    save_network(network, tmp_path / NETWORK_FILE)
    make_report("lite", candidate=run.candidate).write(tmp_path / REPORT_FILE)
    loaded = load_candidate(tmp_path).network
    found = predict_probabilities(Predictor(loaded, run.candidate), data.images)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    with zipfile.ZipFile(tmp_path / NETWORK_FILE) as archive:
        config = archive.read("config.json").decode()
    assert "Fused" not in config
    assert "Staged" not in config
