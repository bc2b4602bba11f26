"""Where the embedded server is stricter than TensorFlow Serving, and means it.

The keys are the rows of the table in serving/README.md.
"""

import json
import os
import re
import zlib
from pathlib import Path

import httpx
import pytest

from contract.server_settings import Limits, ServerSettings
from tests.serving.contract.conftest import error_of
from tests.serving.contract.images import b64, draw_image

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("TF_SERVING_URL" in os.environ, reason="not meant of TF Serving"),
]

README = Path(__file__).parents[3] / "serving" / "README.md"


def body(signature: str, members: str) -> bytes:
    return f'{{"signature_name": "{signature}", {members}}}'.encode()


# Row: requests, each with its headers, its status and a part of the message.
REQUESTS = {
    "integer outside the range of `uint8`, `int8` or `int16`": [
        (body("contract_takes_uint8", '"inputs": [300]'), {}, 400, "expected type: uint8"),
        (body("contract_takes_uint8", '"instances": [-1]'), {}, 400, "expected type: uint8"),
    ],
    "shape that does not match the signature": [
        (body("contract_echo", '"instances": [[1, 2]]'), {}, 400, "of shape [-1]"),
        (body("contract_echo", '"inputs": 1'), {}, 400, "of shape [-1]"),
        (
            body("contract_pair", '"instances": [{"left": [1, 2, 3], "right": 4}]'),
            {},
            400,
            "of shape [-1, 2]",
        ),
    ],
    "lists nested more than 32 levels deep": [
        (f'{{"instances": {"[" * depth}{"]" * depth}}}'.encode(), {}, 400, "nested")
        for depth in (40, 500)
    ]
    + [(f'{{"x": {"[" * 100_000}{"]" * 100_000}}}'.encode(), {}, 400, "nested too deep")],
    "empty list for a type that JSON cannot express, such as `half`": [
        (body("contract_takes_half", '"inputs": []'), {}, 501, "to type: half"),
    ],
    "key repeated within one of several rows": [
        (
            body("contract_echo", '"instances": [{"number": 1}, {"number": 2, "number": 3}]'),
            {},
            400,
            "expected each key once",
        ),
    ],
    "more instances than `--max-instances`": [
        (
            json.dumps({key: [1] * (Limits().max_instances + 1), "signature_name": name}).encode(),
            {},
            400,
            f"at most {Limits().max_instances} instances",
        )
        for key, name in (("instances", "contract_echo"), ("inputs", "contract_echo"))
    ],
    "text after a NUL byte that follows the object": [
        (body("contract_echo", '"instances": [1]') + b"\0 more", {}, 400, "JSON Parse error"),
    ],
    "text that is not UTF-8": [
        (b'{"instances": ["\xff\xfe"]}', {}, 400, "Invalid encoding"),
        (rb'{"instances": ["\udc00"]}', {}, 400, "JSON Parse error"),
    ],
    "number beyond the range of a double, such as `1.8e308`": [
        (body("contract_echo", f'"instances": [{number}]'), {}, 400, "Number too big")
        for number in ("1.8e308", "-9.9e308", "1" + "0" * 309)
    ],
    "`Content-Encoding` other than `gzip` or `x-gzip`": [
        (
            body("contract_echo", '"instances": [1]'),
            {"Content-Encoding": encoding},
            400,
            "expected Content-Encoding gzip",
        )
        for encoding in ("br", "gzip, gzip", "unknown")
    ]
    + [
        (
            zlib.compress(body("contract_echo", '"instances": [1]')),
            {"Content-Encoding": "deflate"},
            400,
            "expected Content-Encoding gzip",
        )
    ],
    "string in an error message": [
        (body("contract_echo", '"instances": ["Doe^John"]'), {}, 400, "<string of 8 characters>"),
    ],
}
PREFLIGHT = "CORS preflight from an origin that `--cors-origin` does not name"


@pytest.mark.parametrize(
    ("content", "headers", "status", "part"),
    [
        pytest.param(*request, id=f"{row}-{index}")
        for row, requests in REQUESTS.items()
        for index, request in enumerate(requests)
    ],
)
def test_meant_strictness(api, content, headers, status, part):
    message = error_of(api.post_text(content, **headers), status)
    assert part in message
    assert "Doe^John" not in message
    assert api.post({"instances": [b64(draw_image(1))]}).status_code == 200


def test_a_preflight_of_another_origin_is_meant_to_be_refused(push_dir):
    # Imported here: it brings TensorFlow.
    from tests.serving.running import serve

    ask = {"Origin": "https://b.example", "Access-Control-Request-Method": "POST"}
    settings = ServerSettings(push_dir, cors_origins=("https://a.example",))
    with serve(settings) as running:
        answer = httpx.options(f"{running.model_url}:predict", headers=ask)
    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers


def test_every_strictness_is_documented_and_tested():
    table = README.read_text().split("| request | embedded server | TensorFlow Serving |")[1]
    rows = re.findall(r"^\| (.+?) \| ", table.split("\n\n")[0], re.MULTILINE)
    assert rows
    assert sorted(rows) == sorted([*REQUESTS, PREFLIGHT])
