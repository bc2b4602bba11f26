from __future__ import annotations

import unicodedata

import pytest

from ingestion.patients import is_missing, patient_warnings
from ingestion.records import SourceImage


def images(*patients, known=True):
    return [
        SourceImage("x", f"{number}.png", 0, "normal", patient, patient_known=known)
        for number, patient in enumerate(patients)
    ]


@pytest.mark.parametrize(
    "word",
    ["", " ", "unknown", "Unknown", "NaN", "nan", "-", "none", "NULL", "N/A", "#N/A", "Anonymous",
     "anonymized", " not  available ", "?"],
)  # fmt: skip
def test_words_that_name_nobody(word):
    assert is_missing(word)


@pytest.mark.parametrize("word", ["0", "A17", "Nana", "P-1", "unknown-17", "nan3"])
def test_words_that_may_name_somebody(word):
    assert not is_missing(word)


def test_a_patient_with_too_many_images_is_named_with_the_share():
    (warning,) = patient_warnings(images(*["PATIENT"] * 20, *map(str, range(20))))
    assert "'PATIENT' with 20 of 40 (50%)" in warning
    assert "'1'" not in warning


def test_few_images_or_a_small_share_are_no_reason():
    assert patient_warnings(images("a", "a", "b")) == []
    assert patient_warnings(images(*["a"] * 12, *map(str, range(200)))) == []
    assert patient_warnings(images(*["x"] * 30, known=False)) == []


def test_ids_that_look_alike_are_named():
    decomposed = unicodedata.normalize("NFD", "Müller")
    (warning,) = patient_warnings(images("P01", "p01", "P02", "Müller", decomposed, "P 02", "P03"))
    assert warning.startswith("3 patients may be written in several ways")
    assert "'P01' and 'p01'" in warning
    assert patient_warnings(images("P01", "P1", "P02", "P01")) == []
