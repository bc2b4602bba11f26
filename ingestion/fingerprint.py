"""What a conversion depends on, as one hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from contract.code_version import code_version
from contract.settings import DataSettings
from ingestion.records import Source

# The settings that change what is written; the others only guard the way there.
_RELEVANT_SETTINGS = {
    "validation_fraction",
    "test_fraction",
    "split_salt",
    "num_shards",
    "max_rejected_fraction",
    "cross_split_duplicates",
    "max_image_pixels",
}
_DECODERS = ("tensorflow", "pillow", "pydicom", "numpy")


def fingerprint_source(source: Source, settings: DataSettings) -> str:
    """Return a hex SHA-256 that changes whenever the conversion's result could change.

    It covers each image's name, facts, size in bytes and time of modification,
    the settings that matter, the code of ingestion, and the decoders' versions.
    """
    digest = hashlib.sha256(
        code_version("ingestion.conversion", "ingestion.open_source", libraries=_DECODERS).encode()
    )
    digest.update(json.dumps(relevant_settings(settings)).encode())
    digest.update(json.dumps([source.kind, source.synthetic, source.warnings]).encode())
    for image in source.images:
        facts = (
            image.image_id,
            image.label,
            image.subtype,
            image.patient_id,
            image.source_split,
            image.patient_known,
            *file_stamp(image.path),
        )
        digest.update(json.dumps(facts).encode())
    return digest.hexdigest()


def relevant_settings(settings: DataSettings) -> dict[str, str | int | float]:
    """Return the settings that shape a conversion, by name."""
    return settings.model_dump(include=_RELEVANT_SETTINGS)


def file_stamp(path: Path) -> tuple[int, int]:
    """Return size in bytes and modification time in ns, or (-1, -1) where there is no such file."""
    try:
        stat = path.stat()
    except OSError:
        return (-1, -1)  # The image is rejected with its reason when it is read.
    return (stat.st_size, stat.st_mtime_ns)
