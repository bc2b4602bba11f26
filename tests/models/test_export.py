import keras
import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.architectures import build_network
from models.calibration import Calibration
from models.export import ServedModel, export_model
from models.input_data import load_split
from models.predictor import Predictor, predict_probabilities
from pipeline.config import CandidateSettings

SIZE = 32


@pytest.fixture(scope="module")
def predictor():
    keras.utils.set_random_seed(5)
    candidate = CandidateSettings(architecture="cnn_deep", normalisation="standardise")
    return Predictor(
        build_network(candidate, SIZE), candidate, Calibration(slope=0.7, intercept=0.2)
    )


@pytest.fixture(scope="module")
def loaded(predictor, tiny_set, tmp_path_factory):
    directory = tmp_path_factory.mktemp("export") / "model"
    export_model(ServedModel(predictor, tiny_set.transform_output, SIZE, 0.5), directory)
    return tf.saved_model.load(str(directory))


def test_both_signatures_answer_the_same_for_the_same_bytes(loaded, tiny_set):
    served = loaded.signatures[features.SERVING_SIGNATURE](
        image_bytes=tf.constant(tiny_set.image_bytes)
    )
    judged = loaded.signatures[features.EXAMPLES_SIGNATURE](
        examples=tf.constant(tiny_set.raw_records)
    )
    assert set(served) == {features.PROBABILITY, features.PREDICTED_LABEL, features.THRESHOLD}
    for name, values in served.items():
        np.testing.assert_array_equal(values.numpy(), judged[name].numpy())
    expected = (judged[features.PREDICTED_LABEL].numpy() == b"pneumonia").astype(np.float32)
    np.testing.assert_array_equal(judged[features.DECISION].numpy(), expected)


def test_the_export_answers_what_the_predictor_says_of_the_transformed_image(
    loaded, predictor, tiny_set
):
    expected = predict_probabilities(
        predictor, load_split([tiny_set.transformed_pattern], SIZE).images
    )
    served = loaded.signatures[features.SERVING_SIGNATURE](
        image_bytes=tf.constant(tiny_set.image_bytes)
    )[features.PROBABILITY].numpy()
    np.testing.assert_allclose(np.sort(served), np.sort(expected), atol=1e-5)


@pytest.mark.parametrize("threshold", [0.0, 0.37, 1.0])
def test_the_label_follows_the_shipped_threshold(predictor, tiny_set, tmp_path, threshold):
    export_model(ServedModel(predictor, tiny_set.transform_output, SIZE, threshold), tmp_path / "m")
    model = tf.saved_model.load(str(tmp_path / "m"))
    answer = model.signatures[features.SERVING_SIGNATURE](
        image_bytes=tf.constant(tiny_set.image_bytes)
    )
    np.testing.assert_array_equal(answer[features.THRESHOLD].numpy(), np.float32(threshold))
    called = answer[features.PROBABILITY].numpy() >= np.float32(threshold)
    np.testing.assert_array_equal(answer[features.PREDICTED_LABEL].numpy() == b"pneumonia", called)


def test_undecodable_bytes_are_an_error(loaded):
    with pytest.raises(tf.errors.InvalidArgumentError):
        loaded.signatures[features.SERVING_SIGNATURE](image_bytes=tf.constant([b"no image"]))
