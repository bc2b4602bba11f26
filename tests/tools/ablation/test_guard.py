"""The measurement of what a model refers as unfamiliar."""

from __future__ import annotations

import io
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from PIL import Image

from contract import features
from contract.command_line import EXIT_BAD_INPUT
from contract.settings import CandidateSettings
from ingestion.tfrecord_file import encode_example
from models.architectures import build_network
from models.export import OperatingRule, ServedModel, export_model
from models.predictor import Predictor, familiar_images, predict_answers
from models.preprocessing import decode_transformed
from tests.serving.contract.model import SIZE_PX
from tools.ablation import guard


def _draw(random: np.random.Generator) -> bytes:
    """Draw what stands for an X-ray: two dark fields, and brighter below."""
    rows, columns = np.mgrid[-1:1:64j, -1:1:64j]
    lungs = np.exp(-(((np.abs(columns) - 0.45) / 0.3) ** 2) - (rows / 0.7) ** 2)
    shading = random.normal(40, 4) * rows + random.normal(0, 4) * columns
    pixels = random.normal(140, 6) - random.normal(90, 5) * lungs + shading
    noisy = pixels + random.normal(0, 2, pixels.shape)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _write_records(folder: Path, images: list[bytes]) -> None:
    folder.mkdir(parents=True)
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    with tf.io.TFRecordWriter(str(folder / "part.tfrecord.gz"), options) as writer:
        for index, encoded in enumerate(images):
            record = {features.IMAGE_BYTES: encoded, features.IMAGE_ID: f"{index}.png".encode()}
            writer.write(encode_example(record))


def _export(folder: Path, graph: tft.TFTransformOutput, images: list[bytes]) -> None:
    transformed = graph.transform_features_layer()({features.IMAGE_BYTES: tf.constant(images)})
    pixels = decode_transformed(transformed[features.TRANSFORMED_IMAGE], SIZE_PX).numpy()
    keras.utils.set_random_seed(3)
    candidate = CandidateSettings(architecture="ann_small", normalisation="none")
    network = build_network(candidate, SIZE_PX)
    predictor = Predictor(network, candidate)
    predictor = predictor.but(familiar=familiar_images(predictor, [pixels[:200]]))
    rule = OperatingRule(
        threshold=0.5,
        known_log_distances=np.sort(predict_answers(predictor, pixels[200:])[1]),
        familiarity_threshold=0.01,
    )
    export_model(ServedModel(predictor, graph, SIZE_PX, rule), folder)


@pytest.mark.slow
def test_familiar_images_are_kept_and_others_are_referred_or_shown(
    transform_output, tmp_path, capsys
):
    random = np.random.default_rng(0)
    drawn = [_draw(random) for _ in range(400)]
    _export(tmp_path / "model", transform_output, drawn)
    _write_records(tmp_path / "fresh", [_draw(random) for _ in range(100)])
    _write_records(tmp_path / "alike", [_draw(random) for _ in range(20)])
    arguments = ["--model", str(tmp_path / "model"), "--pictures", str(tmp_path / "missed.png")]
    arguments += ["--records", f"fresh={tmp_path / 'fresh'}", f"alike={tmp_path / 'alike'}"]
    assert guard.main(arguments) == 0
    printed = capsys.readouterr().out
    cells = [line.split("|") for line in printed.splitlines() if line.startswith("|")][2:]
    referred = {cell[1].strip(): float(cell[3]) for cell in cells}
    assert referred["fresh"] <= 0.06
    for name in ("rotated by 180 degrees", "negatives", "pages of text", "noise and gradients"):
        assert referred[name] > 0.95, name
    for name in ("photographs and drawings", "other DICOM images"):
        assert referred[name] > 0.9, name
    # What was not referred is shown, and nothing else.
    counted = round(sum((1 - float(cell[3])) * int(cell[2]) for cell in cells[1:]))
    assert abs(int(printed.splitlines()[-1].split()[0]) - counted) <= 1
    with Image.open(tmp_path / "missed.png") as sheet:
        assert sheet.size[0] == 1120


def test_a_folder_without_records_is_bad_input(tmp_path, capsys):
    arguments = ["--model", str(tmp_path), "--records", f"none={tmp_path}"]
    assert guard.main(arguments) == EXIT_BAD_INPUT
    assert "expected TFRecords" in capsys.readouterr().err
