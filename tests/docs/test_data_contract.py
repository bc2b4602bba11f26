"""docs/data-contract.md says what the feature contract and the schema hold."""

from __future__ import annotations

import re

import pytest

from contract import features
from contract.settings import DataSettings
from ingestion.records import SPLIT_NAMES

TYPES = {
    **dict.fromkeys(features.RAW_BYTES_FEATURES, ("bytes", "BYTES")),
    **dict.fromkeys(features.RAW_INT_FEATURES, ("int64", "INT")),
}


@pytest.fixture(scope="module")
def page(repository):
    return (repository / "docs" / "data-contract.md").read_text(encoding="utf-8")


def section(page, heading):
    return page.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_every_feature_stands_in_the_table_with_its_type(page):
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", section(page, "A record"), re.MULTILINE)
    assert len(rows) == len(TYPES)
    assert dict(rows) == {name: written for name, (written, _) in TYPES.items()}


def test_every_feature_stands_in_the_schema_with_its_type(repository):
    schema = (repository / "models" / "schema" / "schema.pbtxt").read_text(encoding="utf-8")
    entries = re.findall(r'^  name: "(\w+)"\n  type: (\w+)$', schema, re.MULTILINE)
    assert len(entries) == schema.count("feature {")
    assert dict(entries) == {name: kind for name, (_, kind) in TYPES.items()}


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        (features.SIZE_GROUP, features.SIZE_GROUPS),
        (features.SHARPNESS_GROUP, features.SHARPNESS_GROUPS),
        (features.LABEL, features.LABELS),
        (features.SUBTYPE, features.SUBTYPES),
        (features.SOURCE_SPLIT, features.SPLITS),
    ],
)
def test_vocabularies_stand_with_their_features(page, feature, words):
    (values,) = re.findall(
        rf"^\| `{feature}` \| \w+ \| (.*?) \|", section(page, "A record"), re.MULTILINE
    )
    assert re.findall(r"`(\w+)`", values) == list(words)


def test_every_name_of_a_split_is_told(page):
    assert set(SPLIT_NAMES) <= set(re.findall(r"`(\w+)`", section(page, "Sources")))
    rows = re.findall(r"^\| `(\w+)` \|", section(page, "Splits"), re.MULTILINE)
    assert rows == list(features.SPLITS)


def test_settings_exist_under_the_names_that_the_page_gives(page):
    named = set(re.findall(r"`data\.(\w+)", page))
    assert named
    assert named <= set(DataSettings.model_fields)
