import dataclasses

import keras
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from contract.settings import AugmentationSettings, CandidateSettings, TrainingSettings
from models.input_data import (
    WHOLE,
    Shard,
    class_weights,
    endless,
    evaluation_batches,
    feature_batches,
    load_split,
    training_batches,
)

SIZE = 32


def candidate(augmentation=None, **training) -> CandidateSettings:
    augmentation = augmentation or AugmentationSettings(enabled=False)
    training = TrainingSettings(augmentation=augmentation, **training)
    return CandidateSettings(normalisation="none", training=training)


def test_a_split_is_read_whole_at_a_byte_a_pixel(tiny_set):
    data = load_split([tiny_set.transformed_pattern], SIZE)
    assert data.images.shape == (len(tiny_set.labels), SIZE, SIZE, 1)
    assert data.images.dtype == np.uint8
    assert sorted(data.labels) == sorted(tiny_set.labels)
    assert set(data.subtypes) == {"normal", "bacterial", "viral"}
    assert set(data.size_groups) == {"under_500_px"}
    assert set(data.sharpness_groups) == {"medium"}
    assert sorted(data.patient_ids) == sorted(f"patient-{i}" for i in range(len(data.labels)))
    # Each image with its own names, whatever the order of the files.
    numbers = [int(name.removeprefix("image-")) for name in data.image_ids]
    assert [f"patient-{number}" for number in numbers] == data.patient_ids
    assert [tiny_set.labels[number] for number in numbers] == data.labels.tolist()
    is_normal = np.array(data.subtypes) == "normal"
    np.testing.assert_array_equal(data.labels == 0, is_normal)


def test_a_split_without_records_is_refused(tmp_path):
    with pytest.raises(ValueError, match="split is empty"):
        load_split([str(tmp_path / "*.gz")], SIZE)


@pytest.mark.parametrize("number", [39, 41])
def test_another_number_of_records_than_was_counted_is_refused(tiny_set, number):
    with pytest.raises(ValueError, match=f"Expected {number} transformed records .*, got 40: "):
        load_split([tiny_set.transformed_pattern], SIZE, number)


def test_every_epoch_shows_every_image_once_in_another_order(tiny_set):
    data = load_split([tiny_set.transformed_pattern], SIZE)
    batches, num_steps = endless(training_batches(data, 7, seed=1, candidate=candidate()))
    assert num_steps == 6
    images = [images.numpy() for images, _, _ in batches.take(2 * num_steps)]
    epochs = [np.concatenate(images[:num_steps]), np.concatenate(images[num_steps:])]
    assert epochs[0].shape == (len(data.labels), SIZE, SIZE, 3)
    assert not np.array_equal(epochs[0], epochs[1])
    expected = sorted((data.images / 255).astype(np.float32).mean((1, 2, 3)))
    for epoch in epochs:
        np.testing.assert_allclose(sorted(epoch.mean((1, 2, 3))), expected, rtol=1e-4)


@pytest.mark.slow
def test_augmentation_differs_from_epoch_to_epoch_and_repeats_with_its_seed(tiny_set):
    data = load_split([tiny_set.transformed_pattern], SIZE)

    def two_epochs(seed):
        batches = training_batches(data, len(data.labels), seed, candidate(AugmentationSettings()))
        epochs, _ = endless(batches)
        return [np.sort(images.numpy().mean((1, 2, 3))) for images, _, _ in epochs.take(2)]

    first, second = two_epochs(seed=3)
    assert np.abs(first - second).max() > 1e-3
    again, _ = two_epochs(seed=3)
    np.testing.assert_array_equal(first, again)
    other, _ = two_epochs(seed=4)
    assert np.abs(first - other).max() > 1e-3


def test_class_weights_make_both_classes_count_alike():
    np.testing.assert_allclose(class_weights((1, 3)), [2.0, 2 / 3], rtol=1e-6)
    labels = np.repeat([0, 1], [1343, 3883])
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels)
    np.testing.assert_array_equal(class_weights((1343, 3883)), expected.astype(np.float32))


def test_class_weights_need_both_classes():
    with pytest.raises(ValueError, match="0 normal and 2 pneumonia"):
        class_weights((0, 2))


@pytest.mark.parametrize("balance", ["class_weights", "oversampling", "none"])
def test_balance_makes_the_classes_count_alike(tiny_set, balance):
    data = load_split([tiny_set.transformed_pattern], SIZE)
    kept = (data.labels == 1) | (np.cumsum(data.labels == 0) <= 5)
    few_normal = dataclasses.replace(data, images=data.images[kept], labels=data.labels[kept])
    batches = list(training_batches(few_normal, 6, 1, candidate(balance=balance)))
    labels = np.concatenate([labels.numpy()[:, 0] for _, labels, _ in batches])
    weights = np.concatenate([weights.numpy()[:, 0] for _, _, weights in batches])
    total = {label: weights[labels == label].sum() for label in (0, 1)}
    if balance == "none":
        assert total == {0: 5, 1: 20}
        return
    assert total[0] == pytest.approx(total[1])
    # Oversampling shows the larger class once, and the smaller one more often.
    assert len(labels) == (40 if balance == "oversampling" else 25)


