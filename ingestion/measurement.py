"""What is measured of images beside what networks learn: nuisance features, and brightness.

Nuisance features are numbers that say nothing about lungs. All but the first four are taken from a
thumbnail of 128 px, grey in [0, 255]: what a network of that size sees of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from contract import features
from contract.errors import InputError
from contract.facts import Measured
from contract.progress import report_progress
from ingestion.images import decode_grey
from ingestion.sharpness import THUMBNAIL_PX, make_thumbnail, mean_absolute_gradient
from ingestion.tfrecord_file import RawRecord, map_folder

PERCENTILES = (1, 5, 50, 95, 99)
_GREY_LEVELS = np.arange(256)
# JPEG is decoded at the smallest size that still has twice the thumbnail's pixels a side.
_DECODED_SIDE_PX = 2 * THUMBNAIL_PX
_FRAME_PX = THUMBNAIL_PX // 16
_NEAR_BLACK = 15  # grey level; JPEG's ringing lifts black a little
_CORNER_HEIGHT_PX = THUMBNAIL_PX // 4
_CORNER_WIDTH_PX = THUMBNAIL_PX // 3
_MARKER_STROKE_PX = 9  # what is narrower than this in some direction may be a letter
_MARKER_RISE = 80  # grey levels above the surroundings; bones rise by less over so few pixels
_PROGRESS_IMAGES = 256  # between two reports


def measure_records(
    folders: Mapping[str, Path], num_records: Mapping[str, int]
) -> dict[str, Measured]:
    """Measure the nuisance features of every record of some splits, and report the progress.

    Args:
        folders: By split, a folder of TFRecord files that follow the feature contract.
        num_records: By split, the records in it; for the progress.

    Returns:
        By split, in the records' order.

    Raises:
        InputError: A file is damaged, or an image cannot be decoded.
    """
    total = sum(num_records[split] for split in folders)
    measured: dict[str, Measured] = {}
    num_done = 0
    for split, folder in folders.items():
        rows: list[tuple[dict[str, float], int, str]] = []
        for row in map_folder(_nuisances, folder):
            rows.append(row)
            num_done += 1
            if num_done % _PROGRESS_IMAGES == 0 or num_done == total:
                report_progress("Looking for shortcuts", num_done, total, "image")
        measured[split] = Measured(
            [image for image, _, _ in rows],
            np.array([label for _, label, _ in rows], np.int64),
            [patient for _, _, patient in rows],
        )
    return measured


def measure_mean_greys(folder: Path) -> dict[str, float]:
    """Return the mean grey level of each image's thumbnail, in [0, 255], by image id.

    Args:
        folder: TFRecord files that follow the feature contract.

    Raises:
        InputError: A file is damaged.
        ValueError: An image cannot be decoded.
    """
    return dict(map_folder(_mean_grey, folder))


def image_statistics(encoded: bytes, height_px: int, width_px: int) -> dict[str, float]:
    """Measure the nuisance features of one encoded image.

    Args:
        encoded: A JPEG or PNG of a record.
        height_px: Native height, at least 1.
        width_px: Native width, at least 1.

    Returns:
        By name: native size in px, aspect ratio (width by height, above 0), size of the
        encoded bytes, and what `thumbnail_statistics` returns.

    Raises:
        ValueError: The bytes cannot be decoded.
    """
    return {
        "native_width_px": float(width_px),
        "native_height_px": float(height_px),
        "aspect_ratio": width_px / height_px,
        "file_size_bytes": float(len(encoded)),
        **thumbnail_statistics(make_thumbnail(decode_grey(encoded, _DECODED_SIDE_PX))),
    }


def thumbnail_statistics(thumbnail: npt.NDArray[np.uint8]) -> dict[str, float]:
    """Measure the features that need pixels.

    Args:
        thumbnail: uint8 [128, 128], in [0, 255].

    Returns:
        By name, in grey levels of [0, 255] unless said otherwise: `mean_absolute_gradient`
        per px; `laplacian_variance` (grey levels squared, at least 0); `mean_grey`;
        `contrast`, the standard deviation; `grey_percentile_1` and so on, the lowest grey
        level that this part of the pixels does not pass; `border_blackness` and
        `text_marker_score`, each in [0, 1].
    """
    # From the 256 counts rather than from the 16,384 pixels: several times faster.
    counts = np.bincount(thumbnail.ravel(), minlength=_GREY_LEVELS.size)
    mean = float(counts @ _GREY_LEVELS) / thumbnail.size
    variance = float(counts @ (_GREY_LEVELS - mean) ** 2) / thumbnail.size
    ranks = np.array(PERCENTILES) / 100.0 * thumbnail.size
    percentiles = np.searchsorted(np.cumsum(counts), ranks)
    return {
        "mean_absolute_gradient": mean_absolute_gradient(thumbnail),
        "laplacian_variance": laplacian_variance(thumbnail),
        "mean_grey": mean,
        "contrast": math.sqrt(variance),
        **{
            f"grey_percentile_{percent}": float(value)
            for percent, value in zip(PERCENTILES, percentiles, strict=True)
        },
        "border_blackness": border_blackness(thumbnail),
        "text_marker_score": text_marker_score(thumbnail),
    }


def laplacian_variance(thumbnail: npt.NDArray[np.uint8]) -> float:
    """Return the variance of the Laplacian of four neighbours, at least 0.

    Source: J. L. Pech-Pacheco, G. Cristobal, J. Chamorro-Martinez, J. Fernandez-Valdivia,
    "Diatom autofocusing in brightfield microscopy: a comparative study", ICPR 2000.

    Args:
        thumbnail: uint8 [side, side], in [0, 255].
    """
    grey = thumbnail.astype(np.int32)
    neighbours = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((neighbours - 4 * grey[1:-1, 1:-1]).var())


def border_blackness(thumbnail: npt.NDArray[np.uint8]) -> float:
    """Return the share of near-black pixels in the outer frame, in [0, 1].

    The frame is 8 of 128 px wide; near black is a grey level of at most 15 of 255.

    Args:
        thumbnail: uint8 [128, 128], in [0, 255].
    """
    is_frame = np.ones(thumbnail.shape, bool)
    is_frame[_FRAME_PX:-_FRAME_PX, _FRAME_PX:-_FRAME_PX] = False
    return float((thumbnail[is_frame] <= _NEAR_BLACK).mean())


def text_marker_score(thumbnail: npt.NDArray[np.uint8]) -> float:
    """Return the share of the upper corners that looks like letters, in [0, 1].

    Side markers ("L", "R") and names are bright and have thin strokes. Counted are pixels of
    the two upper corners, 32 px high and 42 px wide, whose white top-hat with a square of
    9 px is at least 80 grey levels: an opening takes away what is bright and narrower than
    the square, and the top-hat is what it took. Wide bright areas, such as shoulders, stay.

    Source of the top-hat: P. Soille, Morphological Image Analysis, 2nd edition, Springer 2003.

    Args:
        thumbnail: uint8 [128, 128], in [0, 255].
    """
    upper = thumbnail[:_CORNER_HEIGHT_PX]
    corners = np.stack([upper[:, :_CORNER_WIDTH_PX], upper[:, -_CORNER_WIDTH_PX:]])
    rises = ndimage.white_tophat(corners, size=(1, _MARKER_STROKE_PX, _MARKER_STROKE_PX))
    return float((rises >= _MARKER_RISE).mean())


def _nuisances(record: RawRecord) -> tuple[dict[str, float], int, str]:
    encoded = record.data(features.IMAGE_BYTES)
    height_px, width_px = record.number(features.HEIGHT), record.number(features.WIDTH)
    try:
        image = image_statistics(encoded, height_px, width_px)
    except ValueError as error:
        raise InputError(
            f"{record.text(features.IMAGE_ID)}: {error}; convert the source again"
        ) from error
    return image, record.number(features.LABEL), record.text(features.PATIENT_ID)


def _mean_grey(record: RawRecord) -> tuple[str, float]:
    thumbnail = make_thumbnail(decode_grey(record.data(features.IMAGE_BYTES), _DECODED_SIDE_PX))
    return record.text(features.IMAGE_ID), float(thumbnail.mean())
