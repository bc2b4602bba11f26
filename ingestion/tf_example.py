"""`tf.train.Example` messages without TensorFlow.

Importing TensorFlow costs each process more than ten seconds, which is more
than converting thousands of images takes. The message is small, public and
frozen, so its descriptor is built here, in a pool of its own that cannot
collide with TensorFlow's. Bytes on disk are the same.

Source: tensorflow/core/example/{example,feature}.proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

_PACKAGE = "tensorflow"
_FIELD = descriptor_pb2.FieldDescriptorProto


def _example_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="pneumonia/example.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, value_type in (
        ("BytesList", _FIELD.TYPE_BYTES),
        ("FloatList", _FIELD.TYPE_FLOAT),
        ("Int64List", _FIELD.TYPE_INT64),
    ):
        file.message_type.add(name=name).field.add(
            name="value", number=1, type=value_type, label=_FIELD.LABEL_REPEATED
        )
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, list_name in enumerate(("BytesList", "FloatList", "Int64List"), start=1):
        feature.field.add(
            name=list_name.replace("List", "_list").lower(),
            number=number,
            type=_FIELD.TYPE_MESSAGE,
            type_name=f".{_PACKAGE}.{list_name}",
            label=_FIELD.LABEL_OPTIONAL,
            oneof_index=0,
        )
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    entry.field.add(
        name="value",
        number=2,
        type=_FIELD.TYPE_MESSAGE,
        type_name=f".{_PACKAGE}.Feature",
        label=_FIELD.LABEL_OPTIONAL,
    )
    features.field.add(
        name="feature",
        number=1,
        type=_FIELD.TYPE_MESSAGE,
        type_name=f".{_PACKAGE}.Features.FeatureEntry",
        label=_FIELD.LABEL_REPEATED,
    )
    file.message_type.add(name="Example").field.add(
        name="features",
        number=1,
        type=_FIELD.TYPE_MESSAGE,
        type_name=f".{_PACKAGE}.Features",
        label=_FIELD.LABEL_OPTIONAL,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Example"))


_Example = _example_class()


def encode_example(values: Mapping[str, bytes | int]) -> bytes:
    """Return a serialised `tf.train.Example` with one value for each feature.

    Args:
        values: Bytes become a `bytes_list`, integers an `int64_list`, of length one.

    Returns:
        Bytes that are equal for equal `values`, whatever their order.
    """
    example = _Example()
    for name, value in values.items():
        feature = example.features.feature[name]
        if isinstance(value, bytes):
            feature.bytes_list.value.append(value)
        else:
            feature.int64_list.value.append(value)
    encoded: bytes = example.SerializeToString(deterministic=True)
    return encoded


def decode_example(serialized: bytes) -> dict[str, list[bytes] | list[int] | list[float]]:
    """Return the features of a serialised `tf.train.Example`.

    Raises:
        ValueError: `serialized` is not a `tf.train.Example`.
    """
    try:
        example = _Example.FromString(serialized)
    except DecodeError as error:
        raise ValueError(f"not a tf.train.Example: {error}") from error
    decoded = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        decoded[name] = list(getattr(feature, kind).value) if kind else []
    return decoded
