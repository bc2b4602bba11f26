import keras
import numpy as np
import pytest
import tensorflow as tf

from contract import features
from contract.settings import (
    CandidateSettings,
    EnsembleRun,
    EnsembleSettings,
    OperatingPointSettings,
)
from evaluation.training_report import (
    FAMILIAR_FILE,
    NETWORK_FILE,
    PREDICTIONS_FILE,
    REPORT_FILE,
    TrainingReport,
)
from models.architectures import build_network
from models.ensemble import build_ensemble
from models.export import OperatingRule, ServedModel, export_model
from models.input_data import load_split
from models.judgement import judge_predictions, measure_exposure_cuts, predict_validation
from models.predictor import Predictor, familiar_images, predict_probabilities

pytestmark = pytest.mark.slow

SIZE = 32


@pytest.fixture(scope="module")
def validation(tiny_set):
    return load_split([tiny_set.transformed_pattern], SIZE)


@pytest.fixture(scope="module")
def model_runs(validation, tmp_path_factory):
    """Three candidates as their Trainers leave them; two are of the same kind."""
    folders = {}
    for index, architecture in enumerate(["cnn_deep", "cnn_baseline", "cnn_deep"]):
        name = f"candidate_{index}"
        keras.utils.set_random_seed(index)
        candidate = CandidateSettings(architecture=architecture, normalisation="standardise")
        network = build_network(candidate, SIZE)
        predictor = Predictor(network, candidate)
        familiar = familiar_images(predictor, [validation.images])
        predictor = predictor.but(familiar=familiar)
        predictions = predict_validation(predictor, validation)
        cuts = measure_exposure_cuts(validation.images)
        judgement = judge_predictions(predictions, validation, OperatingPointSettings(), 0, cuts)
        folder = tmp_path_factory.mktemp(name)
        network.save(folder / NETWORK_FILE)
        familiar.write(folder / FAMILIAR_FILE)
        predictions.write(folder / PREDICTIONS_FILE)
        TrainingReport(
            name=name,
            architecture=architecture,
            num_parameters=network.count_params(),
            num_trainable=network.count_params(),
            candidate=candidate,
            hyperparameters={},
            seed=0,
            num_epochs=1,
            best_epoch=1,
            history={"val_loss": [0.5]},
            num_gpus=0,
            num_replicas=1,
            training_s=0.0,
            **judgement.for_report(),
        ).write(folder / REPORT_FILE)
        folders[name] = folder
    return folders


def test_the_best_are_averaged_and_exported_as_one_model(
    model_runs, validation, tiny_set, tmp_path
):
    run = EnsembleRun(
        seed=0,
        image_size_px=SIZE,
        ensemble=EnsembleSettings(num_members=2),
        operating_point=OperatingPointSettings(),
    )
    predictor, report, predictions = build_ensemble(model_runs, validation, run)
    assert len(report.members) == 2
    reports = [TrainingReport.read(model_runs[name] / REPORT_FILE) for name in report.members]
    assert report.num_parameters == sum(member.num_parameters for member in reports)
    # The kept predictions average to what the loaded networks say.
    members = [predict_probabilities(member, validation.images) for member in predictor.members]
    np.testing.assert_allclose(predictions.plain, np.mean(members, axis=0), atol=1e-5)

    distances = [
        member.answer(tf.constant(validation.images))[1].numpy() for member in predictor.members
    ]
    np.testing.assert_allclose(predictions.log_distances, np.mean(distances, axis=0), atol=1e-4)

    rule = OperatingRule.from_validation(report, predictions)
    served = ServedModel(predictor, tiny_set.transform_output, SIZE, rule)
    export_model(served, tmp_path / "model")
    answer = tf.saved_model.load(str(tmp_path / "model")).signatures[features.SERVING_SIGNATURE](
        image_bytes=tf.constant(tiny_set.image_bytes)
    )
    called = answer[features.PREDICTED_LABEL].numpy() == b"pneumonia"
    labels = np.array(tiny_set.labels, bool)
    is_decided = answer[features.DECISION].numpy() != b"refer"
    assert np.sum(is_decided) == report.referral.decided.n
    assert np.sum(called & labels) == report.validation["overall"].tp
    assert np.sum(called & ~labels) == report.validation["overall"].fp
