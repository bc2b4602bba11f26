from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.file_names import NameFacts, parse_file_name


@pytest.mark.parametrize(
    ("name", "patient_id", "subtype"),
    [
        ("person1000_bacteria_2931.jpeg", "person1000", "bacterial"),
        ("person1000_virus_1681.jpeg", "person1000", "viral"),
        ("person447_virus_921_1.jpeg", "person447", "viral"),
        ("IM-0115-0001.jpeg", "IM-0115", ""),
        ("IM-0429-0001-0002.jpeg", "IM-0429", ""),
        ("NORMAL2-IM-0381-0001.jpeg", "NORMAL2-IM-0381", ""),
        ("NORMAL2-IM-1406-0001-0002.png", "NORMAL2-IM-1406", ""),
        ("00000013_005.jpeg", "00000013", ""),
        ("PERSON7_VIRUS_8.JPG", "person7", "viral"),
        ("normal2-im-0381-0001.jpeg", "NORMAL2-IM-0381", ""),
    ],
)
def test_well_known_names_tell_patient_and_subtype(name, patient_id, subtype):
    assert parse_file_name(name) == NameFacts(patient_id, subtype)


@pytest.mark.parametrize(
    ("name", "subtype"),
    [
        ("BACTERIA-1008087-0001.jpeg", "bacterial"),
        ("VIRUS-1008087-0002.jpeg", "viral"),
        ("NORMAL-1008087-0003.jpeg", ""),
    ],
)
def test_names_of_the_newest_release_tell_one_patient_whatever_the_disease(name, subtype):
    assert parse_file_name(name) == NameFacts("1008087", subtype, numbered_by_split=False)


@pytest.mark.parametrize(
    "name",
    [
        "scan.jpeg",
        "NORMAL-12-0001.jpeg",
        "COVID-1008087-0001.jpeg",
        "",
        "person_bacteria_1.jpeg",
        "person1_fungus_1.jpeg",
        "person1_bacteria.jpeg",
        "IM-0115.jpeg",
        "xIM-0115-0001.jpeg",
        "person1_bacteria_1_copy.jpeg",
        "00000013.png",
        "20261123_1.png",
    ],
)
def test_other_names_tell_nothing(name):
    assert parse_file_name(name) == NameFacts("", "")


@given(
    patient=st.integers(0, 99999),
    cause=st.sampled_from(["bacteria", "virus"]),
    groups=st.lists(st.integers(0, 9999), min_size=1, max_size=4),
    suffix=st.sampled_from([".jpeg", ".jpg", ".png", ".dcm", ""]),
)
def test_number_groups_and_suffix_do_not_change_the_patient(patient, cause, groups, suffix):
    name = f"person{patient}_{cause}_{'_'.join(map(str, groups))}{suffix}"
    assert parse_file_name(name).patient_id == f"person{patient}"


@given(st.text(max_size=40))
def test_any_name_gives_a_patient_that_is_part_of_it_or_none(name):
    assert parse_file_name(name).patient_id.casefold() in name.casefold()
