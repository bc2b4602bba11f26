"""A bad image among good ones, in a model that was loaded anew."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from contract import features
from contract.settings import CandidateSettings
from models.architectures import build_network
from models.export import OperatingRule, ServedModel, export_model
from models.predictor import Predictor

pytestmark = pytest.mark.slow

SIZE = 32
SIGNATURES = {
    features.SERVING_SIGNATURE: features.IMAGE_BYTES,
    features.EXAMPLES_SIGNATURE: features.EXAMPLES_INPUT,
    features.TRANSFORM_SIGNATURE: features.EXAMPLES_INPUT,
}


@pytest.fixture(scope="module")
def loaded(tiny_set, tmp_path_factory):
    keras.utils.set_random_seed(5)
    candidate = CandidateSettings(architecture="cnn_deep", normalisation="standardise")
    predictor = Predictor(build_network(candidate, SIZE), candidate)
    directory = tmp_path_factory.mktemp("export") / "model"
    export_model(
        ServedModel(predictor, tiny_set.transform_output, SIZE, OperatingRule(0.5)), directory
    )
    return tf.saved_model.load(str(directory))


def ask(loaded, signature, images):
    values = images
    if SIGNATURES[signature] == features.EXAMPLES_INPUT:
        values = [example_of({features.IMAGE_BYTES: image}) for image in images]
    return loaded.signatures[signature](**{SIGNATURES[signature]: tf.constant(values, tf.string)})


def example_of(values):
    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in values.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


@pytest.mark.parametrize("signature", SIGNATURES)
@pytest.mark.parametrize(
    "bad", [b"no image", b"", b"\xff\xd8", b"GIF89a\x01\x00", b"\x89PNG", b"SECRET" * 2000]
)
def test_a_bad_image_is_named_by_its_place(loaded, tiny_set, signature, bad):
    images = [*tiny_set.image_bytes[:3], bad, tiny_set.image_bytes[3]]
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        ask(loaded, signature, images)
    message = caught.value.message
    expected = f"image 3 of the batch: expected JPEG or PNG bytes, got {len(bad)} bytes of"
    assert expected in message
    assert message.count("of the batch") == 1
    assert "SECRET" not in message


def encode(pixels, kind="PNG", orientation=1):
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, exif=exif)
    return buffer.getvalue()


DICE = np.random.default_rng(7)
GREY = DICE.integers(0, 256, (40, 50), dtype=np.uint8)
TWELVE_BITS = DICE.integers(0, 4096, (40, 50)).astype(np.uint16)
TWELVE_BITS[:4, :5] = 65535  # a bright letter
NOT_JUDGED = {
    "turned jpeg": (encode(GREY, "JPEG", 6), "expected an upright picture, got EXIF orientation 6"),
    "turned png": (encode(GREY, "PNG", 3), "expected an upright picture, got EXIF orientation 3"),
    "12 bits": (encode(TWELVE_BITS), "expected 16-bit grey levels that fill their range"),
    "flat": (encode(np.full((40, 50), 90, np.uint8)), "got one of a single grey level"),
    "one pixel": (encode(GREY[:1, :1]), "got one of a single grey level"),
}


@pytest.mark.parametrize("signature", SIGNATURES)
@pytest.mark.parametrize("name", NOT_JUDGED)
def test_what_ingestion_would_turn_or_leave_out_is_refused(loaded, tiny_set, signature, name):
    bad, reason = NOT_JUDGED[name]
    good = tiny_set.image_bytes[:3]
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        ask(loaded, signature, [*good, bad])
    assert "image 3 of the batch: " in caught.value.message
    assert reason in caught.value.message
    upright = [*good, encode(GREY, "JPEG"), encode(GREY), encode(GREY.astype(np.uint16) * 257)]
    for values in ask(loaded, signature, upright).values():
        assert len(values) == len(upright)


def test_several_bad_images_are_named_and_a_flood_is_cut(loaded, tiny_set):
    good = tiny_set.image_bytes[0]
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        ask(loaded, features.SERVING_SIGNATURE, [b"a", good, b"bc"])
    assert "image 0 of the batch" in caught.value.message
    assert "image 2 of the batch: expected JPEG or PNG bytes, got 2 bytes" in caught.value.message
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        ask(loaded, features.SERVING_SIGNATURE, [b"x"] * 60)
    assert caught.value.message.count("of the batch") == 5


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_file_that_breaks_off_is_an_error_and_the_batch_without_it_is_none(
    loaded, tiny_set, signature
):
    good = tiny_set.image_bytes[:4]
    broken = good[0][: len(good[0]) // 2]
    with pytest.raises(tf.errors.InvalidArgumentError):
        ask(loaded, signature, [*good[:2], broken, *good[2:]])
    for values in ask(loaded, signature, good).values():
        assert len(values) == 4


def test_a_record_without_an_image_is_named(loaded, tiny_set):
    good, other = tiny_set.raw_records[0], example_of({"other": b"x"})
    for signature in (features.EXAMPLES_SIGNATURE, features.TRANSFORM_SIGNATURE):
        with pytest.raises(tf.errors.InvalidArgumentError, match="record 2 of the batch"):
            loaded.signatures[signature](examples=tf.constant([good, good, other]))


def test_good_images_answer_as_ever_beside_which_and_how_many_they_stand(loaded, tiny_set):
    together = ask(loaded, features.SERVING_SIGNATURE, tiny_set.image_bytes)
    for index in (0, 1, 7):
        alone = ask(loaded, features.SERVING_SIGNATURE, [tiny_set.image_bytes[index]])
        np.testing.assert_allclose(
            alone[features.PROBABILITY][0], together[features.PROBABILITY][index], atol=1e-6
        )
