"""What a network says of large JPEGs that are decoded at a reduced scale.

The bound is for a network that sees the grey levels as they are. One that sees contrast equalised
in tiles answers to single grey levels with more than that: docs/adr/0008 has its figures.
"""

import io
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from contract.settings import (
    CandidateRun,
    CandidateSettings,
    OperatingPointSettings,
    SyntheticSettings,
    TrainingSettings,
    TransformSettings,
    TunerSettings,
)
from ingestion.synthetic import write_synthetic_set
from models.distribution import create_strategy
from models.input_data import SplitData
from models.predictor import Predictor, predict_probabilities
from models.preprocessing import decode_and_resize
from models.training import train_network

pytestmark = pytest.mark.slow

SETTINGS = TransformSettings(image_size_px=64)
CANDIDATE = CandidateSettings(normalisation="none", training=TrainingSettings(epochs=8))
NUM_TRAINING, NUM_VALIDATION, NUM_ENLARGED = 250, 100, 8
# A network of fewer real X-rays is unsure of adults, and answers to little: docs/adr/0008.
NUM_REAL = 1700
SIDES_PX = (769, 1024, 2000, 2003)
BOUND = 0.01


def as_jpeg(image: bytes, side_px: int) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(image)) as opened:
        grey = opened.convert("L")
    resized = grey.resize((side_px, side_px), Image.Resampling.BICUBIC)
    resized.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def transform(images: list[bytes]) -> np.ndarray:
    return np.stack([decode_and_resize(tf.constant(image), SETTINGS) for image in images])


def whole(image: bytes) -> bytes:
    """All pixels that TensorFlow reads of a JPEG, as a PNG: PNGs are never made smaller."""
    pixels = tf.io.decode_image(image, channels=1, expand_animations=False)
    return tf.io.encode_png(pixels, compression=1).numpy()


def split_of(images: list[bytes], labels: list[int]) -> SplitData:
    words = ["unused"] * len(labels)
    return SplitData(np.array(labels), *[words] * 5, images=transform(images))


def train(images: list[bytes], labels: list[int]) -> Predictor:
    keras.utils.set_random_seed(4)
    run = CandidateRun(
        name="test",
        seed=4,
        image_size_px=SETTINGS.image_size_px,
        candidate=CANDIDATE,
        tuner=TunerSettings(),
        operating_point=OperatingPointSettings(),
    )
    trained = train_network(
        run,
        split_of(images[NUM_VALIDATION:], labels[NUM_VALIDATION:]),
        split_of(images[:NUM_VALIDATION], labels[:NUM_VALIDATION]),
        create_strategy(),
        stage="test",
    )
    assert max(trained.history["val_auc"]) > 0.9  # it looks at the images
    return Predictor(trained.network, CANDIDATE)


def check(predictor: Predictor, images: list[bytes], sides_px: tuple[int, ...]) -> None:
    for side_px in sides_px:
        jpegs = [as_jpeg(image, side_px) for image in images]
        reduced = predict_probabilities(predictor, transform(jpegs))
        expected = predict_probabilities(predictor, transform([whole(jpeg) for jpeg in jpegs]))
        assert np.ptp(expected) > 0.1
        np.testing.assert_allclose(reduced, expected, atol=BOUND, err_msg=f"{side_px} px")
        undoubted = np.abs(expected - 0.5) > BOUND / 2
        np.testing.assert_array_equal((reduced >= 0.5)[undoubted], (expected >= 0.5)[undoubted])


def draw(folder: Path, number: int, side_px: int) -> tuple[list[bytes], list[int]]:
    """Draw X-rays, and say which show pneumonia."""
    drawn = SyntheticSettings(num_images=number, min_side_px=side_px, max_side_px=side_px + 40)
    written = write_synthetic_set(folder, drawn)
    paths = sorted(path for path in written.rglob("*") if path.is_file() and path.suffix != ".json")
    order = np.random.default_rng(0).permutation(len(paths))
    images = [paths[index].read_bytes() for index in order]
    return images, [int("PNEUMONIA" in paths[index].parts) for index in order]


def test_drawn_xrays_are_judged_alike(tmp_path):
    # Those to learn from need no more pixels than the network sees.
    predictor = train(*draw(tmp_path / "small", NUM_TRAINING + NUM_VALIDATION, 80))
    images, _ = draw(tmp_path / "large", 3 * NUM_ENLARGED, 200)
    check(predictor, images[:NUM_ENLARGED], SIDES_PX)


@pytest.mark.real_data
def test_real_xrays_are_judged_alike(shared_data):
    with zipfile.ZipFile(shared_data) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpeg"))
        normal = [name for name in names if "/NORMAL/" in name]
        pneumonia = [name for name in names if "/PNEUMONIA/" in name]
        half = (NUM_REAL + NUM_VALIDATION) // 2
        pairs = zip(normal[:half], pneumonia[::4][:half], strict=True)
        chosen = [name for pair in pairs for name in pair]
        images = [archive.read(name) for name in chosen]
    labels = [int("/PNEUMONIA/" in name) for name in chosen]
    # Nothing changes for the images of this set, of which the published figures are.
    for image in images[:100]:
        expected = decode_and_resize(tf.constant(whole(image)), SETTINGS)
        np.testing.assert_array_equal(decode_and_resize(tf.constant(image), SETTINGS), expected)
    predictor = train(images, labels)
    check(predictor, images[:NUM_ENLARGED], SIDES_PX)
    large = shared_data.parent / "nih_adult_1024.zip"
    if not large.is_file():
        pytest.skip("the large X-rays are not there: no ../shared/data/nih_adult_1024.zip")
    with zipfile.ZipFile(large) as archive:
        adults = [archive.read(name) for name in archive.namelist() if name.endswith(".png")]
    check(predictor, adults, SIDES_PX)
