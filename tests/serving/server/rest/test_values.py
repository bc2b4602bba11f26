import base64
import json

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from serving.server.rest.document import describe, parse_document
from serving.server.rest.errors import ServingError
from serving.server.rest.inputs import read_inputs
from serving.server.rest.tensors import Signature, TensorSpec
from serving.server.rest.values import as_array, dense_shape, flatten


def read(value, dtype):
    shape = dense_shape(value)
    values: list = []
    flatten(value, shape, dtype, values)
    return as_array(values, shape, dtype)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("float", 1.5),
        ("float", 2**24),
        ("double", 2**53),
        ("double", 10**30),
        ("int8", -128),
        ("uint8", 255),
        ("int64", -(2**63)),
        ("uint64", 2**64 - 1),
        ("bool", True),
        ("string", "ä"),
    ],
)
def test_values_are_kept(dtype, value):
    array = read([[value]], dtype)
    assert array.shape == (1, 1)
    assert array[0, 0] == (value.encode() if dtype == "string" else value)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("float", 10**400),
        ("int8", 128),
        ("uint8", -1),
        ("int32", 1.0),
        ("int64", 2**63),
        ("int64", True),
        ("bool", 1),
        ("float", False),
        ("string", 1),
        ("string", None),
        ("string", {"b64": "", "more": 1}),
        ("string", "\ud800"),
        ("complex64", {"b64": ""}),
    ],
)
def test_values_that_would_change_are_refused(dtype, value):
    with pytest.raises(ServingError) as caught:
        read([value], dtype)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("dtype", "value", "rounded"),
    [
        ("float", 1435774380, 1435774336),
        ("float", 16777217, 16777216),
        ("float", 123456789, 123456792),
        ("float", 0.1, np.float32(0.1)),
        ("float", 1e39, np.inf),
        ("float", -1.79769e308, -np.inf),
        ("double", 2**53 + 1, 2**53),
    ],
)
def test_floats_are_rounded_as_by_json_tensor_cc(dtype, value, rounded):
    assert read([value], dtype).tolist() == [rounded]


@pytest.mark.parametrize("dtype", ["half", "bfloat16", "uint16", "complex64"])
@pytest.mark.parametrize("value", [1, 1.5, "1", True, None])
def test_types_without_a_form_are_not_implemented_as_by_json_tensor_cc(dtype, value):
    with pytest.raises(ServingError, match=f"to type: {dtype}") as caught:
        read([value], dtype)
    assert caught.value.status == 501


@hypothesis.given(st.binary(max_size=40), st.booleans(), st.booleans())
def test_base64_may_lack_its_padding_and_hold_white_space(data, is_padded, is_spaced):
    text = base64.b64encode(data).decode()
    text = text if is_padded else text.rstrip("=")
    text = "\n ".join(text) if is_spaced else text
    assert read([{"b64": text}], "string")[0] == data


@pytest.mark.parametrize(
    "text", ["AAA9=", "AA=", "AAA=A", "A", "A===", "=AAA", "AA-_", "AAA*", "Ä"]
)
def test_what_is_no_base64_is_refused(text):
    with pytest.raises(ServingError, match="Unable to base64 decode"):
        read([{"b64": text}], "string")


def test_no_message_repeats_a_string():
    secret = "Doe^John"
    signature = Signature("s", "predict", {"x": TensorSpec("float", (-1,))}, {})
    for value in (secret, {"b64": secret}, {"name": secret}, [[secret]]):
        with pytest.raises(ServingError) as caught:
            read_inputs({"instances": [value]}, signature, 10)
        assert secret not in caught.value.message or value == {"name": secret}
    assert describe(secret) == "<string of 8 characters>"
    assert describe(10**60) == "<number of 61 digits>"


def test_a_row_form_has_at_most_so_many_instances():
    signature = Signature("s", "predict", {"x": TensorSpec("float", (-1,))}, {})
    assert read_inputs({"instances": [1.0] * 10}, signature, 10).is_row_form
    for key in ("instances", "inputs"):
        with pytest.raises(ServingError, match="at most 10 instances in a request, got 11"):
            read_inputs({key: [1.0] * 11}, signature, 10)


@hypothesis.given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=12,
    ),
    st.sampled_from(["float", "int32", "string", "bool"]),
    st.sampled_from([None, (-1,), (-1, 2), ()]),
)
def test_any_json_is_read_or_refused(value, dtype, shape):
    signature = Signature("s", "predict", {"x": TensorSpec(dtype, shape)}, {})
    for key in ("instances", "inputs"):
        try:
            document = parse_document(json.dumps({key: value}).encode())
            array = read_inputs(document, signature, 100).arrays["x"]
        except ServingError as error:
            array, status = None, error.status
        else:
            status = 200
        assert status in (200, 400)
        assert array is None or signature.inputs["x"].admits(np.shape(array))
