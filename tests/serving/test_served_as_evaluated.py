"""A client gets what the Evaluator judged: the same bytes, the same probability."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contract import features
from contract.server_settings import ServerSettings
from ingestion.records import SourceImage
from ingestion.shards import ShardPlan, write_shard
from report.served_predictions import predict_records
from serving.client import Client, RetryPolicy
from serving.client.images import MAX_IMAGE_PIXELS
from tests.serving.client.pictures import encode_dicom
from tests.serving.running import serve

TOLERANCE = 1e-5
NUM_PICTURES = 4
HEIGHT_PX, WIDTH_PX = 90, 110  # larger than the network's input, as X-rays are
KINDS = ("jpeg", "png", "dcm")


@dataclasses.dataclass(frozen=True)
class Answer:
    probability: float
    is_pneumonia: bool


def draw(seed: int) -> np.ndarray:
    """Return grey levels from 0 to 255, which DICOM's window keeps as they are.

    Each seed has a structure of another size: an untrained network separates little else.
    """
    dice = np.random.default_rng(seed)
    coarse = Image.fromarray(dice.integers(0, 256, (2 + 4 * seed, 3 + 5 * seed), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BICUBIC))
    pixels = np.clip(smooth * 0.8 + dice.integers(0, 40, smooth.shape), 0, 255).astype(np.uint8)
    pixels[0, :2] = 0, 255
    return pixels


def write(folder: Path, seed: int, kind: str) -> Path:
    pixels = draw(seed)
    path = folder / f"{seed}.{kind}"
    if kind == "dcm":
        size = {"Rows": HEIGHT_PX, "Columns": WIDTH_PX, "PixelData": pixels.tobytes()}
        path.write_bytes(encode_dicom(**size))
        return path
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    path.write_bytes(buffer.getvalue())
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [write(tmp_path, seed, kind) for seed in range(NUM_PICTURES) for kind in KINDS]


@pytest.fixture
def evaluated(files: list[Path], push_dir: Path, tmp_path: Path) -> dict[str, Answer]:
    """Return what `serving_examples` says of the records that ingestion writes."""
    images = tuple(SourceImage(str(file), file.name, 0, "normal", file.name) for file in files)
    plan = ShardPlan(features.TEST, 0, 1, images)
    records = tmp_path / "records"
    for name in (plan.name, plan.report_name):
        (records / name).parent.mkdir(parents=True)
    write_shard(plan, records, MAX_IMAGE_PIXELS, on_image=lambda: None)
    judged = predict_records(push_dir / "1", records / features.TEST, "judged")
    answers = zip(judged.probabilities, judged.decisions, strict=True)
    return {
        name: Answer(float(probability), bool(decision))
        for name, (probability, decision) in zip(judged.image_ids, answers, strict=True)
    }


@pytest.fixture
def served(files: list[Path], push_dir: Path) -> dict[str, Answer]:
    """Return the client's answers for the files, over HTTP."""
    once = RetryPolicy(num_retries=0)
    with serve(ServerSettings(push_dir)) as running, Client(running.url, retry=once) as client:
        together = client.predict(files)
        (alone,) = client.predict(files[:1])
    assert alone.probability == pytest.approx(together[0].probability, abs=TOLERANCE)
    return {
        file.name: Answer(told.probability, told.label == features.PNEUMONIA)
        for file, told in zip(files, together, strict=True)
    }


@pytest.mark.slow
def test_the_served_probability_is_the_evaluated_one(
    served: dict[str, Answer], evaluated: dict[str, Answer]
) -> None:
    assert served.keys() == evaluated.keys()
    assert len(served) == NUM_PICTURES * len(KINDS)
    for name, answer in served.items():
        assert abs(answer.probability - evaluated[name].probability) <= TOLERANCE, name
        assert answer.is_pneumonia == evaluated[name].is_pneumonia, name


@pytest.mark.slow
def test_png_and_dicom_of_the_same_pixels_are_one_picture(served: dict[str, Answer]) -> None:
    for seed in range(NUM_PICTURES):
        png, dicom = served[f"{seed}.png"], served[f"{seed}.dcm"]
        assert abs(png.probability - dicom.probability) <= TOLERANCE
    # An answer that hardly depended on the picture would pass all of the above. The network is
    # untrained, so that single pairs can be near each other; all of them together are not.
    different = [served[f"{seed}.png"].probability for seed in range(NUM_PICTURES)]
    assert max(different) - min(different) > 50 * TOLERANCE
