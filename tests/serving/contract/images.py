"""Drawn pictures and how requests carry them; without TensorFlow."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image


def draw_image(seed: int, side_px: int = 48, file_format: str = "PNG") -> bytes:
    """Return a drawn picture."""
    pixels = np.random.default_rng(seed).integers(0, 200, (side_px, side_px + 12))
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, file_format)
    return buffer.getvalue()


def b64(data: bytes) -> dict[str, str]:
    """Return bytes as TF Serving's JSON has them."""
    return {"b64": base64.b64encode(data).decode()}
