"""The Transform node: TFX's own, but that what it writes is not compressed.

Bare pixels shrink by a fifth under gzip, and compressing them took longer than decoding and
resizing the images (docs/adr/0008).
"""

from __future__ import annotations

from typing import Any

import apache_beam as beam
from tfx import components as tfx_components
from tfx.components.transform import executor as tfx_executor
from tfx.components.transform import labels
from tfx.dsl.components.base import executor_spec
from tfx.types import Artifact

_SUFFIX = ".tfrecord"  # by which Beam knows that nothing is compressed


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
    _EncodeAndWrite = staticmethod(beam.ptransform_fn(_encode_and_write))


class Executor(tfx_executor.Executor):
    """TFX's executor with another way to write."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Transform the records of `input_dict`; see TFX's executor."""
        # TFX's executor makes its processor by this name, and takes none.
        before = tfx_executor.TransformProcessor
        tfx_executor.TransformProcessor = _Processor
        try:
            super().Do(input_dict, output_dict, exec_properties)
        finally:
            tfx_executor.TransformProcessor = before


class Transform(tfx_components.Transform):
    """The node, with the id `Transform` and the arguments of TFX's component."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
