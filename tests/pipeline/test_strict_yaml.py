"""Tests of `pipeline.strict_yaml`."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.strict_yaml import parse_yaml

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")))
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), inner, max_size=3)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3e-4", 3e-4),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-2", -2),
        ("08", 8),
        ("010", 10),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("0b_", "0b_"),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("~", None),
        ("", None),
        ("2024-01-31", "2024-01-31"),
        ("2024-13-45", "2024-13-45"),
        (".inf", ".inf"),
        ("'3'", "3"),
        ("[1, a, 2.5]", [1, "a", 2.5]),
        ("{a: {b: 1}}", {"a": {"b": 1}}),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    parsed = parse_yaml(text)
    assert parsed == value
    assert type(parsed) is type(value)


@given(DOCUMENTS)
def test_what_is_written_is_read_back(document: object) -> None:
    written = yaml.safe_dump(document, allow_unicode=True)
    assert parse_yaml(written) == document


@given(st.text())
def test_any_text_is_a_document_or_a_value_error(text: str) -> None:
    try:
        parse_yaml(text)
    except ValueError:
        return


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1: expected each key once, got 'a' again"),
        ("outer:\n  a: 1\n  a: 1\n", "line 3, column 3: expected each key once"),
        ("1: 2", "expected a name as a key, got '1'"),
        ("? [a]\n: 1", "expected a name as a key"),
        ("a: [1", "line 1"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("a: !!timestamp x", "could not determine a constructor"),
        ("a: 1\n---\nb: 2", "expected a single document"),
        ("\ta: 1", "line 1"),
        ("a: \x00", "special characters are not allowed"),
        ("[" * 5000, "far too many"),
        ("9" * 5000, "limit"),
    ],
)
def test_other_documents_are_refused_with_the_place(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_yaml(text)
