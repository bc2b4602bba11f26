"""A split on disk gives what the same split in memory gives."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from contract import features
from contract.settings import (
    AugmentationSettings,
    CandidateRun,
    CandidateSettings,
)
from models.digests import split_digest
from models.distribution import create_strategy
from models.input_data import (
    SplitData,
    count_classes,
    evaluation_batches,
    load_split,
    training_batches,
)
from models.judgement import judge_predictions, predict_validation
from models.predictor import Predictor, familiar_images
from models.streamed_split import StreamedSplit, open_stream
from models.training import train_network
from tests.models.made_runs import SIZE, STILL, candidate_run

pytestmark = pytest.mark.slow

NUM_NORMAL, NUM_PNEUMONIA = 11, 20


@pytest.fixture(scope="module")
def pattern(tmp_path_factory) -> str:
    """Write five files of records as Transform leaves them; the classes are not equally large."""
    folder = tmp_path_factory.mktemp("records")
    rng = np.random.default_rng(4)
    labels = rng.permutation(np.repeat([0, 1], [NUM_NORMAL, NUM_PNEUMONIA]))
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    for number, part in enumerate(np.array_split(np.arange(len(labels)), 5)):
        with tf.io.TFRecordWriter(str(folder / f"part-{number}.gz"), options) as writer:
            for index in part:
                writer.write(record(rng, int(index), int(labels[index])))
    return str(folder / "*.gz")


def record(rng: np.random.Generator, index: int, label: int) -> bytes:
    pixels = rng.integers(0, 120, (SIZE, SIZE)).astype(np.uint8)
    pixels[8:24, 8:24] += np.uint8(110 * label)
    values = {
        features.TRANSFORMED_IMAGE: pixels.tobytes(),
        features.SUBTYPE: b"viral" if label else b"normal",
        features.SIZE_GROUP: features.SIZE_GROUPS[index % 3].encode(),
        features.SHARPNESS_GROUP: features.SHARPNESS_GROUPS[index % 2].encode(),
        features.PATIENT_ID: f"patient-{index // 2}".encode(),
        features.IMAGE_ID: f"image-{index}-\xe9.png".encode("latin-1"),  # no UTF-8
    }
    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in values.items()
    }
    feature[features.TRANSFORMED_LABEL] = tf.train.Feature(
        int64_list=tf.train.Int64List(value=[label])
    )
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


@pytest.fixture
def in_memory(pattern) -> SplitData:
    return load_split([pattern], SIZE)


@pytest.fixture(params=["none", "disk"])
def streamed(request, pattern, tmp_path) -> StreamedSplit:
    return open_stream([pattern], SIZE, cache_folder=tmp_path if request.param == "disk" else None)


def run_of(**training) -> CandidateRun:
    return candidate_run(**{"epochs": 2, **training})


def epochs_of(split, run: CandidateRun, number: int = 2) -> list[list[np.ndarray]]:
    """Return images, labels and weights of several epochs, as training takes them."""
    keras.utils.set_random_seed(run.seed)
    training = run.candidate.training
    batches = training_batches(
        split.view(run.candidate), training.batch_size, run.seed, run.candidate
    )
    return [
        [np.concatenate(column) for column in zip(*epoch, strict=True)]
        for epoch in (
            [[part.numpy() for part in batch] for batch in batches] for _ in range(number)
        )
    ]


def assert_equal(first, second) -> None:
    for one, other in zip(first, second, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("balance", "augmentation"),
    [
        ("class_weights", AugmentationSettings(mixup_alpha=0.2)),
        ("oversampling", STILL),
        ("none", STILL),
    ],
)
def test_a_split_that_fits_the_buffer_comes_as_from_memory(
    in_memory, streamed, balance, augmentation
):
    run = run_of(balance=balance, augmentation=augmentation)
    expected = epochs_of(in_memory, run)
    assert_equal(epochs_of(streamed, run), expected)
    assert not np.array_equal(expected[0][0], expected[1][0])


@pytest.mark.parametrize("balance", ["class_weights", "oversampling"])
def test_without_shuffling_records_come_in_their_order(in_memory, streamed, balance):
    run = run_of(balance=balance, shuffle=False)
    assert_equal(epochs_of(streamed, run), epochs_of(in_memory, run))
    if balance == "class_weights":
        labels = epochs_of(streamed, run)[0][1]
        np.testing.assert_array_equal(labels[:, 0], in_memory.labels)


def test_the_same_weights_come_out_of_memory_and_of_a_stream(in_memory, pattern):
    streamed = open_stream([pattern], SIZE)
    run = run_of(shuffle=False, augmentation=AugmentationSettings())
    first, second = (
        train_network(run, split, split, create_strategy(), stage="Training").network.get_weights()
        for split in (in_memory, streamed)
    )
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_small_buffer_shuffles_interleaved_files_alike_for_none_and_disk(pattern, tmp_path):
    run = run_of(shuffle_buffer_images=8)
    first, second = (
        epochs_of(open_stream([pattern], SIZE, cache_folder=folder), run, 3)
        for folder in (None, tmp_path)
    )
    assert_equal(first, second)
    assert not np.array_equal(first[0][0], first[1][0])
    ordered = epochs_of(load_split([pattern], SIZE), run_of(shuffle=False), 1)[0][0]
    for images, _, _ in first:
        assert not np.array_equal(images, ordered)
        np.testing.assert_array_equal(
            np.sort(images.mean(axis=(1, 2, 3))), np.sort(ordered.mean(axis=(1, 2, 3)))
        )
    # The first batch holds records of several files: each file has six or seven.
    names = {image.tobytes(): index for index, image in enumerate(ordered)}
    places = [names[image.tobytes()] for image in first[0][0][:8]]
    assert max(places) - min(places) > 12


def test_oversampling_from_a_small_buffer_repeats_the_smaller_class(streamed):
    run = run_of(balance="oversampling", shuffle_buffer_images=6)
    for images, labels, _ in epochs_of(streamed, run):
        np.testing.assert_array_equal(labels[:, 0], np.tile([0, 1], NUM_PNEUMONIA))
        assert len({image.tobytes() for image in images}) == NUM_NORMAL + NUM_PNEUMONIA


def test_a_candidate_sees_its_own_crop_and_size(in_memory, streamed):
    candidate = CandidateSettings(crop_fraction=0.75, image_size_px=20, normalisation="clahe")
    for ours, expected in zip(
        evaluation_batches(streamed.view(candidate), 7, "clahe"),
        evaluation_batches(in_memory.view(candidate), 7, "clahe"),
        strict=True,
    ):
        np.testing.assert_array_equal(ours[0], expected[0])
        np.testing.assert_array_equal(ours[1], expected[1])
    (chunk,) = streamed.view(candidate).chunks()
    np.testing.assert_array_equal(chunk.images, in_memory.view(candidate).images)
    # Both views of one split are kept apart.
    (whole, _), *_ = evaluation_batches(streamed, 7, "none")
    assert whole.shape == (7, SIZE, SIZE, 3)


def test_facts_and_digest_are_those_of_the_split_in_memory(in_memory, streamed):
    assert streamed.class_counts == in_memory.class_counts == (NUM_NORMAL, NUM_PNEUMONIA)
    for field in dataclasses.fields(in_memory.facts):
        ours, expected = (getattr(each.facts, field.name) for each in (streamed, in_memory))
        np.testing.assert_array_equal(ours, expected)
    assert split_digest(streamed) == split_digest(in_memory)


def test_judgement_is_that_of_the_split_in_memory(in_memory, pattern):
    streamed = open_stream([pattern], SIZE)
    run = run_of(epochs=1)
    network = train_network(run, in_memory, in_memory, create_strategy(), stage="Training").network
    judged = []
    for split in (in_memory, streamed):
        predictor = Predictor(network, run.candidate)
        familiar = familiar_images(predictor, (part.images for part in split.sample_chunks()))
        predictor = predictor.but(familiar=familiar)
        predictions = predict_validation(predictor, split)
        judged.append(
            (
                predictions.plain,
                predictions.log_distances,
                *predictions.stressed.values(),
                judge_predictions(predictions, split, run.operating_point, 0, (80.0, 100.0)),
            )
        )
    for one, other in zip(*judged, strict=True):
        np.testing.assert_array_equal(one, other)


def test_counts_that_are_wrong_are_noticed_in_the_first_epoch(pattern):
    wrong = open_stream([pattern], SIZE, class_counts=(NUM_NORMAL, NUM_PNEUMONIA + 1))
    with pytest.raises(tf.errors.FailedPreconditionError, match="contain 32 elements"):
        epochs_of(wrong, run_of())
    with pytest.raises(tf.errors.FailedPreconditionError, match="contain 21 elements"):
        epochs_of(wrong, run_of(balance="oversampling"))


@pytest.mark.parametrize("balance", ["class_weights", "oversampling"])
def test_a_stream_needs_both_classes(pattern, balance):
    one_class = open_stream([pattern], SIZE, class_counts=(0, NUM_NORMAL + NUM_PNEUMONIA))
    with pytest.raises(ValueError, match="0 normal and 31 pneumonia"):
        epochs_of(one_class, run_of(balance=balance))


def test_a_stream_without_records_is_refused(tmp_path):
    with pytest.raises(ValueError, match="split is empty"):
        open_stream([str(tmp_path / "*.gz")], SIZE)


def test_classes_are_counted_where_no_statistics_are_given(pattern):
    files = [str(path) for path in Path(pattern).parent.iterdir()]
    assert count_classes(files) == (NUM_NORMAL, NUM_PNEUMONIA)
