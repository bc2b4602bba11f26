"""The X-rays that serving is measured with, small ones and those of a hospital, as requests."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SMALL_PX = 224
HOSPITAL_PX = 2000
_GRAIN = 4.0  # grey levels, standard deviation
_JPEG_QUALITY = 94


def resize_image(image: bytes, side_px: int, seed: int) -> bytes:
    """Return an image of the given size, with a detector's grain where it had to grow.

    Args:
        image: JPEG or PNG.
        side_px: Of the result, a square.
        seed: Of the grain. Without it, a file enlarged to 2000 px would have a quarter of the
            bytes, and be decoded faster than any real one.

    Returns:
        The same bytes where the size is right already, else a grey JPEG: about 1.2 MB at 2000 px.
    """
    with Image.open(io.BytesIO(image)) as opened:
        if opened.size == (side_px, side_px):
            return image
        is_enlarged = min(opened.size) < side_px
        resized = opened.convert("L").resize((side_px, side_px), Image.Resampling.BICUBIC)
    if is_enlarged:
        grain = np.random.default_rng(seed).normal(0.0, _GRAIN, (side_px, side_px))
        pixels = np.clip(np.asarray(resized) + grain, 0, 255)
        resized = Image.fromarray(pixels.astype(np.uint8))
    encoded = io.BytesIO()
    resized.save(encoded, "JPEG", quality=_JPEG_QUALITY)
    return encoded.getvalue()


def write_bodies(path: Path, images: Sequence[bytes], images_per_request: int) -> Path:
    """Write requests of so many images each, one a line; a rest that fills none is left out."""
    starts = range(0, len(images) - images_per_request + 1, images_per_request)
    path.write_bytes(
        b"".join(_body(images[start : start + images_per_request]) + b"\n" for start in starts)
    )
    return path


def _body(images: Sequence[bytes]) -> bytes:
    instances = [{"b64": base64.b64encode(image).decode()} for image in images]
    return json.dumps({"instances": instances}).encode()
