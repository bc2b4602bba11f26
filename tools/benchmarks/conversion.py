"""Conversion to TFRecords against a bare loop that reads and verifies the same files."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from contract.errors import InputError
from contract.settings import PipelineSettings
from ingestion.conversion import convert
from tools.benchmarks.figures import PairedFigures
from tools.benchmarks.images import Sizes, load_images
from tools.benchmarks.measurement import Show, measure_in_turn, seconds_of

NAME = "conversion"
TARGET = 0.8


def measure(data: str | None, work_dir: Path, sizes: Sizes, show: Show) -> PairedFigures:
    """Measure `ingestion.conversion.convert`, listing and unpacking left out.

    Args:
        data: The source, or None for drawn images.
        work_dir: For everything that is written.
        sizes: How many images, how often.
        show: Receives a line for each measurement.

    Raises:
        InputError: The source cannot be used, or holds files that Pillow alone cannot read.
    """
    settings = PipelineSettings()
    source = load_images(data, work_dir, sizes.num_images)
    records_dir = work_dir / "records"

    def ours() -> None:
        shutil.rmtree(records_dir, ignore_errors=True)  # or the earlier result would be taken
        convert(source, settings.data, records_dir, settings.beam.pipeline_args)

    card = convert(source, settings.data, records_dir, settings.beam.pipeline_args)
    rejected = {rejection.image_id for rejection in card.rejected}
    paths = [image.path for image in source.images if image.image_id not in rejected]
    seconds = measure_in_turn(
        {"ours": seconds_of(ours), "bare": seconds_of(lambda: read_and_verify(paths))},
        sizes.num_rounds,
        show,
    )
    return PairedFigures(
        name=NAME,
        ours="convert(): verify, split by patient, write TFRecords and card, through Beam",
        bare="loop: read, full decode with Pillow, grey, SHA-256 of the pixels",
        num_images=len(paths),
        ours_s=seconds["ours"],
        bare_s=seconds["bare"],
        target=TARGET,
    )


def read_and_verify(paths: Sequence[Path]) -> list[str]:
    """Return the hex SHA-256 of each file's 8-bit grey pixels, as a plain loop takes them.

    Raises:
        InputError: Pillow cannot read a file, as with DICOM.
    """
    digests = []
    for path in paths:
        try:
            with Image.open(io.BytesIO(path.read_bytes())) as image:
                digests.append(hashlib.sha256(image.convert("L").tobytes()).hexdigest())
        except OSError as error:
            raise InputError(
                f"expected JPEG and PNG files only, which the bare loop can read, got {path}: "
                f"{error}; give other images with --data"
            ) from error
    return digests
