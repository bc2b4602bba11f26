from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from tools.benchmarks.serving_images import HOSPITAL_PX, resize_image, write_bodies


def encode(width: int, height: int) -> bytes:
    ramp = np.add.outer(np.arange(height), np.arange(width)) * 255 // (height + width)
    buffer = io.BytesIO()
    Image.fromarray(ramp.astype(np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def test_an_image_of_the_right_size_stays_as_it_is() -> None:
    image = encode(224, 224)
    assert resize_image(image, 224, seed=1) == image


def test_a_larger_image_becomes_smaller_without_grain() -> None:
    smaller = resize_image(encode(500, 400), 224, seed=1)
    with Image.open(io.BytesIO(smaller)) as opened:
        assert opened.size == (224, 224)
    assert resize_image(encode(500, 400), 224, seed=2) == smaller


def test_an_enlarged_image_is_as_large_as_a_hospital_s() -> None:
    large = resize_image(encode(224, 200), HOSPITAL_PX, seed=1)
    with Image.open(io.BytesIO(large)) as opened:
        assert (opened.size, opened.mode) == ((HOSPITAL_PX, HOSPITAL_PX), "L")
    assert 1.0e6 < len(large) < 1.4e6
    assert resize_image(encode(224, 200), HOSPITAL_PX, seed=2) != large


def test_requests_hold_the_images_in_order(tmp_path: Path) -> None:
    path = write_bodies(tmp_path / "bodies", [b"a", b"b", b"c", b"d", b"e"], 2)
    sent = [json.loads(line)["instances"] for line in path.read_bytes().splitlines()]
    assert [[base64.b64decode(each["b64"]) for each in one] for one in sent] == [
        [b"a", b"b"],
        [b"c", b"d"],
    ]
