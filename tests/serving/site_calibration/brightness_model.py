"""An exported model that answers by an image's brightness, so that a test can draw any scores."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from PIL import Image

from contract.settings import ReferralSettings
from evaluation.decision_band import DecisionBand, choose_decision_band
from models.export import OperatingRule, ServedModel, export_model
from models.provenance import Provenance
from tests.serving.contract.model import SIZE_PX
from tests.serving.site_calibration.simulation import Model

LOG_ODDS_PER_LEVEL = 0.1
MIDDLE_LEVEL = 128.0
REFERRAL = ReferralSettings()
MOST_FAMILIAR = 12.0  # raw log-odds; an image further from the middle is unfamiliar


class BrightnessPredictor(tf.Module):
    """uint8 [n, s, s, 1] -> float32 [n]: raw log-odds are the brightness, then calibrated."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self._slope = tf.Variable(model.slope, dtype=tf.float32)
        self._intercept = tf.Variable(model.intercept, dtype=tf.float32)

    def raw_variables(self) -> list[tf.Variable]:
        return [self._slope, self._intercept]

    def compute(self, pixels):
        level = tf.reduce_mean(tf.cast(pixels, tf.float32), axis=[1, 2, 3])
        raw = LOG_ODDS_PER_LEVEL * (level - MIDDLE_LEVEL)
        return tf.sigmoid(self._slope * raw + self._intercept), tf.abs(raw)


def band_of(model: Model) -> DecisionBand:
    normal, pneumonia = model.reference.normal, model.reference.pneumonia
    labels = [0] * len(normal) + [1] * len(pneumonia)
    return choose_decision_band(labels, normal + pneumonia, model.threshold, REFERRAL)


def export_brightness_model(
    directory: Path, transform_output: tft.TFTransformOutput, model: Model
) -> Provenance:
    rule = OperatingRule(
        threshold=model.threshold,
        band=band_of(model),
        known_log_distances=np.linspace(0.0, MOST_FAMILIAR, 1000, dtype=np.float32),
        familiarity_threshold=0.0015,  # 1 of 1001 is below it, 2 are not
    )
    provenance = Provenance(
        model_version="ba5e",
        name="brightness",
        architecture="brightness",
        members={},
        data_sha256={"train": "1f", "validation": "2f"},
        weights_sha256="3f",
        code_version="4f",
        project_version="5",
        seed=6,
        threshold=model.threshold,
        target_sensitivity=0.955,
        reaches_target=True,
        referral=REFERRAL,
        band=rule.band,
    )
    served = ServedModel(BrightnessPredictor(model), transform_output, SIZE_PX, rule)
    export_model(served, directory, provenance)
    model.reference.write(directory)
    return provenance


def encode(raw_log_odds: float) -> bytes:
    """Draw the image that the model gives these log-odds, before its calibration."""
    level = np.clip(MIDDLE_LEVEL + raw_log_odds / LOG_ODDS_PER_LEVEL, 0.0, 254.9)
    pixels = np.full(SIZE_PX * SIZE_PX, int(level), np.uint8)
    pixels[: round((level - int(level)) * pixels.size)] += 1
    if pixels.min() == pixels.max():  # the model refuses a picture of one grey level
        pixels[:2] += np.array([1, -1], np.int8).view(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels.reshape(SIZE_PX, SIZE_PX)).save(buffer, "PNG")
    return buffer.getvalue()


def write_folder(folder: Path, raw_log_odds: np.ndarray) -> Path:
    """Write a plain folder of images without labels."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, value in enumerate(raw_log_odds):
        (folder / f"{index:04}.png").write_bytes(encode(value))
    return folder


def write_manifest(folder: Path, raw_log_odds: np.ndarray, labels: np.ndarray) -> Path:
    """Write images with a manifest that labels them."""
    write_folder(folder, raw_log_odds)
    path = folder / "manifest.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "patient_id"])
        for index, label in enumerate(labels):
            writer.writerow([f"{index:04}.png", "pneumonia" if label else "normal", f"p{index}"])
    return path
