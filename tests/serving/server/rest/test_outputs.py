import json
import math

import numpy as np
import pytest

from serving.server.rest.errors import ServingError
from serving.server.rest.outputs import write_error, write_outputs


def strings(*values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float32(0.2), "0.2"),
        (np.float32(1), "1.0"),
        (np.float32(9e6), "9e+06"),
        (np.float32(3e-5), "3e-05"),
        (np.float32(0.123456789), "0.123456791"),
        (np.float32(16777215), "16777215.0"),
        (np.float64(0.1), "0.1"),
        (np.float64(1 / 3), "0.33333333333333331"),
        (np.float32("nan"), "NaN"),
        (np.float32("-inf"), "-Infinity"),
        (np.int64(2**62), "4611686018427387904"),
        (np.uint8(7), "7"),
        (np.bool_(True), "true"),
    ],
)
def test_numbers_are_written_as_tf_serving_writes_them(value, text):
    written = write_outputs({"y": np.array([value])}, is_row_form=False).decode()
    assert written == f'{{\n    "outputs": [{text}]\n}}'


def test_every_float32_comes_back_as_itself():
    dice = np.random.default_rng(3)
    values = dice.integers(0, 2**32, 2000, dtype=np.uint32).view(np.float32)
    values = values[np.isfinite(values)]
    written = json.loads(write_outputs({"y": values}, is_row_form=True))["predictions"]
    np.testing.assert_array_equal(np.array(written, dtype=np.float32), values)


@pytest.mark.parametrize("is_row_form", [True, False])
def test_bytes_are_base64_only_where_the_name_says_so(is_row_form):
    key = "predictions" if is_row_form else "outputs"
    outputs = {"image_bytes": strings(b"\x00\xff")}
    assert json.loads(write_outputs(outputs, is_row_form)) == {key: [{"b64": "AP8="}]}
    outputs = {"image": strings('grün "1"'.encode())}
    assert json.loads(write_outputs(outputs, is_row_form)) == {key: ['grün "1"']}


def test_rows_of_several_outputs_are_objects():
    outputs = {"b": np.array([[1, 2], [3, 4]]), "a": strings(b"x", b"y")}
    assert json.loads(write_outputs(outputs, is_row_form=True)) == {
        "predictions": [{"a": "x", "b": [1, 2]}, {"a": "y", "b": [3, 4]}]
    }
    assert json.loads(write_outputs(outputs, is_row_form=False)) == {
        "outputs": {"a": ["x", "y"], "b": [[1, 2], [3, 4]]}
    }


def test_rows_of_several_dimensions():
    outputs = {"y": np.arange(8, dtype=np.int32).reshape(2, 2, 2)}
    assert json.loads(write_outputs(outputs, is_row_form=True)) == {
        "predictions": [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    }


@pytest.mark.parametrize(
    ("outputs", "part"),
    [
        ({"y": np.array(1.0)}, "has no shape information"),
        ({"a": np.ones(2), "b": np.ones(3)}, "inconsistent batch size: 3 expecting: 2"),
    ],
)
def test_what_has_no_row_form_is_refused(outputs, part):
    with pytest.raises(ServingError, match=part) as caught:
        write_outputs(outputs, is_row_form=True)
    assert caught.value.status == 400


@pytest.mark.parametrize("is_row_form", [True, False])
@pytest.mark.parametrize(
    ("dtype", "name"),
    [(np.float16, "half"), (np.uint16, "uint16"), (np.complex64, "complex64")],
)
def test_types_without_a_form_are_refused_as_by_json_tensor_cc(dtype, name, is_row_form):
    with pytest.raises(ServingError, match=f"JSON value for tensor type: {name}") as caught:
        write_outputs({"y": np.ones(1, dtype)}, is_row_form)
    assert caught.value.status == 400


def test_a_scalar_has_a_column_form():
    boxed = np.empty((), dtype=object)
    boxed[()] = b"x"
    assert json.loads(write_outputs({"y": boxed}, is_row_form=False)) == {"outputs": "x"}
    assert math.isclose(json.loads(write_outputs({"y": np.array(0.5)}, False))["outputs"], 0.5)


def test_errors_are_json_whatever_they_say():
    assert json.loads(write_error('a "b"\n\x00 ü \ud800')) == {"error": 'a "b"\n\x00 ü ?'}
