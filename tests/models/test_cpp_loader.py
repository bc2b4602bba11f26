"""Exports in TensorFlow's own C++ functions, which TensorFlow Serving calls.

`OTHER_TENSORFLOW_PYTHON` names the interpreter of another TensorFlow, whose C++ library is asked as
well: `make test-export-2-19` sets it up.
"""

from __future__ import annotations

import os
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from contract import features
from contract.architectures import ARCHITECTURES
from contract.settings import CandidateSettings
from models.architectures import build_network
from models.export import OperatingRule, ServedModel, export_model
from models.input_data import load_split
from models.predictor import EnsemblePredictor, Predictor, predict_probabilities
from models.session_model import SessionModel
from models.warmup import read_warm_up
from tests.models.cpp_loader.program import CppLoader, compiler
from tests.models.export_faults import put_back_tracking_by_keras

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(compiler() is None, reason="no C++ compiler: install g++"),
]

SIZE = 32
OTHER_PYTHON = os.environ.get("OTHER_TENSORFLOW_PYTHON", "")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(sys.executable, id="this_tensorflow"),
        pytest.param(
            OTHER_PYTHON,
            id="other_tensorflow",
            marks=pytest.mark.skipif(
                not OTHER_PYTHON, reason="no other TensorFlow: make test-export-2-19 has one"
            ),
        ),
    ],
)
def loader(request, tmp_path_factory):
    return CppLoader(request.param, tmp_path_factory.mktemp("cpp_loader"))


def predictor_of(architecture, seed):
    keras.utils.set_random_seed(seed)
    side_px = max(SIZE, ARCHITECTURES[architecture].smallest_px)
    candidate = CandidateSettings(architecture=architecture, image_size_px=side_px)
    return Predictor(build_network(candidate, side_px), candidate)


# By the names of exports.
MEMBERS = {
    "compact_resnet": ["compact_resnet"],
    "ensemble": ["efficientnet_lite0", "cnn_deep"],
}


@pytest.fixture(scope="module", params=MEMBERS)
def exported(request, tiny_set, tmp_path_factory):
    """Return the folder of an export, and what it should say of the tiny set's images."""
    folder = tmp_path_factory.mktemp("exports") / "model"
    members = [predictor_of(name, seed) for seed, name in enumerate(MEMBERS[request.param])]
    predictor = EnsemblePredictor(members) if len(members) > 1 else members[0]
    export_model(
        ServedModel(predictor, tiny_set.transform_output, SIZE, OperatingRule(0.5)), folder
    )
    images = load_split([tiny_set.transformed_pattern], SIZE).images
    return folder, np.sort(predict_probabilities(predictor, images))


def test_the_cpp_loader_answers_what_the_session_answers_and_every_warm_up_request(
    loader, exported, tiny_set
):
    export, probabilities = exported
    requests = [
        (features.SERVING_SIGNATURE, features.IMAGE_BYTES, tiny_set.image_bytes),
        (features.EXAMPLES_SIGNATURE, features.EXAMPLES_INPUT, tiny_set.raw_records),
        (features.TRANSFORM_SIGNATURE, features.EXAMPLES_INPUT, tiny_set.raw_records),
        (features.CASE_SIGNATURE, features.EXAMPLES_INPUT, tiny_set.raw_records),
    ]
    warm_up = [
        (request.model_spec.signature_name, name, tf.make_ndarray(tensor))
        for request in read_warm_up(export)
        for name, tensor in request.inputs.items()
    ]
    answers = loader.ask(export, [*requests, *warm_up])
    assert len(answers) == len(requests) + len(warm_up)
    session = SessionModel(export)
    assert session.unrestored() == {}
    for answer in answers[:2]:
        np.testing.assert_allclose(np.sort(answer[features.PROBABILITY]), probabilities, atol=1e-5)
    for (signature, name, tensor), answer in zip(requests, answers[: len(requests)], strict=True):
        expected = session.run(signature, {name: tensor})
        assert set(answer) == set(expected)
        for output, values in expected.items():
            if values.dtype == np.float32:
                np.testing.assert_allclose(answer[output], values, atol=1e-5)
            elif signature != features.TRANSFORM_SIGNATURE:
                np.testing.assert_array_equal(answer[output], values)
            else:  # releases of TensorFlow may compress otherwise
                for png, other in zip(answer[output], values, strict=True):
                    np.testing.assert_array_equal(tf.io.decode_png(png), tf.io.decode_png(other))
    sizes = [len(next(iter(answer.values()))) for answer in answers[len(requests) :]]
    assert sizes == [len(tensor) for _, _, tensor in warm_up]


def test_the_cpp_loader_refuses_what_keras_exports_by_itself(loader, tiny_set, tmp_path):
    predictor = predictor_of("cnn_deep", 5)
    served = ServedModel(predictor, tiny_set.transform_output, SIZE, OperatingRule(0.5))
    put_back_tracking_by_keras(served, predictor)
    export_model(served, tmp_path / "model")
    request = (features.SERVING_SIGNATURE, features.IMAGE_BYTES, tiny_set.image_bytes)
    with pytest.raises(RuntimeError, match=r"FAILED_PRECONDITION.*Could not find variable"):
        loader.ask(tmp_path / "model", [request])
