"""Requests that a server answers when it loads a model, before a patient's.

The first run of a graph builds what later ones reuse, and takes many times as long. TF Serving
replays the file below from every SavedModel that has it, and so does the project's own server:
https://www.tensorflow.org/tfx/serving/saved_model_warmup.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import (  # type: ignore[import-untyped]
    predict_pb2,
    prediction_log_pb2,
)

from contract import features
from models.provenance import ASSETS_EXTRA_DIR
from models.session_model import SessionModel

WARM_UP_FILE = "tf_serving_warmup_requests"  # TF Serving's name
# Kernels are chosen by shape. A server that batches refuses more than its largest batch, and TF
# Serving does not load a model whose warm-up fails: the larger one is small.
BATCH_SIZES = (1, 4)
_HEIGHT_PX, _WIDTH_PX = 120, 160


def write_warm_up(saved_model_dir: Path, signatures: tuple[str, ...]) -> Path:
    """Write a request of each batch size for each signature.

    Args:
        saved_model_dir: Folder with `saved_model.pb`.
        signatures: Names among those of `contract.features`.

    Returns:
        The file: an uncompressed TFRecord of serialized `PredictionLog` messages, the same bytes
        each time.
    """
    path = saved_model_dir / ASSETS_EXTRA_DIR / WARM_UP_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature in signatures:
            for batch_size in BATCH_SIZES:
                request = _request(signature, batch_size)
                log = prediction_log_pb2.PredictionLog(
                    predict_log=prediction_log_pb2.PredictLog(request=request)
                )
                writer.write(log.SerializeToString(deterministic=True))
    return path


def read_warm_up(saved_model_dir: Path) -> Iterator[predict_pb2.PredictRequest]:
    """Yield the predict requests of a SavedModel's warm-up file; other kinds are passed over.

    Raises:
        tf.errors.NotFoundError: There is no such file.
        tf.errors.DataLossError: It is not a TFRecord, or a damaged one.
        google.protobuf.message.DecodeError: A record is no `PredictionLog`.
    """
    path = saved_model_dir / ASSETS_EXTRA_DIR / WARM_UP_FILE
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        if log.WhichOneof("log_type") == "predict_log":
            yield log.predict_log.request


def has_warm_up(saved_model_dir: Path) -> bool:
    """Return whether a SavedModel brings warm-up requests."""
    return (saved_model_dir / ASSETS_EXTRA_DIR / WARM_UP_FILE).is_file()


def replay_warm_up(model: SessionModel, saved_model_dir: Path) -> list[str]:
    """Run the warm-up requests of a SavedModel, as TF Serving does when it loads one.

    TF Serving makes no version available whose warm-up fails, and does without where there is no
    such file: `RunSavedModelWarmup` in its `servables/tensorflow/saved_model_warmup_util.cc`.

    Args:
        model: The SavedModel, loaded.
        saved_model_dir: Its folder.

    Returns:
        Why requests failed, a text for each, such as "request 1, `cases`: KeyError". They name the
        kind of an error only: TensorFlow's own text may quote a request. Nothing is read behind a
        damaged record.
    """
    failures: list[str] = []
    number = 0
    try:
        for number, request in enumerate(read_warm_up(saved_model_dir), start=1):
            name = request.model_spec.signature_name or features.SERVING_SIGNATURE
            inputs = {key: tf.make_ndarray(tensor) for key, tensor in request.inputs.items()}
            try:
                _check_inputs(model.signatures[name], inputs)
                model.run(name, inputs)
            except (KeyError, TypeError, ValueError, tf.errors.OpError) as error:
                failures.append(f"request {number}, `{name}`: {type(error).__name__}")
    except tf.errors.NotFoundError:
        return []
    except (tf.errors.OpError, DecodeError) as error:
        failures.append(f"request {number + 1} cannot be read: {type(error).__name__}")
    return failures


def _check_inputs(definition: Any, inputs: Mapping[str, Any]) -> None:
    """Refuse inputs that TF Serving would refuse before it runs the graph."""
    if inputs.keys() != set(definition.inputs):
        raise ValueError(f"expected the inputs {sorted(definition.inputs)}, got {sorted(inputs)}")
    for name, info in definition.inputs.items():
        if not tf.TensorShape(info.tensor_shape).is_compatible_with(inputs[name].shape):
            raise ValueError(f"expected another shape of {name}, got {inputs[name].shape}")


def _request(signature: str, batch_size: int) -> predict_pb2.PredictRequest:
    # PNG and JPEG by turns: each has its own decoder.
    images = [_draw(index) for index in range(batch_size)]
    name, values = {
        features.SERVING_SIGNATURE: (features.IMAGE_BYTES, images),
        features.EXAMPLES_SIGNATURE: (features.EXAMPLES_INPUT, [_example(i) for i in images]),
        features.TRANSFORM_SIGNATURE: (features.EXAMPLES_INPUT, [_example(i) for i in images]),
        features.CASE_SIGNATURE: (features.EXAMPLES_INPUT, [_example(i) for i in images]),
        features.INFORMATION_SIGNATURE: (features.INFORMATION_INPUT, [b""] * batch_size),
    }[signature]
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    request.inputs[name].CopyFrom(tf.make_tensor_proto(values, tf.string, [batch_size]))
    return request


def _draw(index: int) -> bytes:
    """Return an encoded picture: two dark fields on a bright one, as lungs are."""
    rows = np.linspace(-1.0, 1.0, _HEIGHT_PX)[:, np.newaxis]
    columns = np.linspace(-1.0, 1.0, _WIDTH_PX)[np.newaxis, :]
    lungs = np.exp(-(((np.abs(columns) - 0.45) / 0.3) ** 2) - (rows / 0.7) ** 2)
    pixels = tf.constant((200.0 - 25.0 * index - 90.0 * lungs)[..., np.newaxis].astype(np.uint8))
    encoded = tf.io.encode_jpeg(pixels) if index % 2 else tf.io.encode_png(pixels)
    return bytes(encoded.numpy())


def _example(image: bytes) -> bytes:
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))
    example = tf.train.Example(features=tf.train.Features(feature={features.IMAGE_BYTES: feature}))
    return bytes(example.SerializeToString(deterministic=True))
