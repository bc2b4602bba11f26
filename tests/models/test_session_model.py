"""Exports in the kind of session that TensorFlow Serving answers from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from contract import features
from contract.architectures import ARCHITECTURES, is_pretrained
from contract.settings import CandidateSettings, TrainingSettings
from models.architectures import build_network
from models.export import OperatingRule, ServedModel, export_model
from models.input_data import load_split
from models.predictor import EnsemblePredictor, Predictor, predict_probabilities
from models.session_model import SessionModel
from models.warmup import read_warm_up
from tests.models.export_faults import put_back_tracking_by_keras

pytestmark = pytest.mark.slow

SIZE = 32
_ASKED = {
    features.SERVING_SIGNATURE: features.IMAGE_BYTES,
    features.EXAMPLES_SIGNATURE: features.EXAMPLES_INPUT,
}
_BACKBONES = [name for name in ARCHITECTURES if is_pretrained(name)]


def predictor_of(
    architecture: str, seed: int = 5, *, has_optimizer: bool = True, **training
) -> Predictor:
    keras.utils.set_random_seed(seed)
    side_px = max(SIZE, ARCHITECTURES[architecture].smallest_px)
    candidate = CandidateSettings(
        architecture=architecture,
        image_size_px=side_px,
        training=TrainingSettings(**training),
    )
    network = build_network(candidate, side_px)
    if has_optimizer:
        # As after training: the optimizer has variables, and so have the metrics.
        network.compile("adamw", "binary_crossentropy", metrics=["accuracy"])
        images = np.random.default_rng(seed).random((4, side_px, side_px, 3), np.float32)
        network.fit(images, np.array([[0.0], [1.0]] * 2), verbose=0)
    return Predictor(network, candidate)


@pytest.fixture(scope="module")
def trained() -> Predictor:
    """Return a network that was trained, which tests only export."""
    return predictor_of("cnn_deep")


def export(predictor: Predictor | EnsemblePredictor, tiny_set, folder: Path) -> Path:
    export_model(
        ServedModel(predictor, tiny_set.transform_output, SIZE, OperatingRule(0.5)), folder
    )
    return folder


def check(
    predictor: Predictor | EnsemblePredictor,
    tiny_set,
    folder: Path,
    signatures: Sequence[str] = tuple(_ASKED),
) -> None:
    model = SessionModel(export(predictor, tiny_set, folder))
    images = load_split([tiny_set.transformed_pattern], SIZE).images
    expected = np.sort(predict_probabilities(predictor, images))
    assert model.unrestored() == {}  # in any signature
    rows = {
        features.SERVING_SIGNATURE: tiny_set.image_bytes,
        features.EXAMPLES_SIGNATURE: tiny_set.raw_records,
    }
    for signature in signatures:
        answer = model.run(signature, {_ASKED[signature]: rows[signature]})
        np.testing.assert_allclose(np.sort(answer[features.PROBABILITY]), expected, atol=1e-5)
    model.close()


def check_all(
    architectures: Sequence[str],
    tiny_set,
    folder: Path,
    signatures: Sequence[str] = tuple(_ASKED),
) -> None:
    """Check networks in one export, as members of one mean: an export takes seconds.

    They have no optimizer: the gradients of a step of training take most of the time to trace.
    """
    members = [
        predictor_of(name, seed, has_optimizer=False) for seed, name in enumerate(architectures)
    ]
    check(EnsemblePredictor(members), tiny_set, folder, signatures)


def test_every_network_answers_in_the_session(tiny_set, tmp_path):
    names = [name for name in ARCHITECTURES if name not in _BACKBONES]
    check_all(names, tiny_set, tmp_path / "m")
    model = SessionModel(tmp_path / "m")
    num_answered = 0
    for request in read_warm_up(tmp_path / "m"):
        asked = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        model.run(request.model_spec.signature_name, asked)
        num_answered += 1
    assert num_answered == 2 * len(model.signatures)
    model.close()


def test_networks_on_a_backbone_answer_in_the_session(tiny_applications, tiny_set, tmp_path):
    check_all(_BACKBONES, tiny_set, tmp_path / "m")


def test_real_backbones_answer_in_the_session(tiny_set, tmp_path):
    # EfficientNet-Lite0 is asked in TensorFlow's C++ library: test_cpp_loader.
    names = ["convnext_tiny", "efficientnet_v2_b0"]
    # Each signature's first answer takes seconds, and both call the same function.
    check_all(names, tiny_set, tmp_path / "m", [features.SERVING_SIGNATURE])


def test_a_backbone_that_was_trained_as_a_whole_is_exported_as_in_inference(
    tiny_applications, tiny_set, tmp_path
):
    predictor = predictor_of("efficientnet_lite0", backbone="whole")
    statistics = [
        value
        for value in predictor.network.get_layer("backbone").non_trainable_variables
        if value.name == "moving_mean"
    ]
    assert all(np.any(value.numpy() != 0.0) for value in statistics)  # learnt in the fit
    check(predictor, tiny_set, tmp_path / "model")
    # An image's answer does not depend on what is asked with it.
    model = SessionModel(tmp_path / "model")
    asked = _ASKED[features.SERVING_SIGNATURE]
    together = model.run(features.SERVING_SIGNATURE, {asked: tiny_set.image_bytes[:4]})
    alone = model.run(features.SERVING_SIGNATURE, {asked: tiny_set.image_bytes[:1]})
    model.close()
    assert alone[features.PROBABILITY][0] == pytest.approx(
        together[features.PROBABILITY][0], abs=1e-5
    )


def test_a_network_trained_on_several_devices_answers_in_the_session(tiny_set, tmp_path):
    with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
        predictor = predictor_of("cnn_deep")
    check(predictor, tiny_set, tmp_path / "model")


def test_only_what_is_served_is_saved(trained, tiny_set, tmp_path):
    folder = export(trained, tiny_set, tmp_path / "model")
    saved = tf.train.list_variables(str(folder / "variables" / "variables"))
    sizes = [int(np.prod(shape)) for name, shape in saved if name != "_CHECKPOINTABLE_OBJECT_GRAPH"]
    of_rule = 3  # the threshold and the ends of the band around it
    # Neither a second copy nor the optimizer's state, which would be twice as much again.
    assert sum(sizes) == trained.network.count_params() + of_rule


def test_a_model_whose_weights_are_not_restored_is_found(trained, tiny_set, tmp_path):
    """The fault of https://github.com/tensorflow/serving/issues/2226, put back."""
    served = ServedModel(trained, tiny_set.transform_output, SIZE, OperatingRule(0.5))
    put_back_tracking_by_keras(served, trained)
    export_model(served, tmp_path / "model")

    eager = tf.saved_model.load(str(tmp_path / "model"))
    images = tf.constant(tiny_set.image_bytes)
    answer = eager.signatures[features.SERVING_SIGNATURE](image_bytes=images)
    assert np.all(np.isfinite(answer[features.PROBABILITY]))  # Python sees nothing of it

    session = SessionModel(tmp_path / "model")
    unrestored = session.unrestored()
    assert len(unrestored[features.SERVING_SIGNATURE]) == len(trained.network.variables)
    assert features.TRANSFORM_SIGNATURE not in unrestored
    with pytest.raises(tf.errors.FailedPreconditionError):
        session.run(features.SERVING_SIGNATURE, {features.IMAGE_BYTES: tiny_set.image_bytes})


@pytest.mark.parametrize("name", ["model [1]", "a*"])
def test_a_folder_that_tensorflow_reads_as_a_pattern_is_loaded(tmp_path, name, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    module = tf.Module()
    module.factor = tf.Variable(3.0)
    module.multiply = tf.function(
        lambda x: {"y": x * module.factor}, input_signature=[tf.TensorSpec([], tf.float32)]
    )
    tf.saved_model.save(module, str(tmp_path / name), signatures=module.multiply)
    model = SessionModel(tmp_path / name)
    assert model.run("serving_default", {"x": 2.0})["y"] == 6.0
    model.close()
