"""The drawn data set that stands in where no X-rays are given.

It exists so that the pipeline runs anywhere. Its images mean nothing clinically,
and every result from them says so.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contract.code_version import code_version
from contract.errors import InputError
from contract.features import BACTERIAL, VIRAL
from contract.progress import report_progress
from contract.settings import SyntheticSettings
from ingestion import synthetic_anatomy, synthetic_film, synthetic_findings
from ingestion.synthetic_plan import (
    FINDING_STREAM,
    IMAGE_STREAM,
    PATIENT_STREAM,
    PlannedImage,
    plan_images,
    random_stream,
)

NOTICE_FILE = "SYNTHETIC.txt"
_NOTICE = """\
The images in this folder are drawn by a program. They are not X-rays of anybody,
and no result obtained from them means anything clinically.

{num_images} images, fingerprint {fingerprint}
"""
_STAGE = "Drawing synthetic X-rays"
_IMAGES_PER_REPORT = 20
_JPEG_QUALITY = 90

_MIN_ASPECT, _MAX_ASPECT = 0.9, 1.45  # width over height

# Anatomy has no detail finer than this share of the image's resolution can show,
# and drawing it at full size would cost twice the time.
_DRAWN_SCALE = 0.7


def draw_image(planned: PlannedImage, settings: SyntheticSettings) -> NDArray[np.uint8]:
    """Draw one image; equal arguments give equal pixels, whatever else is drawn.

    Args:
        planned: Which image of which patient.
        settings: Sides and seed.

    Returns:
        (height, width), uint8, both sides in [min_side_px, max_side_px].
    """
    patient_rng = random_stream(settings, PATIENT_STREAM, planned.patient)
    anatomy = synthetic_anatomy.sample_anatomy(patient_rng)
    rng = random_stream(settings, IMAGE_STREAM, planned.index)
    film = synthetic_film.sample_film(rng)
    height, width = _sample_sides(settings, rng)
    across, down = synthetic_film.body_coordinates(
        round(height * _DRAWN_SCALE), round(width * _DRAWN_SCALE), film
    )
    chest = synthetic_anatomy.draw_chest(across, down, anatomy)
    taken = synthetic_findings.draw_vessels(across, down, film.vessels, rng)
    # A stream of its own: without its finding, the image would be the same elsewhere.
    finding_rng = random_stream(settings, FINDING_STREAM, planned.index)
    if planned.subtype == BACTERIAL:
        consolidation = synthetic_findings.sample_consolidation(patient_rng)
        patch = synthetic_findings.draw_consolidation(across, down, consolidation, finding_rng)
        taken = np.maximum(taken, patch)
    elif planned.subtype == VIRAL:
        interstitial = synthetic_findings.sample_interstitial(patient_rng)
        pattern = synthetic_findings.draw_interstitial(across, down, interstitial, finding_rng)
        taken = np.maximum(taken, pattern)
    density = synthetic_findings.fill_lungs(chest, taken, anatomy.air_contrast)
    return synthetic_film.expose(density, height, width, film, rng)


def write_synthetic_set(output_dir: Path, settings: SyntheticSettings) -> Path:
    """Draw the whole set into `output_dir`, unless it is there already.

    The folder appears only when it is complete; a set of other settings or of
    another version of this code is replaced.

    Args:
        output_dir: Folder to write; missing, empty, or an earlier drawn set.
        settings: What to draw.

    Returns:
        The folder `chest_xray` in `output_dir`, which holds `train/NORMAL` and
        `train/PNEUMONIA`. Beside it stands `NOTICE_FILE`.

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

    # One thread: NumPy holds Python's lock too often here for several to be faster.
    for done, planned in enumerate(images, start=1):
        encoded = _encode(draw_image(planned, settings), planned)
        (images_dir / planned.path).write_bytes(encoded)
        if done % _IMAGES_PER_REPORT == 0 or done == len(images):
            report_progress(_STAGE, done, len(images), "image")


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
