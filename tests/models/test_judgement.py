import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from contract.settings import OperatingPointSettings
from evaluation.predictions import Predictions
from models.input_data import SplitData
from models.judgement import (
    area_on_plain_and_stressed,
    judge_predictions,
    measure_exposure_cuts,
    predict_validation,
    sites_of,
)
from models.stress import STRESSES

NUM_IMAGES = 20


class BrightnessPredictor:
    """Calls bright images pneumonia, and counts what it is asked."""

    def __init__(self, knows_familiar=False):
        self.num_seen = tf.Variable(0)
        self.knows_familiar = knows_familiar

    @tf.function
    def __call__(self, pixels):
        self.num_seen.assign_add(tf.shape(pixels)[0])
        return tf.reduce_mean(tf.cast(pixels, tf.float32), axis=(1, 2, 3)) / 255.0

    @tf.function
    def answer(self, pixels):
        """Find bright images unusual."""
        return self(pixels), tf.reduce_mean(tf.cast(pixels, tf.float32), axis=(1, 2, 3))


@pytest.fixture
def validation():
    labels = np.arange(NUM_IMAGES) % 2
    images = np.full((NUM_IMAGES, 16, 16, 1), 60, np.uint8)
    images[labels == 1] = 190
    images[:3] = 120  # some that are hard to classify
    return SplitData(
        labels, ["normal"] * NUM_IMAGES, ["under_500_px"] * NUM_IMAGES, ["soft"] * NUM_IMAGES,
        [f"patient-{number // 2}" for number in range(NUM_IMAGES)],
        [f"image-{number}.png" for number in range(NUM_IMAGES)],
        images=images,
    )  # fmt: skip


@pytest.mark.parametrize("stress", [True, False])
def test_images_are_degraded_only_where_that_is_asked_for(validation, stress):
    model = BrightnessPredictor()
    predictions = predict_validation(model, validation, stress)
    assert set(predictions.stressed) == (set(STRESSES) if stress else set())
    assert model.num_seen == NUM_IMAGES * (1 + len(STRESSES) * stress)
    settings = OperatingPointSettings(stress=stress)
    judgement = judge_predictions(predictions, validation, settings, seed=0, cuts=(85.0, 170.0))
    assert set(judgement.stressed) == set(predictions.stressed)
    assert judgement.validation["overall"].n == NUM_IMAGES


def test_predictions_without_stresses_survive_their_file(validation, tmp_path):
    predictions = predict_validation(BrightnessPredictor(), validation, stress=False)
    predictions.write(tmp_path / "predictions.npz")
    read = type(predictions).read(tmp_path / "predictions.npz")
    assert read.plain.tolist() == predictions.plain.tolist()
    assert read.stressed == {}


def test_how_unusual_images_are_is_predicted_where_that_is_known(validation, tmp_path):
    assert predict_validation(BrightnessPredictor(), validation, False).log_distances is None
    predictions = predict_validation(BrightnessPredictor(knows_familiar=True), validation, False)
    expected = validation.images.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(predictions.log_distances, expected)
    predictions.write(tmp_path / "predictions.npz")
    read = type(predictions).read(tmp_path / "predictions.npz")
    np.testing.assert_array_equal(read.log_distances, predictions.log_distances)
    assert read.stressed == {}


def test_without_stresses_the_plain_area_is_the_score(validation):
    model = BrightnessPredictor()
    plain = area_on_plain_and_stressed(model, validation, stress=False)
    assert model.num_seen == NUM_IMAGES
    assert 0.9 < plain < 1.0  # three look alike, of both classes
    stressed = area_on_plain_and_stressed(model, validation)
    assert model.num_seen == NUM_IMAGES * (2 + len(STRESSES))
    assert 0.5 < stressed <= 1.0


def test_sites_come_from_names_sharpness_exposure_and_size(validation):
    validation = dataclasses.replace(
        validation, image_ids=["IM-1-1.png", "person1_virus_2.png"] * (NUM_IMAGES // 2)
    )
    sites = sites_of(validation, (100.0, 150.0))
    assert sites["file name"] == ["IM", "person_virus"] * (NUM_IMAGES // 2)
    assert sites["exposure"][:5] == ["medium", "medium", "medium", "bright", "dark"]
    assert set(sites["sharpness"]) == {"soft"}
    assert set(sites["size"]) == {"under_500_px"}


def test_exposure_is_cut_into_thirds_of_the_training_images():
    greys = np.arange(0, 90, 10, np.uint8)
    images = np.tile(greys[:, np.newaxis, np.newaxis, np.newaxis], (1, 4, 4, 1))
    low, high = measure_exposure_cuts(images)
    assert 20 < low < 30 < 50 < high < 60


@pytest.mark.parametrize(
    ("shift", "recall_of_dark"), [("pseudo_sites", 0.9), ("stresses", 0.5), ("none", 0.5)]
)
def test_the_setting_says_what_allows_for_the_next_hospital(shift, recall_of_dark):
    """Dark images of pneumonia have lower scores: the overall target leaves half of them out."""
    number = 400
    labels = np.array([1] * 300 + [0] * 100)
    scores = np.array([0.35] * 20 + [0.45] * 20 + [0.9] * 260 + [0.1] * 100, np.float32)
    images = np.full((number, 4, 4, 1), 120, np.uint8)
    images[:40] = 40
    names = [f"{index}.png" for index in range(number)]
    split = SplitData(
        labels, ["normal"] * number, ["under_500_px"] * number, ["soft"] * number,
        names, names, images=images,
    )  # fmt: skip
    predictions = Predictions(scores, {"blur": scores})
    settings = OperatingPointSettings(target_sensitivity=0.85, shift=shift)
    judgement = judge_predictions(predictions, split, settings, seed=0, cuts=(80.0, 160.0))
    assert judgement.operating_point.reaches_target
    (dark,) = [site for site in judgement.pseudo_sites if site.group == "dark"]
    assert dark.scheme == "exposure"
    assert dark.recall.value >= recall_of_dark
    assert (dark.recall.value > 0.6) == (shift == "pseudo_sites")


def test_stresses_are_needed_to_choose_on_them():
    with pytest.raises(ValidationError, match="no degraded images to choose on"):
        OperatingPointSettings(shift="stresses", stress=False)
