import numpy as np
import pytest

from models.input_data import SplitData
from models.judgement import area_on_plain_and_stressed, judge_predictions, predict_validation
from models.stress import STRESSES
from pipeline.config import OperatingPointSettings

NUM_IMAGES = 20


class BrightnessPredictor:
    """Calls bright images pneumonia, and counts what it is asked."""

    def __init__(self):
        self.num_seen = 0

    def __call__(self, pixels):
        self.num_seen += len(pixels)
        return np.mean(np.asarray(pixels, np.float32), axis=(1, 2, 3)) / 255.0

    @property
    def predictor(self):
        return lambda pixels: Answer(self(pixels))


class Answer:
    def __init__(self, values):
        self._values = values

    def numpy(self):
        return self._values


@pytest.fixture
def validation():
    labels = np.arange(NUM_IMAGES) % 2
    images = np.full((NUM_IMAGES, 16, 16, 1), 60, np.uint8)
    images[labels == 1] = 190
    images[:3] = 120  # some that are hard to tell
    return SplitData(
        images, labels, ["normal"] * NUM_IMAGES, ["under_500_px"] * NUM_IMAGES,
        ["soft"] * NUM_IMAGES,
        [f"patient-{number // 2}" for number in range(NUM_IMAGES)],
        [f"image-{number}.png" for number in range(NUM_IMAGES)],
    )  # fmt: skip


@pytest.mark.parametrize("stress", [True, False])
def test_images_are_degraded_only_where_that_is_asked_for(validation, stress):
    model = BrightnessPredictor()
    predictions = predict_validation(model.predictor, validation, stress)
    assert set(predictions.stressed) == (set(STRESSES) if stress else set())
    assert model.num_seen == NUM_IMAGES * (1 + len(STRESSES) * stress)
    settings = OperatingPointSettings(stress=stress)
    judgement = judge_predictions(predictions, validation, settings, seed=0)
    assert set(judgement.stressed) == set(predictions.stressed)
    assert judgement.validation["overall"].n == NUM_IMAGES


def test_predictions_without_stresses_survive_their_file(validation, tmp_path):
    predictions = predict_validation(BrightnessPredictor().predictor, validation, stress=False)
    predictions.write(tmp_path / "predictions.npz")
    read = type(predictions).read(tmp_path / "predictions.npz")
    assert read.plain.tolist() == predictions.plain.tolist()
    assert read.stressed == {}


def test_without_stresses_the_plain_area_is_the_score(validation):
    model = BrightnessPredictor()
    plain = area_on_plain_and_stressed(model.predictor, validation, stress=False)
    assert model.num_seen == NUM_IMAGES
    assert 0.9 < plain < 1.0  # three look alike, of both classes
    stressed = area_on_plain_and_stressed(model.predictor, validation)
    assert model.num_seen == NUM_IMAGES * (2 + len(STRESSES))
    assert 0.5 < stressed <= 1.0
