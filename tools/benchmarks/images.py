"""Which images the benchmarks work on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from contract.settings import DataSettings, SyntheticSettings
from ingestion.open_source import open_source
from ingestion.records import Source
from ingestion.synthetic import write_synthetic_set

_ROOT = Path(__file__).resolve().parents[2]
REAL_IMAGES = _ROOT.parent / "shared" / "data" / "chest_xray_224.zip"


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much each benchmark does.

    Attributes:
        num_images: The most images for conversion and Transform; None for all.
        num_training_images: The most images of a training epoch.
        num_rounds: How often each side is measured.
        has_warm_up: Whether commands run once before they are measured.
        min_transformed_images: The least images for Transform, which reads a smaller set several
            times: building its graphs takes seconds, whatever the number.
    """

    num_images: int | None
    num_training_images: int
    num_rounds: int
    has_warm_up: bool = True
    min_transformed_images: int = 0


FULL = Sizes(num_images=None, num_training_images=1000, num_rounds=3, min_transformed_images=16_000)
QUICK = Sizes(num_images=800, num_training_images=320, num_rounds=3)


def default_data() -> str | None:
    """Return the real X-rays where they are there, and None, for drawn ones, where not."""
    return str(REAL_IMAGES) if REAL_IMAGES.is_file() else None


def load_images(data: str | None, work_dir: Path, num_images: int | None) -> Source:
    """Open the source, unpacked or drawn once per `work_dir`.

    Args:
        data: As `ingestion.open_source` takes it; None draws a set.
        work_dir: Where images are unpacked or drawn.
        num_images: The most images, evenly taken from all; None for all.

    Raises:
        InputError: The source cannot be used.
    """
    if data is None:
        data = str(write_synthetic_set(work_dir / "synthetic", SyntheticSettings()))
    source = open_source(data, work_dir, DataSettings())
    if num_images is None or num_images >= len(source.images):
        return source
    chosen = [index * len(source.images) // num_images for index in range(num_images)]
    return dataclasses.replace(source, images=tuple(source.images[index] for index in chosen))
