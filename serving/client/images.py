"""The images that a client sends: found, checked and, where they are DICOM, converted.

All of it by the code of ingestion, so that an image is judged as it would have been trained on.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from contract.errors import InputError, RejectedImageError
from ingestion.images import read_for_serving
from ingestion.walking import shown, walk
from serving.client.outcomes import Failure

MAX_IMAGE_PIXELS = 50_000_000  # ingestion's default, data.max_image_pixels


@dataclasses.dataclass(frozen=True, slots=True)
class ReadyImage:
    """An image that can be sent.

    Attributes:
        name: What to call it towards the user; it never leaves this machine.
        encoded: JPEG or PNG.
    """

    name: str
    encoded: bytes


def find_images(paths: Iterable[Path]) -> list[Path]:
    """List files, those of folders recursively and by name.

    As at ingestion, every file counts, whatever its name ends in, but for what `is_leftover`
    names. A file that was named stays in the list even where it is missing: it fails when its turn
    comes.

    Raises:
        InputError: A folder cannot be read, or holds no files.
    """
    found: list[Path] = []
    for path in paths:
        if not os.path.isdir(path):
            found.append(path)
            continue
        walked = walk(path)
        # A link in a circle is listed as a file, and fails with its reason.
        inside = sorted([*walked.files, *walked.loops])
        if not inside:
            raise InputError(
                f"expected images in the folder {path}, got no visible file; check the path"
            )
        found += inside
    return found


def name_images(images: Iterable[bytes | Path]) -> Iterator[tuple[str, bytes | Path]]:
    """Pair each image with its name: its path, or "image N", counted from 1.

    Raises:
        TypeError: It is neither bytes nor a path.
    """
    for number, image in enumerate(images, 1):
        if not isinstance(image, bytes | Path):
            raise TypeError(
                f"expected bytes or a pathlib.Path, got {type(image).__name__} as image {number}; "
                "wrap a path's text in Path"
            )
        yield shown(image) if isinstance(image, Path) else f"image {number}", image


def prepare_image(name: str, image: bytes | Path, max_image_pixels: int) -> ReadyImage | Failure:
    """Read and check an image, and make a PNG of it if it is DICOM or turned by EXIF.

    Args:
        name: For the result.
        image: The content of a JPEG, PNG or DICOM file, or its path.
        max_image_pixels: Largest allowed height x width.
    """
    try:
        return ReadyImage(name, read_for_serving(image, max_image_pixels))
    except RejectedImageError as error:
        # Not the whole message, which may quote the file: a client's output may be kept.
        return Failure(name, "image", error.reason)
