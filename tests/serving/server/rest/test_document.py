import math

import pytest

from serving.server.rest.document import members, parse_document
from serving.server.rest.errors import ServingError
from serving.server.rest.values import is_base64


# What RapidJSON reads with json_tensor.cc's kParseNanAndInfFlag.
@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Inf", math.inf),
        ("-Inf", -math.inf),
        ("Infinity", math.inf),
        ("-Infinity", -math.inf),
        ("1e-400", 0.0),
    ],
)
def test_words_for_numbers_are_read(text, number):
    assert parse_document(f'{{"x": [{text}, 1]}}'.encode()) == {"x": [number, 1]}


@pytest.mark.parametrize("text", ["NaN", "-NaN"])
def test_not_a_number_may_have_a_sign(text):
    assert math.isnan(parse_document(f'{{"x": {text}}}'.encode())["x"])


def test_words_within_strings_stay():
    text = r'{"-Inf": "a \" Inf, -NaN \\", "Inf": [-Inf, Infinity, -NaN], "b": "Inf"}'
    document = parse_document(text.encode())
    assert list(document) == ["-Inf", "Inf", "b"]
    assert document["-Inf"] == 'a " Inf, -NaN \\'
    assert document["Inf"][:2] == [-math.inf, math.inf]
    assert document["b"] == "Inf"


@pytest.mark.parametrize(
    "text",
    [
        b'{"x": Infi}',
        b'{"x": InfInf}',
        b'{"x": inf}',
        b'{"x": nan}',
        b'{"x": +Inf}',
        b'{"x": 1e999}',
        b'{"x": -1.8e308}',
        b"{} x",
        '{"x": 1}'.encode("utf-16"),
        '{"x": 1}'.encode("utf-32"),
        b'{"x": "\xed\xa0\x80"}',
        rb'{"x": "\ud800"}',
        rb'{"x": "\\\uDBFF\u0041"}',
        rb'{"\ud800\ud800\udc00": 1}',
    ],
)
def test_other_text_is_a_parse_error(text):
    with pytest.raises(ServingError, match="JSON Parse error") as caught:
        parse_document(text)
    assert caught.value.status == 400


def test_surrogate_pairs_are_read():
    text = rb'{"x": "\ud83d\uDE00 \\ud800 \u0041"}'
    assert parse_document(text) == {"x": "\U0001f600 \\ud800 A"}


def test_a_byte_order_mark_is_passed_over():
    assert parse_document(b'\xef\xbb\xbf{"x": 1}') == {"x": 1}


def test_the_first_of_equal_keys_counts_as_with_rapidjson_find_member():
    document = parse_document(b'{"x": 1, "y": {"b64": "AA==", "b64": "AQ=="}, "x": 2}')
    assert document["x"] == 1
    assert list(members(document))[2] == ("x", 2)
    # IsValBase64Object of json_tensor.cc counts the members.
    assert not is_base64(document["y"])
    assert is_base64({"b64": "AA=="})
