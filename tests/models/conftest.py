"""A tiny set that has gone through the real Transform graph, and a backbone that is tiny, too."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import apache_beam as beam
import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from google.protobuf import text_format
from PIL import Image
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio import tf_example_record

from contract import features
from contract.settings import CUSTOM_CONFIG_KEY, BeamSettings, TransformSettings
from models.preprocessing import preprocessing_fn
from tests.made_once import made_once

# Two devices for the tests of training on several: it has to be said before TensorFlow starts, and
# conftest files are imported before any test runs.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

IMAGE_SIZE_PX = 32
NUM_RECORDS = 40
NUM_FEATURES = 6  # of the tiny backbone
SCHEMA_FILE = Path(__file__).parents[2] / "models" / "schema" / "schema.pbtxt"


@dataclasses.dataclass(frozen=True)
class TinySet:
    """Raw records, and where Transform's outputs are."""

    image_bytes: list[bytes]
    labels: list[int]
    raw_records: list[bytes]
    transform_graph_path: str
    transformed_pattern: str

    @property
    def transform_output(self) -> tft.TFTransformOutput:
        return tft.TFTransformOutput(self.transform_graph_path)


def draw(rng: np.random.Generator, label: int) -> bytes:
    """Noise, with a bright blob where the label says pneumonia."""
    pixels = rng.integers(0, 120, (48, 60))
    if label:
        pixels[15:35, 20:45] += 110
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG" if rng.random() < 0.5 else "JPEG")
    return buffer.getvalue()


def raw_record(image_bytes: bytes, label: int, index: int) -> bytes:
    def of_bytes(value: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    def of_int(value: int) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    subtype = ((b"bacterial", b"viral")[index // 2 % 2]) if label else b"normal"
    feature = {
        features.IMAGE_BYTES: of_bytes(image_bytes),
        features.IMAGE_ID: of_bytes(f"image-{index}".encode()),
        features.HEIGHT: of_int(48),
        features.WIDTH: of_int(60),
        features.SIZE_GROUP: of_bytes(features.SIZE_GROUPS[0].encode()),
        features.SHARPNESS_GROUP: of_bytes(features.SHARPNESS_GROUPS[1].encode()),
        features.LABEL: of_int(label),
        features.SUBTYPE: of_bytes(subtype),
        features.PATIENT_ID: of_bytes(f"patient-{index}".encode()),
        features.SOURCE_SPLIT: of_bytes(b""),
        features.PIXEL_SHA256: of_bytes(b"0" * 64),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


@pytest.fixture(scope="session")
def tiny_set(tmp_path_factory: pytest.TempPathFactory) -> TinySet:
    rng = np.random.default_rng(11)
    labels = [index % 2 for index in range(NUM_RECORDS)]
    image_bytes = [draw(rng, label) for label in labels]
    records = [
        raw_record(data, label, index)
        for index, (data, label) in enumerate(zip(image_bytes, labels, strict=True))
    ]
    folder = made_once(tmp_path_factory, "tiny_set", lambda empty: transform(records, empty))
    return TinySet(
        image_bytes, labels, records, str(folder / "graph"), str(folder / "transformed*.gz")
    )


def transform(records: list[bytes], folder: Path) -> None:
    schema = text_format.Parse(SCHEMA_FILE.read_text(), schema_pb2.Schema())
    tfxio = tf_example_record.TFExampleBeamRecord(
        physical_format="inmemory", telemetry_descriptors=["test"], schema=schema
    )
    custom_config = {
        CUSTOM_CONFIG_KEY: TransformSettings(image_size_px=IMAGE_SIZE_PX).model_dump_json()
    }
    options = beam.options.pipeline_options.PipelineOptions(list(BeamSettings().pipeline_args))
    with beam.Pipeline(options=options) as pipeline, tft_beam.Context(str(folder / "temp")):
        raw = pipeline | beam.Create(records) | tfxio.BeamSource()
        (data, metadata), transform_fn = (
            raw,
            tfxio.TensorAdapterConfig(),
        ) | tft_beam.AnalyzeAndTransformDataset(
            lambda inputs: preprocessing_fn(inputs, custom_config)
        )
        _ = transform_fn | tft_beam.WriteTransformFn(str(folder / "graph"))
        _ = (
            (data, metadata)
            | tft_beam.EncodeTransformedDataset()
            | beam.io.WriteToTFRecord(
                str(folder / "transformed"), file_name_suffix=".gz", num_shards=2
            )
        )


def build_tiny_application(
    *,
    include_top: bool,
    weights: str | None,
    input_shape: tuple[int, int, int],
    pooling: str,
) -> keras.Model:
    """Stand in for a builder of `keras.applications`."""
    assert not include_top
    assert weights is None
    assert pooling == "avg"
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(4, 3, strides=4),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.5),
            layers.Conv2D(NUM_FEATURES, 3, strides=2),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
        ]
    )


@pytest.fixture
def tiny_applications(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the small backbone in the place of the real ones."""
    for name in ("Xception", "ResNet101", "EfficientNetV2B0", "ConvNeXtTiny"):
        monkeypatch.setattr(keras.applications, name, build_tiny_application)

    def build_tiny_lite(application: str, input_shape: tuple[int, int, int]) -> keras.Model:
        return build_tiny_application(
            include_top=False, weights=None, input_shape=input_shape, pooling="avg"
        )

    monkeypatch.setattr("models.architectures.weights.build_efficientnet_lite", build_tiny_lite)
    keras.utils.set_random_seed(2)
