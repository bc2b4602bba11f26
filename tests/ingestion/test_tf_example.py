from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.tf_example import decode_example, encode_example


@given(
    st.dictionaries(st.text(max_size=8), st.binary(max_size=30) | st.integers(-(2**63), 2**63 - 1))
)
def test_values_come_back(values):
    decoded = decode_example(encode_example(values))
    assert decoded == {name: [value] for name, value in values.items()}


def test_order_of_features_does_not_matter():
    assert encode_example({"a": 1, "b": b"2"}) == encode_example({"b": b"2", "a": 1})


def test_known_bytes_of_the_format():
    # Written by hand from the wire format of protocol buffers and the fields' numbers.
    assert encode_example({"k": 5}).hex() == "0a0c0a0a0a016b12051a030a0105"


def test_feature_without_a_value_is_an_empty_list():
    assert decode_example(bytes.fromhex("0a070a050a016b1200")) == {"k": []}


def test_other_bytes_are_refused():
    with pytest.raises(ValueError, match=r"not a tf\.train\.Example"):
        decode_example(b"this is a text")
