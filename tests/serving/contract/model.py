"""The model that the contract is tried on, for any server.

Its signatures for X-rays are the project's own export; further ones show what TF Serving's JSON
can hold and what it refuses. `python -m tests.serving.contract.model DIR` writes it as version 1
of a folder for a real TF Serving.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import apache_beam as beam
import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio import tf_example_record

from contract import features
from contract.settings import (
    CUSTOM_CONFIG_KEY,
    BeamSettings,
    CandidateSettings,
    TransformSettings,
)
from evaluation.calibration import Calibration
from evaluation.decision_band import DecisionBand
from ingestion.tfrecord_file import encode_example
from models.architectures import build_network
from models.export import OperatingRule, ServedModel
from models.predictor import Predictor, familiar_images
from models.preprocessing import preprocessing_fn
from tests.serving.contract.images import draw_image

SIZE_PX = 32
RULE = OperatingRule(
    threshold=0.5,
    band=DecisionBand(low=0.4, high=0.55),
    known_log_distances=np.linspace(-1.0, 1.0, 20, dtype=np.float32),
    familiarity_threshold=0.01,
)
PAIR, ECHO, SCALAR = "contract_pair", "contract_echo", "contract_scalar"
TEXT_PAIR, UNEVEN, UNEQUAL = "contract_text_pair", "contract_uneven", "contract_unequal"
# One signature each, by TensorFlow's names: its input, or its output, is of that type.
TAKES = ("double", "uint8", "half", "bfloat16", "uint16", "complex64")
GIVES = ("half", "uint16")
_SCHEMA_FILE = Path(__file__).parents[3] / "models" / "schema" / "schema.pbtxt"


class ContractModel(ServedModel):
    """The served model with further functions."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 2], tf.float32, name="left"),
            tf.TensorSpec([None], tf.int64, name="right"),
        ]
    )
    def pair(self, left, right):
        """Two inputs, three outputs of three types."""
        return {
            "total": tf.reduce_sum(left, axis=1) + tf.cast(right, tf.float32),
            "packed_bytes": tf.strings.as_string(right),
            "is_even": right % 2 == 0,
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="number")])
    def echo(self, number):
        """One input, one output."""
        return {"number": tf.identity(number)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32, name="number")])
    def scalar(self, number):
        """No rows: cannot be batched, and has no row form."""
        return {"half": number / 2}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="text"),
            tf.TensorSpec([None], tf.float32, name="weight"),
        ]
    )
    def text_pair(self, text, weight):
        """Two inputs, the first a string."""
        return {"weighted": tf.cast(tf.strings.length(text), tf.float32) * weight}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="number")])
    def uneven(self, number):
        """Two rows of output for each row of input."""
        return {"number": tf.repeat(number, 2), "negative": -tf.repeat(number, 2)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="number")])
    def unequal(self, number):
        """Outputs that differ in their number of rows."""
        return {"number": number, "twice": tf.repeat(number, 2)}


def _takes(type_name: str) -> Any:
    """Return a function of one input; its output is of a type that JSON has a form for."""
    dtype = tf.dtypes.as_dtype(type_name)

    @tf.function(input_signature=[tf.TensorSpec([None], dtype, name="number")])
    def take(number):
        if type_name in ("double", "uint8"):
            return {"number": tf.identity(number)}
        return {"number": tf.cast(number, tf.float32)}

    return take


def _gives(type_name: str) -> Any:
    """Return a function of one output of the type."""
    dtype = tf.dtypes.as_dtype(type_name)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="number")])
    def give(number):
        return {"number": tf.cast(number, dtype)}

    return give


def write_transform(folder: Path) -> tft.TFTransformOutput:
    """Run Transform on one drawn record; it learns nothing from data."""
    record = encode_example(
        dict.fromkeys(features.RAW_BYTES_FEATURES, b"")
        | dict.fromkeys(features.RAW_INT_FEATURES, 1)
        | {features.IMAGE_BYTES: draw_image(0)}
    )
    schema = text_format.Parse(_SCHEMA_FILE.read_text(), schema_pb2.Schema())
    tfxio = tf_example_record.TFExampleBeamRecord(
        physical_format="inmemory", telemetry_descriptors=["contract"], schema=schema
    )
    config = {CUSTOM_CONFIG_KEY: TransformSettings(image_size_px=SIZE_PX).model_dump_json()}
    options = beam.options.pipeline_options.PipelineOptions(list(BeamSettings().pipeline_args))
    with beam.Pipeline(options=options) as pipeline, tft_beam.Context(str(folder / "temp")):
        raw = pipeline | beam.Create([record]) | tfxio.BeamSource()
        transform_fn = (raw, tfxio.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(
            lambda inputs: preprocessing_fn(inputs, config)
        )
        _ = transform_fn | tft_beam.WriteTransformFn(str(folder / "graph"))
    return tft.TFTransformOutput(str(folder / "graph"))


def export_contract_model(
    directory: Path, transform_output: tft.TFTransformOutput, seed: int = 5
) -> None:
    """Write the model; another seed gives other probabilities."""
    keras.utils.set_random_seed(seed)
    candidate = CandidateSettings(architecture="cnn_deep", normalisation="standardise")
    network = build_network(candidate, SIZE_PX)
    dice = np.random.default_rng(seed)
    known = dice.integers(0, 256, (8, SIZE_PX, SIZE_PX, 1), dtype=np.uint8)
    predictor = Predictor(network, candidate, Calibration(slope=0.7, intercept=0.2))
    predictor = predictor.but(familiar=familiar_images(predictor, [known]))
    model = ContractModel(predictor, transform_output, SIZE_PX, RULE)
    tf.saved_model.save(
        model,
        str(directory),
        signatures={
            features.SERVING_SIGNATURE: model.serve,
            features.EXAMPLES_SIGNATURE: model.serve_examples,
            PAIR: model.pair,
            ECHO: model.echo,
            SCALAR: model.scalar,
            TEXT_PAIR: model.text_pair,
            UNEVEN: model.uneven,
            UNEQUAL: model.unequal,
            **{f"contract_takes_{name}": _takes(name) for name in TAKES},
            **{f"contract_gives_{name}": _gives(name) for name in GIVES},
        },
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        export_contract_model(Path(sys.argv[1]) / "1", write_transform(Path(scratch)))
