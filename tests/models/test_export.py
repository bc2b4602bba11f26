import keras
import numpy as np
import pytest
import tensorflow as tf

from contract import features
from contract.settings import CandidateSettings
from evaluation.calibration import Calibration
from evaluation.decision_band import DecisionBand
from models.architectures import build_network
from models.export import OperatingRule, ServedModel, export_model
from models.input_data import load_split
from models.predictor import Predictor, familiar_images, predict_probabilities
from models.provenance import Provenance, read_provenance
from models.warmup import BATCH_SIZES, read_warm_up

pytestmark = pytest.mark.slow

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
    export_model(
        ServedModel(predictor, tiny_set.transform_output, SIZE, OperatingRule(0.5)), directory
    )
    return tf.saved_model.load(str(directory))


def test_both_signatures_answer_the_same_for_the_same_bytes(loaded, tiny_set):
    served = loaded.signatures[features.SERVING_SIGNATURE](
        image_bytes=tf.constant(tiny_set.image_bytes)
    )
    judged = loaded.signatures[features.EXAMPLES_SIGNATURE](
        examples=tf.constant(tiny_set.raw_records)
    )
    assert set(served) == {
        features.PROBABILITY,
        features.PREDICTED_LABEL,
        features.THRESHOLD,
        features.DECISION,
        features.FAMILIARITY,
        features.FAMILIARITY_THRESHOLD,
    }
    for name, values in served.items():
        np.testing.assert_array_equal(values.numpy(), judged[name].numpy())
    expected = (judged[features.PREDICTED_LABEL].numpy() == b"pneumonia").astype(np.float32)
    np.testing.assert_array_equal(judged[features.CALLED_PNEUMONIA].numpy(), expected)


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


def num_operations(function: tf.types.experimental.PolymorphicFunction) -> int:
    graph = function.get_concrete_function().graph.as_graph_def()
    return len(graph.node) + sum(len(each.node_def) for each in graph.library.function)


def test_from_bytes_to_pixels_there_are_few_operations(predictor, tiny_set):
    """A server that loads a model prepares all of them anew for each of its signatures."""
    served = ServedModel(predictor, tiny_set.transform_output, SIZE, OperatingRule(0.5))
    assert num_operations(served.transform) < 550


@pytest.mark.parametrize("threshold", [0.0, 0.37, 1.0])
def test_the_label_follows_the_shipped_threshold(predictor, tiny_set, tmp_path, threshold):
    export_model(
        ServedModel(predictor, tiny_set.transform_output, SIZE, OperatingRule(threshold)),
        tmp_path / "m",
    )
    model = tf.saved_model.load(str(tmp_path / "m"))
    answer = model.signatures[features.SERVING_SIGNATURE](
        image_bytes=tf.constant(tiny_set.image_bytes)
    )
    np.testing.assert_array_equal(answer[features.THRESHOLD].numpy(), np.float32(threshold))
    called = answer[features.PROBABILITY].numpy() >= np.float32(threshold)
    np.testing.assert_array_equal(answer[features.PREDICTED_LABEL].numpy() == b"pneumonia", called)


def test_the_transformed_images_are_what_the_trainer_read(loaded, tiny_set):
    answer = loaded.signatures[features.TRANSFORM_SIGNATURE](
        examples=tf.constant(tiny_set.raw_records)
    )
    # TF Serving's JSON carries outputs as base64 whose names end so.
    assert [name.endswith("_bytes") for name in answer] == [True]
    (pngs,) = answer.values()
    shown = [tf.io.decode_png(png).numpy() for png in pngs]
    trained = load_split([tiny_set.transformed_pattern], SIZE).images
    assert sorted(image.tobytes() for image in shown) == sorted(
        image.tobytes() for image in trained
    )


def test_the_warm_up_requests_are_answered_by_the_model_they_come_with(
    predictor, tiny_set, tmp_path
):
    provenance = Provenance(
        model_version="1f",
        name="cnn_deep",
        architecture="cnn_deep",
        members={"a": "2f"},
        data_sha256={"train": "3f", "validation": "4f"},
        weights_sha256="5f",
        code_version="6f",
        project_version="7",
        seed=8,
        threshold=0.3,
        target_sensitivity=0.9,
        reaches_target=True,
    )
    directory = tmp_path / "model"
    export_model(
        ServedModel(predictor, tiny_set.transform_output, SIZE, OperatingRule(0.3)),
        directory,
        provenance,
    )
    model = tf.saved_model.load(str(directory))
    asked = {}
    for request in read_warm_up(directory):
        name = request.model_spec.signature_name
        inputs = {
            key: tf.constant(tf.make_ndarray(tensor)) for key, tensor in request.inputs.items()
        }
        answer = model.signatures[name](**inputs)
        (size,) = {len(values) for values in answer.values()}
        asked.setdefault(name, []).append(size)
    assert asked == {name: list(BATCH_SIZES) for name in model.signatures}
    assert set(asked) == {
        features.SERVING_SIGNATURE,
        features.EXAMPLES_SIGNATURE,
        features.TRANSFORM_SIGNATURE,
        features.CASE_SIGNATURE,
        features.INFORMATION_SIGNATURE,
    }

    told = model.signatures[features.INFORMATION_SIGNATURE](rows=tf.constant(["", "x"]))
    assert {name: values.numpy().tolist() for name, values in told.items()} == {
        name: [text.encode()] * 2 for name, text in provenance.facts().items()
    }
    assert read_provenance(directory) == provenance


def test_the_decision_refers_what_lies_in_the_band_or_is_unfamiliar(tiny_set, tmp_path):
    keras.utils.set_random_seed(5)
    candidate = CandidateSettings(architecture="cnn_deep", normalisation="none")
    network = build_network(candidate, SIZE)
    images = load_split([tiny_set.transformed_pattern], SIZE).images
    predictor = Predictor(network, candidate)
    predictor = predictor.but(familiar=familiar_images(predictor, [images]))
    probabilities, distances = predictor.answer(tf.constant(images))
    low, middle = map(float, np.percentile(probabilities, [25, 50]))
    rule = OperatingRule(
        threshold=middle,
        band=DecisionBand(low=low, high=middle),
        # Half of the images are further than all known ones: their familiarity is 1 / 5.
        known_log_distances=np.full(4, np.median(distances), np.float32),
        familiarity_threshold=0.3,
    )
    served = ServedModel(predictor, tiny_set.transform_output, SIZE, rule)
    export_model(served, tmp_path / "m")
    model = tf.saved_model.load(str(tmp_path / "m"))
    answer = model.signatures[features.SERVING_SIGNATURE](
        image_bytes=tf.constant(tiny_set.image_bytes)
    )
    values = {name: output.numpy() for name, output in answer.items()}
    assert np.unique(values[features.FAMILIARITY]) == pytest.approx([0.2, 1.0])
    np.testing.assert_allclose(values[features.FAMILIARITY_THRESHOLD], 0.3)
    is_referred = (values[features.FAMILIARITY] < 0.3) | rule.band.refers(
        values[features.PROBABILITY]
    )
    assert 0 < is_referred.sum() < len(is_referred)
    expected = np.where(is_referred, b"refer", values[features.PREDICTED_LABEL])
    np.testing.assert_array_equal(values[features.DECISION], expected)
    cases = model.signatures[features.CASE_SIGNATURE](examples=tf.constant(tiny_set.raw_records))[
        features.CASE
    ].numpy()
    np.testing.assert_array_equal(cases[:, 0] == b"referred", is_referred)
