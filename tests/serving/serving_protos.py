"""The messages of TensorFlow Serving's configuration files, as far as ours use them.

`ModelServerConfig` is that of tensorflow-serving-api, which lacks the other two: names, numbers and
types are those of TensorFlow Serving's session_bundle_config.proto and monitoring_config.proto.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow_serving.config import model_server_config_pb2

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "tensorflow.serving"
_WRAPPED = ".google.protobuf.Int64Value"

# Message: field: number, type or name of a message, whether it repeats.
_MESSAGES: dict[str, dict[str, tuple[int, int | str, bool]]] = {
    "BatchingParameters": {
        "max_batch_size": (1, _WRAPPED, False),
        "batch_timeout_micros": (2, _WRAPPED, False),
        "max_enqueued_batches": (3, _WRAPPED, False),
        "num_batch_threads": (4, _WRAPPED, False),
        "allowed_batch_sizes": (6, _Field.TYPE_INT64, True),
    },
    "MonitoringConfig": {"prometheus_config": (1, "PrometheusConfig", False)},
    "PrometheusConfig": {
        "enable": (1, _Field.TYPE_BOOL, False),
        "path": (2, _Field.TYPE_STRING, False),
    },
}


def parse(text: str, message: str) -> Any:
    """Parse the text form of a message; a field that it has not, or twice, raises ParseError."""
    if message == "ModelServerConfig":
        return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    return text_format.Parse(text, _CLASSES[f"{_PACKAGE}.{message}"]())


def _classes() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(
        name="serving.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, (number, kind, repeats) in fields.items():
            field = message.field.add(name=field_name, number=number)
            field.label = _Field.LABEL_REPEATED if repeats else _Field.LABEL_OPTIONAL
            if isinstance(kind, int):
                field.type = kind
            else:
                field.type = _Field.TYPE_MESSAGE
                field.type_name = kind if kind.startswith(".") else f".{_PACKAGE}.{kind}"
    pool.Add(file)
    return message_factory.GetMessageClassesForFiles([file.name], pool)


_CLASSES = _classes()
