from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import InputError
from contract.settings import DataSettings
from ingestion.records import SourceImage
from ingestion.splits import assign_splits, patient_position, split_warnings

_SETTINGS = DataSettings()
_PATIENTS = st.text(min_size=1, max_size=6)


def _image(patient_id, source_split="", number=0):
    return SourceImage("x", f"{patient_id}/{number}", 0, "normal", patient_id, source_split)


def _split_of_each(images, settings=_SETTINGS):
    return dict(
        zip((image.patient_id for image in images), assign_splits(images, settings), strict=True)
    )


@given(st.lists(_PATIENTS, max_size=60), st.randoms())
def test_no_patient_is_in_two_splits_and_order_does_not_matter(patients, random):
    images = [_image(patient, number=number) for number, patient in enumerate(patients)]
    splits = assign_splits(images, _SETTINGS)
    pairs = {(image.patient_id, split) for image, split in zip(images, splits, strict=True)}
    assert len(pairs) == len(set(patients))

    shuffled = random.sample(images, len(images))
    assert _split_of_each(shuffled) == _split_of_each(images)


@given(st.sets(_PATIENTS, max_size=30), st.sets(_PATIENTS, max_size=30))
def test_further_patients_move_nobody(patients, more):
    before = _split_of_each([_image(patient) for patient in patients])
    after = _split_of_each([_image(patient) for patient in patients | more])
    assert {patient: after[patient] for patient in patients} == before


@given(st.sets(_PATIENTS, min_size=1, max_size=30), st.sets(_PATIENTS, min_size=1, max_size=30))
def test_given_test_split_is_sealed(rest, sealed):
    rest = rest - sealed
    images = [_image(p, "train") for p in rest] + [_image(p, "test") for p in sealed]
    split_of = _split_of_each(images)
    assert {patient for patient, split in split_of.items() if split == "test"} == sealed


@given(st.sets(_PATIENTS, min_size=1, max_size=40))
def test_validation_is_the_same_whether_test_is_cut_or_sealed(patients):
    cut = _split_of_each([_image(patient) for patient in patients])
    sealed = _split_of_each(
        [_image(patient, "test" if split == "test" else "train") for patient, split in cut.items()]
    )
    assert sealed == cut


def test_fractions_are_kept_over_many_patients():
    images = [_image(f"person{number}") for number in range(4000)]
    splits = assign_splits(images, DataSettings(validation_fraction=0.2, test_fraction=0.1))
    # Four standard deviations of a share of 4,000 are below 0.026.
    assert splits.count("validation") / 4000 == pytest.approx(0.2, abs=0.026)
    assert splits.count("test") / 4000 == pytest.approx(0.1, abs=0.026)


def test_own_validation_joins_train_before_the_cut_and_says_so():
    plain = [_image(f"person{number}", "train") for number in range(200)]
    given_validation = [_image(image.patient_id, "validation") for image in plain]
    assert assign_splits(given_validation, _SETTINGS) == assign_splits(plain, _SETTINGS)
    (warning,) = split_warnings(given_validation)
    assert "own validation split (200 images) joined train" in warning
    assert split_warnings(plain) == []


def test_another_salt_gives_another_split():
    images = [_image(f"person{number}") for number in range(200)]
    assert assign_splits(images, _SETTINGS) != assign_splits(images, DataSettings(split_salt="v2"))


def test_positions_stay_what_they_were():
    # Moving patients between splits in a new version would leak test cases into training.
    assert patient_position("person1", "v1") == pytest.approx(0.684800253141642, abs=1e-12)


def test_patient_of_test_elsewhere_is_refused_by_name():
    images = [_image("anna", "train"), _image("anna", "test"), _image("bert", "test")]
    with pytest.raises(
        InputError, match=r"got 1 who are in both: anna; move all images .* anna has e\.g\. anna/0"
    ):
        assign_splits(images, _SETTINGS)
