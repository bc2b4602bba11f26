"""Image files and source folders, drawn on the spot."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def encode_picture() -> Callable[..., bytes]:
    """Return a function that encodes a small random, smooth picture."""

    def encode(
        seed: int = 0,
        kind: str = "JPEG",
        mode: str = "L",
        size: tuple[int, int] = (40, 30),
        **options,
    ) -> bytes:
        coarse = np.random.default_rng(seed).integers(0, 256, (6, 8), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode)
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        return buffer.getvalue()

    return encode


@pytest.fixture
def write_pictures(encode_picture) -> Callable[[Path, Iterable[str]], Path]:
    """Return a function that writes a different JPEG under each of the names in a folder."""

    def write(folder: Path, names: Iterable[str]) -> Path:
        for seed, name in enumerate(names):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_picture(seed))
        return folder

    return write


@pytest.fixture
def public_names() -> list[str]:
    """Return names in the public layout: 30 normal and 30 pneumonia patients, train only."""
    normal = [f"train/NORMAL/IM-{number:04d}-0001.jpeg" for number in range(30)]
    bacterial = [f"train/PNEUMONIA/person{n}_bacteria_{n}.jpeg" for n in range(15)]
    viral = [f"train/PNEUMONIA/person{n}_virus_{n}.jpeg" for n in range(15, 30)]
    return normal + bacterial + viral
