"""The names of `ingestion.tfrecord_file` that are about to be imported from there."""

from ingestion.tfrecord_file import decode_example, encode_example

__all__ = ["decode_example", "encode_example"]
