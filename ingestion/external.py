"""An external set as records: every image is judged, so all of them go into one split."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from contract import features
from contract.errors import InputError
from contract.settings import DataSettings
from ingestion.conversion import convert
from ingestion.dataset_card import DatasetCard
from ingestion.open_source import open_source
from ingestion.records import Source

SPLIT = features.TEST  # where an external set's records are


def open_external_source(source: str, work_dir: Path, settings: DataSettings) -> Source:
    """List the images of an external set, whatever splits the source has put them into.

    Args:
        source: As for `ingestion.open_source`; images of one class are enough.
        work_dir: Folder for what has to be unpacked, of this set alone.
        settings: Gives `max_archive_bytes`.

    Returns:
        The source, with all images in the split `SPLIT`.

    Raises:
        InputError: There is no such source, or it cannot be used as it is.
    """
    opened = open_source(source, work_dir, settings, one_class=True)
    images = (dataclasses.replace(image, source_split=SPLIT) for image in opened.images)
    return dataclasses.replace(opened, images=tuple(images))


def convert_external(
    name: str,
    source: str,
    work_dir: Path,
    records_dir: Path,
    settings: DataSettings,
    beam_pipeline_args: Sequence[str],
) -> DatasetCard:
    """Convert an external set into records, unless that was done already.

    Unreadable images are left out, listed in the card, and stop the run where they are more than
    `max_rejected_fraction`, as for the data themselves.

    Args:
        name: Of the set, for messages.
        source: As for `open_external_source`.
        work_dir: Folder for what has to be unpacked, of this set alone.
        records_dir: Receives `test/part-*.tfrecord.gz` and the dataset card.
        settings: Shards, and what is tolerated.
        beam_pipeline_args: Arguments for Beam.

    Raises:
        InputError: The source cannot be used; the message names the set.
    """
    try:
        opened = open_external_source(source, work_dir, settings)
        return convert(opened, settings, records_dir, beam_pipeline_args, filled_splits=(SPLIT,))
    except InputError as error:
        raise InputError(f"external set {name}: {error}") from error
