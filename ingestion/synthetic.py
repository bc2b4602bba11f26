"""The drawn data set that is used where no X-rays are given.

It exists so that the pipeline runs anywhere. Its images mean nothing clinically,
and every result from them says so.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import io
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contract.code_version import code_version
from contract.errors import InputError
from contract.features import BACTERIAL, NORMAL, VIRAL
from contract.progress import report_progress
from contract.settings import SyntheticSettings
from ingestion import drawing

_BACTERIAL_FRACTION = 0.6  # of pneumonia
_PNG_FRACTION = 0.06
_RGB_FRACTION = 0.1  # of the JPEGs: grey pixels, three equal channels
_IMAGES_PER_PATIENT = (1, 2, 3)
_IMAGES_PER_PATIENT_WEIGHTS = (0.55, 0.3, 0.15)

# First numbers of the spawn keys: one family of random streams for each.
PLAN_STREAM, PATIENT_STREAM, IMAGE_STREAM, FINDING_STREAM = 0, 1, 2, 3

NOTICE_FILE = "SYNTHETIC.txt"
_NOTICE = """\
The images in this folder are drawn by a program. They are not X-rays of anybody,
and no result obtained from them means anything clinically.

{num_images} images, fingerprint {fingerprint}
"""
_STAGE = "Drawing synthetic X-rays"
_IMAGES_PER_REPORT = 20
_IMAGES_PER_PROCESS = 150  # at least; they take a second, as its start does
_JPEG_QUALITY = 90

_MIN_ASPECT, _MAX_ASPECT = 0.9, 1.45  # width over height

# Anatomy has no detail finer than this share of the image's resolution can show,
# and drawing it at full size would cost twice the time.
_DRAWN_SCALE = 0.7


@dataclasses.dataclass(frozen=True)
class PlannedImage:
    """One image before it is drawn.

    Attributes:
        path: Relative to the set's folder, in the well-known layout.
        subtype: `normal`, `bacterial` or `viral`.
        patient: Index of the patient, whose random stream gives anatomy and finding.
        index: Index of the image, whose random stream gives pose, size and exposure.
        rgb: Whether it is stored with three equal channels.
    """

    path: str
    subtype: str
    patient: int
    index: int
    rgb: bool


def plan_images(settings: SyntheticSettings) -> list[PlannedImage]:
    """Plan the set: which patients, how many images of each, in which files.

    Args:
        settings: Number of images, share of pneumonia, and seed.

    Returns:
        `settings.num_images` images; every subtype has at least one.
    """
    rng = random_stream(settings, PLAN_STREAM, 0)
    num_pneumonia = round(settings.num_images * settings.pneumonia_fraction)
    num_pneumonia = min(max(num_pneumonia, 2), settings.num_images - 1)
    num_bacterial = min(max(round(num_pneumonia * _BACTERIAL_FRACTION), 1), num_pneumonia - 1)
    counts = {
        NORMAL: settings.num_images - num_pneumonia,
        BACTERIAL: num_bacterial,
        VIRAL: num_pneumonia - num_bacterial,
    }
    images: list[PlannedImage] = []
    patient = 0
    for subtype, num_images in counts.items():
        for share in _share_among_patients(num_images, rng):
            for number in range(1, share + 1):
                png = bool(rng.random() < _PNG_FRACTION)
                rgb = bool(rng.random() < _RGB_FRACTION) and not png
                stem = _file_stem(subtype, patient, number, len(images))
                path = stem + (".png" if png else ".jpeg")
                images.append(PlannedImage(path, subtype, patient, len(images), rgb))
            patient += 1
    return images


def random_stream(settings: SyntheticSettings, stream: int, index: int) -> np.random.Generator:
    """Return the generator of one patient, image or plan; streams do not touch each other."""
    return np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(stream, index)))


def _share_among_patients(num_images: int, rng: np.random.Generator) -> list[int]:
    """Return how many images each patient has; together they are `num_images`."""
    shares: list[int] = []
    left = num_images
    while left:
        share = int(rng.choice(_IMAGES_PER_PATIENT, p=_IMAGES_PER_PATIENT_WEIGHTS))
        shares.append(min(share, left))
        left -= shares[-1]
    return shares


def _file_stem(subtype: str, patient: int, number: int, index: int) -> str:
    """Return the path without suffix, named as the public data set names its files."""
    if subtype == NORMAL:
        return f"train/NORMAL/IM-{patient + 1:04d}-{number:04d}"
    cause = {BACTERIAL: "bacteria", VIRAL: "virus"}[subtype]
    return f"train/PNEUMONIA/person{patient + 1}_{cause}_{index + 1}"


def draw_image(planned: PlannedImage, settings: SyntheticSettings) -> NDArray[np.uint8]:
    """Draw one image; equal arguments give equal pixels, whatever else is drawn.

    Args:
        planned: Which image of which patient.
        settings: Sides and seed.

    Returns:
        (height, width), uint8, both sides in [min_side_px, max_side_px].
    """
    patient_rng = random_stream(settings, PATIENT_STREAM, planned.patient)
    anatomy = drawing.sample_anatomy(patient_rng)
    rng = random_stream(settings, IMAGE_STREAM, planned.index)
    film = drawing.sample_film(rng)
    height, width = _sample_sides(settings, rng)
    across, down = drawing.body_coordinates(
        round(height * _DRAWN_SCALE), round(width * _DRAWN_SCALE), film
    )
    chest = drawing.draw_chest(across, down, anatomy)
    taken = drawing.draw_vessels(across, down, film.vessels, rng)
    # A separate stream, so that the finding changes nothing else in the image.
    finding_rng = random_stream(settings, FINDING_STREAM, planned.index)
    if planned.subtype == BACTERIAL:
        consolidation = drawing.sample_consolidation(patient_rng)
        patch = drawing.draw_consolidation(across, down, consolidation, finding_rng)
        taken = np.maximum(taken, patch)
    elif planned.subtype == VIRAL:
        interstitial = drawing.sample_interstitial(patient_rng)
        pattern = drawing.draw_interstitial(across, down, interstitial, finding_rng)
        taken = np.maximum(taken, pattern)
    density = drawing.fill_lungs(chest, taken, anatomy.air_contrast)
    return drawing.expose(density, height, width, film, rng)


def write_synthetic_set(output_dir: Path, settings: SyntheticSettings) -> Path:
    """Draw the whole set into `output_dir`, unless it is there already.

    The folder appears only when it is complete; a set of other settings or of
    another version of this code is replaced.

    Args:
        output_dir: Folder to write; missing, empty, or an earlier drawn set.
        settings: What to draw.

    Returns:
        The folder `chest_xray` in `output_dir`, which holds `train/NORMAL` and
        `train/PNEUMONIA`. `NOTICE_FILE` is next to it.

    Raises:
        InputError: `output_dir` holds something else, or cannot be written.
    """
    notice = _NOTICE.format(num_images=settings.num_images, fingerprint=_fingerprint(settings))
    images_dir = output_dir / "chest_xray"
    if _is_finished(output_dir, notice, settings.num_images):
        return images_dir
    try:
        if output_dir.exists() and not _may_replace(output_dir):
            raise InputError(
                f"expected a missing or empty folder, or an earlier drawn set, at {output_dir}, "
                f"got something without {NOTICE_FILE}: move it away or choose another output folder"
            )
        unfinished_dir = output_dir.with_name(f".{output_dir.name}.unfinished")
        shutil.rmtree(unfinished_dir, ignore_errors=True)
        _write_images(unfinished_dir / images_dir.name, settings)
        (unfinished_dir / NOTICE_FILE).write_text(notice, encoding="utf-8")
        if output_dir.exists():
            shutil.rmtree(output_dir)
        unfinished_dir.rename(output_dir)
    except OSError as error:
        raise InputError(
            f"expected a folder that can be written at {output_dir}, got {error}: "
            "check permissions and free space, or choose another output folder"
        ) from error
    return images_dir


def _write_images(images_dir: Path, settings: SyntheticSettings) -> None:
    images = plan_images(settings)
    for folder in {(images_dir / planned.path).parent for planned in images}:
        folder.mkdir(parents=True)

    write = functools.partial(_write_image, images_dir, settings)
    num_processes = min(len(os.sched_getaffinity(0)), len(images) // _IMAGES_PER_PROCESS)
    with contextlib.ExitStack() as cleanup:
        if num_processes < 2:
            written: Iterator[None] = map(write, images)
        else:
            # Processes: NumPy holds Python's lock too often here for threads to be faster. New
            # ones, since a copy of a process with threads may hang.
            context = multiprocessing.get_context("spawn")
            pool = cleanup.enter_context(ProcessPoolExecutor(num_processes, context))
            written = pool.map(write, images, chunksize=_IMAGES_PER_REPORT)
        for done, _ in enumerate(written, start=1):
            if done % _IMAGES_PER_REPORT == 0 or done == len(images):
                report_progress(_STAGE, done, len(images), "image")


def _write_image(images_dir: Path, settings: SyntheticSettings, planned: PlannedImage) -> None:
    (images_dir / planned.path).write_bytes(_encode(draw_image(planned, settings), planned))


def _sample_sides(settings: SyntheticSettings, rng: np.random.Generator) -> tuple[int, int]:
    """Return height and width, px, each in [min_side_px, max_side_px]."""
    smallest, largest = settings.min_side_px, settings.max_side_px
    width = int(rng.integers(smallest, largest + 1))
    height = round(width / rng.uniform(_MIN_ASPECT, _MAX_ASPECT))
    return min(max(height, smallest), largest), width


def _encode(pixels: NDArray[np.uint8], planned: PlannedImage) -> bytes:
    image = Image.fromarray(pixels)
    if planned.rgb:
        image = image.convert("RGB")
    buffer = io.BytesIO()
    if planned.path.endswith(".png"):
        image.save(buffer, "PNG")
    else:
        image.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def _fingerprint(settings: SyntheticSettings) -> str:
    """Return a hash of the settings and of the code that draws."""
    code = code_version("ingestion.synthetic", libraries=("numpy", "pillow"))
    return hashlib.sha256(f"{settings.model_dump_json()} {code}".encode()).hexdigest()


def _is_finished(output_dir: Path, notice: str, num_images: int) -> bool:
    notice_file = output_dir / NOTICE_FILE
    if not notice_file.is_file() or notice_file.read_text(encoding="utf-8") != notice:
        return False
    return sum(path.is_file() for path in output_dir.glob("chest_xray/train/*/*")) == num_images


def _may_replace(output_dir: Path) -> bool:
    if not output_dir.is_dir():
        return False
    return (output_dir / NOTICE_FILE).is_file() or not any(output_dir.iterdir())