def test_a_mixed_label_weighs_as_its_parts(tiny_set):
    data = load_split([tiny_set.transformed_pattern], SIZE)
    mixing = AugmentationSettings(mixup_alpha=1.0)
    ((_, labels, weights),) = list(training_batches(data, 64, 1, candidate(mixing)))
    # Both classes are equally large here.
    np.testing.assert_allclose(weights.numpy(), 1.0)
    inner = labels.numpy()[(labels.numpy() > 0.05) & (labels.numpy() < 0.95)]
    assert inner.size > 0


def test_features_are_batched_as_images_are():
    labels = np.array([0, 1, 1, 1])
    seen = np.arange(4, dtype=np.float32)[:, np.newaxis]
    batches = list(feature_batches(seen, labels, 3, seed=1, training=TrainingSettings()))
    inputs, truths, weights = (
        np.concatenate([part.numpy() for part in column])[:, 0]
        for column in zip(*batches, strict=True)
    )
    order = np.argsort(inputs)
    np.testing.assert_array_equal(inputs[order], [0, 1, 2, 3])
    np.testing.assert_array_equal(truths[order], labels)
    np.testing.assert_allclose(weights[order], [2.0, 2 / 3, 2 / 3, 2 / 3], rtol=1e-6)


def test_no_fit_waits_for_tensorflow_to_stop_searching(tiny_set):
    data = load_split([tiny_set.transformed_pattern], SIZE)
    seen = np.zeros((len(data.labels), 1), np.float32)
    for batches in (
        endless(training_batches(data, 7, seed=1, candidate=candidate()))[0],
        endless(evaluation_batches(data, 7, "none"))[0],
        feature_batches(seen, data.labels, 7, seed=1, training=TrainingSettings()),
    ):
        assert batches.options().autotune.enabled is False


def test_a_candidate_sees_its_own_crop_and_size(tiny_set):
    data = load_split([tiny_set.transformed_pattern], SIZE)
    cropped = data.view(CandidateSettings(crop_fraction=0.5, image_size_px=16))
    np.testing.assert_array_equal(cropped.images, data.images[:, 8:24, 8:24])
    smaller = data.view(CandidateSettings(image_size_px=16))
    assert smaller.images.shape == (len(data.labels), 16, 16, 1)
    assert smaller.images.dtype == np.uint8
    assert data.view(CandidateSettings(image_size_px=SIZE)) is data
    np.testing.assert_allclose(
        smaller.images.mean((1, 2, 3)), data.images.mean((1, 2, 3)), atol=2.0
    )


def test_evaluation_keeps_order_and_pixels(tiny_set):
    data = load_split([tiny_set.transformed_pattern], SIZE)
    batches = list(evaluation_batches(data, 16, "none"))
    images = np.concatenate([images.numpy() for images, _ in batches])
    labels = np.concatenate([labels.numpy() for _, labels in batches])
    np.testing.assert_allclose(images[..., :1], data.images / 255, atol=1e-6)
    np.testing.assert_array_equal(labels[:, 0], data.labels)


def test_processes_together_take_the_batches_of_one(tiny_set):
    data = load_split([tiny_set.transformed_pattern], SIZE)
    pixels = (data.images / 255).astype(np.float32).mean((1, 2, 3))

    def batches_of(shard, batch_size, create):
        found = create(data, batch_size, shard)
        return [np.asarray(images).mean((1, 2, 3)) for images, *_ in found]

    def training(split, batch_size, shard):
        keras.utils.set_random_seed(1)
        return training_batches(split, batch_size, 1, candidate(), shard)

    def judging(split, batch_size, shard):
        return evaluation_batches(split, batch_size, "none", shard)

    for create, num_steps in ((training, 40 // 12), (judging, 4)):
        alone = batches_of(WHOLE, 12, create)
        shards = [batches_of(Shard(3, process, 12), 4, create) for process in range(3)]
        assert [len(batches) for batches in shards] == [num_steps] * 3
        for step, together in enumerate(zip(*shards, strict=True)):
            assert [len(each) for each in together] == [4] * 3
            if step < 40 // 12:
                np.testing.assert_allclose(np.stack(together, 1).ravel(), alone[step], rtol=1e-6)
    # What is judged twice, so that the last step is as large, comes from the beginning.
    last = np.stack(together, 1).ravel()
    np.testing.assert_allclose(last, np.concatenate([pixels[36:], pixels[:8]]), rtol=1e-4)


def test_more_processes_than_images_for_a_step_are_refused(tiny_set):
    data = load_split([tiny_set.transformed_pattern], SIZE)
    with pytest.raises(ValueError, match="at least the 64 images of one step, got 40"):
        training_batches(data, 32, 1, candidate(), Shard(2, 0, 64))
