"""The rows of a request; each message is one of TF Serving's json_tensor.cc."""

import pytest

from serving.server.rest.document import parse_document
from serving.server.rest.errors import ServingError
from serving.server.rest.inputs import read_inputs
from serving.server.rest.tensors import Signature, TensorSpec


def read(body, /, **types):
    specs = {name: TensorSpec(type_name, None) for name, type_name in types.items()}
    return read_inputs(parse_document(body.encode()), Signature("s", "predict", specs, {}), 10)


def error_of(body, /, **types):
    with pytest.raises(ServingError) as caught:
        read(body, **types)
    return caught.value


@pytest.mark.parametrize(
    ("instances", "part"),
    [
        ("[[1, 2], [1, 2, 3]]", "element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "),
        ("[[1, 2], [1, 2, 3]]", "Expecting tensor size: 2 but got: 3"),
        ("[1, [1, 2]]", "Expecting tensor size: 1 but got: 2"),
        ("[[1, 2], [[1, 2]]]", "Expecting shape [2] but got: [1,2]"),
        ("[1, [1]]", "Expecting shape [] but got: [1]"),
        # Values are read before sizes are compared.
        ('[[1, 2], [1, "2", 3]]', "Type: String is not of expected type: float"),
    ],
)
def test_ragged_rows(instances, part):
    error = error_of(f'{{"instances": {instances}}}', x="float")
    assert error.status == 400
    assert part in error.message


def test_a_row_of_a_type_without_a_form_is_invalid_and_a_column_not_implemented():
    error = error_of('{"instances": [1]}', x="half")
    assert error.status == 400
    assert "Error: UNIMPLEMENTED: Conversion of JSON Value: 1 to type: half" in error.message
    for column in ("[1]", "[]"):
        assert error_of(f'{{"inputs": {column}}}', x="half").status == 501


@pytest.mark.parametrize(
    ("instances", "part"),
    [
        ('[{"b64": "AA=="}]', "input size does not match signature: 1!=2"),
        ('["a"]', "expecting list of objects as multiple input tensors required"),
    ],
)
def test_a_plain_row_where_two_inputs_are_asked(instances, part):
    error = error_of(f'{{"instances": {instances}}}', text="string", weight="float")
    assert error.status == 400
    assert part in error.message


def test_the_first_of_equal_keys_counts():
    assert read('{"instances": [1], "instances": [2, 3]}', x="float").arrays["x"].tolist() == [1]
    assert read('{"inputs": {"x": 1, "x": 2}}', x="float").arrays["x"].tolist() == 1
    assert read('{"instances": [{"x": 1, "x": 2}]}', x="float").arrays["x"].tolist() == [1]
    rows = '{"instances": [{"x": [1, 2], "y": 3, "x": [4, 5]}]}'
    assert read(rows, x="float", y="float").arrays["x"].tolist() == [[1, 2]]


def test_later_equal_keys_are_checked_all_the_same():
    assert "Type: String" in error_of('{"instances": [{"x": 1, "x": "2"}]}', x="float").message
    assert "tensor size" in error_of('{"instances": [{"x": 1, "x": [2, 3]}]}', x="float").message


def test_equal_keys_in_one_of_several_rows_are_refused_although_tf_serving_mixes_the_rows_up():
    error = error_of('{"instances": [{"x": 1}, {"x": 2, "x": 3}]}', x="float")
    assert error.status == 400
    assert "expected each key once in element 1" in error.message


def test_a_base64_object_with_equal_keys_is_none():
    error = error_of('{"instances": [{"b64": "AA==", "b64": "AA=="}]}', text="string")
    assert "does not have named input: b64" in error.message
