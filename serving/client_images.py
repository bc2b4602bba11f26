"""The images that a client sends: found, checked and, where they are DICOM, converted.

All of it by the code of ingestion, so that an image is judged as it would have been trained on.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from contract.errors import InputError
from ingestion.images import decode_image, read_image
from ingestion.rejection import RejectedImageError
from serving.client_outcomes import Failure

MAX_IMAGE_PIXELS = 50_000_000  # ingestion's default, data.max_image_pixels
# What ingestion shows to who owns the data, but a client's output may be kept: the start of a
# file that is no image, and the value that pydicom stumbled over.
_QUOTED_CONTENT = re.compile(
    r"(?<=not a JPEG, PNG or DICOM file): it starts with .*"
    r"|(?<=cannot be decoded as DICOM): .*",
    re.DOTALL,
)


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

    As at ingestion, every visible file counts, whatever its name ends in; hidden files and
    `__MACOSX` are passed over. A file that was named stays in the list even where it is
    missing: it is told when its turn comes.

    Raises:
        InputError: A folder cannot be read, or holds no files.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = list(_files(path))
        if not inside:
            raise InputError(
                f"expected images in the folder {path}, got no visible file; check the path"
            )
        found += inside
    return found


def _files(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(
            f"expected a folder that can be read, got {folder}: {error.strerror}; "
            "change its permissions"
        ) from error
    for entry in entries:
        if entry.name.startswith(".") or entry.name == "__MACOSX":
            continue
        # A link to a folder could lead in circles; as a file it is told, not passed over.
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
        else:
            yield Path(entry.path)


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
        yield str(image) if isinstance(image, Path) else f"image {number}", image


def prepare_image(name: str, image: bytes | Path, max_image_pixels: int) -> ReadyImage | Failure:
    """Read and check an image, and make a PNG of it if it is DICOM.

    Args:
        name: For the result.
        image: The content of a JPEG, PNG or DICOM file, or its path.
        max_image_pixels: Largest allowed height x width.
    """
    try:
        if isinstance(image, bytes):
            decoded = decode_image(image, max_image_pixels)
        else:
            decoded = read_image(image, max_image_pixels)
    except RejectedImageError as error:
        return Failure(name, "image", _QUOTED_CONTENT.sub("", str(error)))
    return ReadyImage(name, decoded.encoded)
