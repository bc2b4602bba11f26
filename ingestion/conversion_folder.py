"""The folder of a conversion: reused when it is still right, and otherwise replaced as a whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from contract.errors import InputError
from ingestion.dataset_card import JSON_NAME, DatasetCard, read_card
from ingestion.walking import is_leftover


def finished_card(output_dir: Path, fingerprint: str) -> DatasetCard | None:
    """Return the card of a complete conversion with this fingerprint, or None."""
    try:
        card = read_card(output_dir)
    except (OSError, ValueError):  # None yet, or one of an older version: convert again.
        return None
    if card.fingerprint != fingerprint:
        return None
    for name, num_bytes in card.files.items():
        path = output_dir / name
        if not path.is_file() or path.stat().st_size != num_bytes:
            return None
    return card


def prepare_partial(output_dir: Path) -> Path:
    """Make an empty folder beside `output_dir` to write into, and return it.

    What an interrupted conversion left there is thrown away.

    Raises:
        InputError: The place cannot be written, or `output_dir` holds files of somebody else.
    """
    partial = _beside(output_dir, "partial")
    try:
        if output_dir.exists():
            _check_ours(output_dir)
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"expected a folder that can be written, got {output_dir}: "
            f"{error.strerror or error}; choose another output folder, or fix its permissions"
        ) from error
    return partial


def publish(partial: Path, output_dir: Path) -> None:
    """Put a complete `partial` into the place of `output_dir`."""
    old = _beside(output_dir, "old")
    if old.exists():
        shutil.rmtree(old)
    if output_dir.exists():
        os.replace(output_dir, old)
    os.replace(partial, output_dir)
    if old.exists():
        shutil.rmtree(old)


def _beside(output_dir: Path, word: str) -> Path:
    return output_dir.with_name(f".{output_dir.name}.{word}")


def _check_ours(output_dir: Path) -> None:
    others = any(not is_leftover(path.name) for path in output_dir.iterdir())
    if others and not (output_dir / JSON_NAME).is_file():
        raise InputError(
            f"expected an empty folder or an earlier conversion, got {output_dir} with other "
            "files in it, which a conversion would replace; choose another output folder"
        )
