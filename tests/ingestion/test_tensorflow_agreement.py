"""What ingestion writes and accepts must be what TensorFlow reads.

One file, because importing TensorFlow is slow.
"""

from __future__ import annotations

import gzip
import io
import zlib

import numpy as np
import pytest
from PIL import Image

from contract.errors import InputError, RejectedImageError
from ingestion.images import decode_image
from ingestion.tfrecord_file import decode_example, encode_example, read_records, write_gzip_records

_VALUES = {"image": bytes(range(256)), "height": 1234567, "label": 0, "negative": -5}


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


def test_examples_are_tf_train_examples(tf):
    example = tf.train.Example.FromString(encode_example(_VALUES))
    feature = example.features.feature
    assert set(feature) == set(_VALUES)
    assert feature["image"].bytes_list.value == [_VALUES["image"]]
    assert feature["height"].int64_list.value == [1234567]
    assert feature["label"].int64_list.value == [0]
    assert feature["negative"].int64_list.value == [-5]
    assert example.SerializeToString(deterministic=True) == encode_example(_VALUES)


def test_tf_train_examples_are_read(tf):
    example = tf.train.Example()
    example.features.feature["f"].float_list.value.extend([1.5, -2.0])
    example.features.feature["b"].bytes_list.value.append(b"x")
    example.features.feature["empty"].SetInParent()
    decoded = decode_example(example.SerializeToString())
    assert decoded == {"f": [1.5, -2.0], "b": [b"x"], "empty": []}


def test_record_files_are_read_by_tensorflow(tf, tmp_path):
    records = [b"one", b"", b"x" * 100_000]
    path = tmp_path / "a.tfrecord.gz"
    write_gzip_records(path, records)
    dataset = tf.data.TFRecordDataset([str(path)], compression_type="GZIP")
    assert list(dataset.as_numpy_iterator()) == records


def test_empty_record_file_is_read_by_tensorflow(tf, tmp_path):
    path = tmp_path / "a.tfrecord.gz"
    write_gzip_records(path, [])
    dataset = tf.data.TFRecordDataset([str(path)], compression_type="GZIP")
    assert list(dataset.as_numpy_iterator()) == []


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_record_files_of_tensorflow_are_read(tf, tmp_path, compression):
    path = tmp_path / ("a.tfrecord.gz" if compression else "a.tfrecord")
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression)) as writer:
        writer.write(b"x")
        writer.write(b"second")
    assert list(read_records(path)) == [b"x", b"second"]


def test_a_file_that_is_cut_between_records_is_refused_here_alone(tf, tmp_path):
    path = tmp_path / "a.tfrecord.gz"
    write_gzip_records(path, [b"one"])
    one = gzip.decompress(path.read_bytes())
    compressor = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    path.write_bytes(compressor.compress(one) + compressor.flush(zlib.Z_FULL_FLUSH))
    with pytest.raises(InputError, match="with a broken record 1 at byte 0: Compressed file ended"):
        list(read_records(path))
    # Why files are not read by TensorFlow; once this fails, they can be.
    dataset = tf.data.TFRecordDataset([str(path)], compression_type="GZIP")
    assert list(dataset.as_numpy_iterator()) == [b"one"]


def _pixels_of(data):
    """Return the pixels that ingestion hashes: Pillow's, luminance only."""
    image = Image.open(io.BytesIO(data))
    image.draft("L", None)
    if image.mode.startswith("I"):
        return np.asarray(image).astype(np.uint16) >> 8
    return np.asarray(image.convert("L"))


def _difference(tf, data):
    decode_image(data, 10**6)  # accepted
    seen = tf.io.decode_image(data, channels=1, expand_animations=False).numpy()[..., 0]
    return np.abs(seen.astype(int) - _pixels_of(data).astype(int))


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_pixels_agree_within_rounding(tf, encode_picture, mode, progressive):
    data = encode_picture(5, "JPEG", mode, (201, 173), progressive=progressive)
    difference = _difference(tf, data)
    assert difference.max() <= 4
    assert difference.mean() < 1.0


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA", "1", "P"])
def test_grey_png_pixels_agree_exactly(tf, encode_picture, mode):
    grey = Image.open(io.BytesIO(encode_picture(5, "PNG", "L", (61, 47))))
    buffer = io.BytesIO()
    grey.convert(mode).save(buffer, "PNG")
    assert _difference(tf, buffer.getvalue()).max() == 0


def test_coloured_png_pixels_agree_within_one_level(tf):
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    assert _difference(tf, buffer.getvalue()).max() <= 1


def test_16_bit_png_pixels_agree_exactly(tf):
    values = np.random.default_rng(0).integers(0, 65536, (40, 50)).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    assert _difference(tf, buffer.getvalue()).max() == 0


def test_what_tensorflow_cannot_read_is_rejected_here(tf, encode_picture):
    cmyk = encode_picture(5, "JPEG", "CMYK")
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.io.decode_image(cmyk, channels=1)
    with pytest.raises(RejectedImageError):
        decode_image(cmyk, 10**6)
