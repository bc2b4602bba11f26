import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from contract import features
from contract.settings import TransformSettings
from ingestion.tfrecord_file import encode_example, write_gzip_records
from models.preprocessing import decode_and_resize
from report.study.judged_split import read_test_split

SIZE = 24
NUM_RECORDS = 70  # more than one batch
SETTINGS = TransformSettings(image_size_px=SIZE)


class TransformOutput:
    """What the transformed graph does to images; the whole pipeline's test runs the real one."""

    def transform_features_layer(self):
        def transform(inputs):
            images = [
                decode_and_resize(encoded, SETTINGS) for encoded in inputs[features.IMAGE_BYTES]
            ]
            return {
                features.TRANSFORMED_IMAGE: tf.constant(
                    [image.numpy().tobytes() for image in images]
                )
            }

        return transform


def draw(number):
    pixels = np.random.default_rng(number).integers(0, 256, (30 + number, 40), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_images_labels_and_source_splits_keep_together(tmp_path):
    encoded = [draw(number) for number in range(NUM_RECORDS)]
    records = [
        encode_example(
            {
                features.IMAGE_BYTES: image,
                features.LABEL: number % 2,
                features.SOURCE_SPLIT: b"test" if number % 3 else b"",
            }
        )
        for number, image in enumerate(encoded)
    ]
    write_gzip_records(tmp_path / "part-00000-of-00001.tfrecord.gz", records)
    split = read_test_split(str(tmp_path), TransformOutput(), SIZE)
    chunks = list(split.read_images())
    assert [len(chunk) for chunk in chunks] == [64, NUM_RECORDS - 64]
    images = np.concatenate(chunks)
    assert images.shape == (NUM_RECORDS, SIZE, SIZE, 1)
    assert images.dtype == np.uint8
    assert split.labels.tolist() == [number % 2 for number in range(NUM_RECORDS)]
    assert split.source_splits[:4] == ["", "test", "test", ""]
    for number in (0, 65):
        expected = decode_and_resize(tf.constant(encoded[number]), SETTINGS).numpy()
        assert np.array_equal(images[number], expected)


def test_an_empty_split_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="Expected records of the test split under"):
        read_test_split(str(tmp_path), TransformOutput(), SIZE)
