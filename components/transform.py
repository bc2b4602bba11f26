"""The Transform node: TFX's own, with small batches and uncompressed output.

Bare pixels shrink by a fifth under gzip, and compressing them took longer than decoding and
resizing the images (docs/adr/0008).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apache_beam as beam
from tfx import components as tfx_components
from tfx.components.transform import executor as tfx_executor
from tfx.components.transform import labels
from tfx.dsl.components.base import executor_spec
from tfx.types import Artifact, artifact_utils, standard_component_specs

from contract import features
from ingestion.tfrecord_file import read_folder

_SUFFIX = ".tfrecord"  # by which Beam knows that nothing is compressed
# Encoded images that Beam hands from one stage to the next as one element. TFX lets Beam choose up
# to 1000: of a hospital's X-rays that is gigabytes, and those of the public set were more than a
# Flink TaskManager with 512 MB of heap could serialise.
_BATCH_BYTES = 2 * 2**20
_MAX_BATCH_IMAGES = 128
_SAMPLED_IMAGES = 64


def _encode_and_write(
    batches: beam.PCollection, schema: Any, file_format: str, output_path: str
) -> beam.PCollection:
    """Write transformed records; the arguments are those of TFX's transform of that name."""
    if file_format != labels.FORMAT_TFRECORD:
        raise ValueError(f"Expected the format {labels.FORMAT_TFRECORD}, got {file_format!r}.")
    encode = tfx_executor.TransformProcessor._RecordBatchToExamplesFn(schema)
    return (
        batches
        | "EncodeAndSerialize" >> beam.ParDo(encode)
        | "ExtractExamples" >> beam.Values()
        | "WriteToTFRecord" >> beam.io.WriteToTFRecord(output_path, file_name_suffix=_SUFFIX)
    )


class _Processor(tfx_executor.TransformProcessor):
    batch_images = 1  # set by the executor
    _EncodeAndWrite = staticmethod(beam.ptransform_fn(_encode_and_write))

    def _GetDesiredBatchSize(self, *unused: Any) -> int:  # noqa: N802 - TFX's name
        return self.batch_images


def batch_images(records: Iterable[bytes]) -> int:
    """Return how many records make a batch of some `_BATCH_BYTES`, by the first of them.

    Args:
        records: Serialised, of any number; 64 of them are read.

    Returns:
        1 to 128.
    """
    sizes = [len(record) for record in itertools.islice(records, _SAMPLED_IMAGES)]
    fitting = _BATCH_BYTES * len(sizes) // max(1, sum(sizes))
    return max(1, min(_MAX_BATCH_IMAGES, fitting))


class Executor(tfx_executor.Executor):
    """TFX's executor with small batches and another way to write."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Transform the records of `input_dict`; see TFX's executor."""
        # TFX's executor makes its processor by this name, and takes none.
        before = tfx_executor.TransformProcessor
        examples = input_dict[standard_component_specs.EXAMPLES_KEY]
        train = Path(artifact_utils.get_split_uri(examples, features.TRAIN))
        _Processor.batch_images = batch_images(record.serialized for record in read_folder(train))
        tfx_executor.TransformProcessor = _Processor
        try:
            super().Do(input_dict, output_dict, exec_properties)
        finally:
            tfx_executor.TransformProcessor = before


class Transform(tfx_components.Transform):
    """The node, with the id `Transform` and the arguments of TFX's component."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
