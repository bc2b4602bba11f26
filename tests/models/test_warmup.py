"""The file of requests that servers replay, read as TF Serving's own messages."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import prediction_log_pb2

from contract import features
from models.warmup import BATCH_SIZES, read_warm_up, write_warm_up

SIGNATURES = (
    features.SERVING_SIGNATURE,
    features.EXAMPLES_SIGNATURE,
    features.TRANSFORM_SIGNATURE,
    features.CASE_SIGNATURE,
    features.INFORMATION_SIGNATURE,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    write_warm_up(folder, SIGNATURES)
    return folder


def test_the_file_is_where_and_what_tf_serving_reads(folder):
    records = tf.data.TFRecordDataset(
        str(folder / "assets.extra" / "tf_serving_warmup_requests")
    ).as_numpy_iterator()
    logs = [prediction_log_pb2.PredictionLog.FromString(record) for record in records]
    assert all(log.WhichOneof("log_type") == "predict_log" for log in logs)
    assert all(not log.predict_log.HasField("response") for log in logs)
    requests = [log.predict_log.request for log in logs]
    asked = [
        (request.model_spec.signature_name, tensor.tensor_shape.dim[0].size)
        for request in requests
        for tensor in request.inputs.values()
    ]
    assert asked == [(name, size) for name in SIGNATURES for size in BATCH_SIZES]


def test_both_formats_are_asked_for_and_all_pictures_differ(folder):
    largest = [
        tf.make_ndarray(request.inputs[features.IMAGE_BYTES])
        for request in read_warm_up(folder)
        if request.model_spec.signature_name == features.SERVING_SIGNATURE
    ][-1]
    pictures = [Image.open(io.BytesIO(data)) for data in largest]
    assert [picture.format for picture in pictures] == ["PNG", "JPEG", "PNG", "JPEG"]
    assert len(set(largest)) == len(largest)
    for picture in pictures:
        assert np.ptp(np.asarray(picture)) > 50


def test_examples_carry_the_pictures(folder):
    requests = {
        request.model_spec.signature_name: request for request in read_warm_up(folder)
    }  # the larger of each
    (images,) = requests[features.SERVING_SIGNATURE].inputs.values()
    for name in (features.EXAMPLES_SIGNATURE, features.TRANSFORM_SIGNATURE):
        examples = tf.make_ndarray(requests[name].inputs[features.EXAMPLES_INPUT])
        carried = [
            tf.train.Example.FromString(example)
            .features.feature[features.IMAGE_BYTES]
            .bytes_list.value[0]
            for example in examples
        ]
        assert carried == list(tf.make_ndarray(images))


def test_the_file_is_the_same_each_time(folder, tmp_path):
    # A push knows a model by its bytes.
    other = write_warm_up(tmp_path, SIGNATURES)
    assert other.read_bytes() == (folder / other.relative_to(tmp_path)).read_bytes()
    assert other.stat().st_size < 200_000


def test_a_missing_and_a_damaged_file_are_errors(folder, tmp_path):
    with pytest.raises(tf.errors.NotFoundError):
        list(read_warm_up(tmp_path))
    path = write_warm_up(tmp_path, SIGNATURES[:1])
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(tf.errors.DataLossError):
        list(read_warm_up(tmp_path))
