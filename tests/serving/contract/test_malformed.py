"""Requests that are wrong: the status, the form of the error, and what it says."""

import gzip
import random

import pytest

from tests.serving.contract.conftest import error_of
from tests.serving.contract.images import b64, draw_image

pytestmark = pytest.mark.slow

IMAGE = b64(draw_image(1))
NUM_FUZZED = 300


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "The document is empty"),
        ("{", "JSON Parse error"),
        ("nonsense", "JSON Parse error"),
        ('{"instances": [1e999]}', "JSON Parse error"),
        ("[1, 2]", "Is not object"),
        ("7", "Is not object"),
        ("{}", "Missing 'inputs' or 'instances' key"),
        ('{"instances": [], "inputs": []}', "expecting only one of"),
        ('{"instances": 3}', "Expecting 'instances' to be an list/array"),
        ('{"instances": []}', "No values in 'instances' array"),
        ('{"signature_name": 3, "instances": [1]}', "'signature_name' key must be a string value"),
        ('{"signature_name": "none", "instances": [1]}', '"none" not found in signature def'),
        ('{"instances": [3]}', "is not of expected type: string"),
        ('{"instances": [null]}', "Type: Null is not of expected type: string"),
        ('{"instances": [{"b64": "a"}]}', "Unable to base64 decode"),
        ('{"instances": [{"b64": "%%%%"}]}', "Unable to base64 decode"),
        ('{"instances": [{"image_bytes": {"b64": 3}}]}', "not formatted correctly for base64"),
        ('{"instances": [{"other": {"b64": ""}}]}', "does not have named input: other"),
        ('{"instances": [{}]}', "keys must be equal to: image_bytes"),
        ('{"inputs": {"other": []}}', "Missing named input: image_bytes"),
        ('{"instances": [{"image_bytes": ["a"]}, {"image_bytes": "a"}]}', "element: 1"),
        ('{"instances": [{"image_bytes": "a"}, "a"]}', "at item 1"),
        ('{"instances": ["a", {"image_bytes": "a"}]}', "at item 1"),
    ],
)
def test_wrong_documents_are_told(api, text, part):
    assert part in error_of(api.post_text(text), 400)


def test_a_wrong_shape_is_refused(api):
    error_of(api.post({"instances": [[IMAGE], [IMAGE]]}), 400)
    error_of(api.post({"inputs": IMAGE}), 400)


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"{}", mtime=0)[:-6]])
def test_wrong_gzip_is_refused(api, body):
    error_of(api.post_text(body, **{"Content-Encoding": "gzip"}), 400)


@pytest.mark.usefixtures("needs_contract_model")
@pytest.mark.parametrize(
    ("signature", "instances", "part"),
    [
        ("contract_echo", '["1"]', "is not of expected type: float"),
        ("contract_echo", "[true]", "Type: True is not of expected type: float"),
        ("contract_pair", "[1]", "expecting list of objects"),
        ("contract_pair", '[{"left": [1, 2], "right": 1.5}]', "is not of expected type: int64"),
        ("contract_pair", '[{"left": [1, 2]}]', "keys must be equal to: left,right"),
        ("contract_pair", '[{"left": [[1], 2], "right": 1}]', "incorrect level"),
        ("contract_pair", '[{"left": [1, [2]], "right": 1}]', "unexpected level"),
        ("contract_pair", '[{"left": [[1, 2], [3]], "right": 1}]', "unexpected size"),
    ],
)
def test_wrong_values_are_told(api, signature, instances, part):
    text = f'{{"signature_name": "{signature}", "instances": {instances}}}'
    assert part in error_of(api.post_text(text), 400)


def test_hundreds_of_damaged_requests_leave_it_serving(api):
    whole = b'{"signature_name": "serving_default", "instances": [{"image_bytes": {"b64": "%s"}}]}'
    whole %= IMAGE["b64"].encode()
    dice = random.Random(7)
    for _ in range(NUM_FUZZED):
        response = api.post_text(_damaged(whole, dice))
        assert response.status_code in (200, 400), response.text
        assert set(response.json()) == ({"predictions"} if response.is_success else {"error"})
    assert api.post({"instances": [IMAGE]}).status_code == 200


def _damaged(whole: bytes, dice: random.Random) -> bytes:
    kind = dice.randrange(5)
    at = dice.randrange(len(whole))
    if kind == 0:
        return whole[:at]
    if kind == 1:
        return whole[:at] + bytes([dice.randrange(256)]) + whole[at + 1 :]
    if kind == 2:
        return whole[:at] + dice.randbytes(dice.randrange(1, 9)) + whole[at:]
    if kind == 3:
        piece = dice.choice([b"[", b"]", b"{", b"}", b"null", b"-1e400", b"9" * 5000, b'"', b","])
        return whole[:at] + piece + whole[at:]
    end = dice.randrange(at, len(whole))
    return whole[:at] + whole[end:]
