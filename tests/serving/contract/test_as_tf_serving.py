"""Cases from TF Serving's own sources; each names the file that it was read in.

A real server must run without `--enable_batching`, whose batching_session.cc refuses outputs whose
rows do not match the inputs'.
"""

import concurrent.futures
import gzip
import json
import math
import os

import numpy as np
import pytest

from tests.serving.contract.conftest import error_of
from tests.serving.contract.images import b64, draw_image

pytestmark = pytest.mark.slow

IS_EMBEDDED = "TF_SERVING_URL" not in os.environ
ORIGIN = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}

needs_contract_model = pytest.mark.usefixtures("needs_contract_model")


def ask(api, signature, members):
    return api.post_text(f'{{"signature_name": "{signature}", {members}}}')


# AddValueToTensor: a number is cast, and not compared with what became of it.
@needs_contract_model
@pytest.mark.parametrize("form", ["instances", "inputs"])
@pytest.mark.parametrize(
    ("signature", "text", "number"),
    [
        pytest.param(*case, id=f"json_tensor.cc-{case[1]}")
        for case in (
            ("contract_echo", "1435774380", 1435774336),
            ("contract_echo", "16777216", 16777216),
            ("contract_echo", "16777217", 16777216),
            ("contract_echo", "1e8", 1e8),
            ("contract_echo", "1e39", math.inf),
            ("contract_echo", "1.79769e308", math.inf),
            ("contract_echo", "-1.79769e308", -math.inf),
            ("contract_echo", "Inf", math.inf),
            ("contract_echo", "-Inf", -math.inf),
            ("contract_takes_double", "9007199254740993", 9007199254740992),
            ("contract_takes_double", "1.79769e308", 1.79769e308),
        )
    ],
)
def test_numbers_become_the_nearest_of_the_type(api, signature, text, number, form):
    response = ask(api, signature, f'"{form}": [{text}]')
    assert response.status_code == 200, response.text
    (got,) = response.json()["predictions" if form == "instances" else "outputs"]
    dtype = np.float64 if signature == "contract_takes_double" else np.float32
    assert dtype(got) == dtype(number)


@needs_contract_model
@pytest.mark.parametrize(
    ("signature", "members", "status", "part"),
    [
        pytest.param(*case, id=f"{source}-{name}")
        for source, name, *case in (
            (
                "json_tensor.cc",
                "instances that is not a list",
                "contract_echo",
                '"instances": 3',
                400,
                "Expecting 'instances' to be an list/array",
            ),
            (
                "json_tensor_test.cc",
                "ragged list",
                "contract_echo",
                '"instances": [[1, 2], [1, 2, 3]]',
                400,
                "Expecting tensor size: 2 but got: 3",
            ),
            (
                "json_tensor_test.cc",
                "same size, other shape",
                "contract_echo",
                '"instances": [1, [1]]',
                400,
                "Expecting shape [] but got: [1]",
            ),
            (
                "predict_util.cc",
                "base64 where two inputs are asked",
                "contract_text_pair",
                '"instances": [{"b64": "AA=="}]',
                400,
                "",
            ),
            *(
                (
                    "json_tensor.cc",
                    f"{type_name} column",
                    f"contract_takes_{type_name}",
                    '"inputs": [1]',
                    501,
                    f"Conversion of JSON Value: 1 to type: {type_name}",
                )
                for type_name in ("half", "bfloat16", "uint16", "complex64")
            ),
            (
                "json_tensor.cc",
                "half row",
                "contract_takes_half",
                '"instances": [1]',
                400,
                "UNIMPLEMENTED: Conversion of JSON Value: 1 to type: half",
            ),
            *(
                (
                    "json_tensor.cc",
                    f"{type_name} output, {form}",
                    f"contract_gives_{type_name}",
                    f'"{form}": [1]',
                    400,
                    f"Failed to write JSON value for tensor type: {type_name}",
                )
                for type_name in ("half", "uint16")
                for form in ("instances", "inputs")
            ),
            (
                "json_tensor.cc",
                "outputs of unequal rows, row form",
                "contract_unequal",
                '"instances": [1, 2]',
                400,
                "inconsistent batch size",
            ),
        )
    ],
)
def test_what_is_refused(api, signature, members, status, part):
    assert part in error_of(ask(api, signature, members), status)


@needs_contract_model
@pytest.mark.parametrize(
    ("signature", "members", "answer"),
    [
        pytest.param(*case, id=f"json_tensor.cc-{name}")
        for name, *case in (
            (
                "more rows than the input, row form",
                "contract_uneven",
                '"instances": [1, 2]',
                {"predictions": [{"number": n, "negative": -n} for n in (1, 1, 2, 2)]},
            ),
            (
                "more rows than the input, column form",
                "contract_uneven",
                '"inputs": [1, 2]',
                {"outputs": {"number": [1, 1, 2, 2], "negative": [-1, -1, -2, -2]}},
            ),
            (
                "unequal rows, column form",
                "contract_unequal",
                '"inputs": [1, 2]',
                {"outputs": {"number": [1, 2], "twice": [1, 1, 2, 2]}},
            ),
            (
                "two equal keys of the document",
                "contract_echo",
                '"instances": [1], "instances": [2, 3]',
                {"predictions": [1]},
            ),
            (
                "two equal keys of the columns",
                "contract_echo",
                '"inputs": {"number": [1], "number": [2, 3]}',
                {"outputs": [1]},
            ),
            (
                "two equal keys of the only row",
                "contract_echo",
                '"instances": [{"number": 1, "number": 2}]',
                {"predictions": [1]},
            ),
        )
    ],
)
def test_what_is_answered(api, signature, members, answer):
    response = ask(api, signature, members)
    assert response.status_code == 200, response.text
    assert response.json() == answer


@needs_contract_model
def test_uneven_outputs_belong_to_their_own_request_json_tensor_cc(api):
    """Requests that would share a run, were their rows known."""
    numbers = [[float(n)] * (n % 3 + 1) for n in range(24)]
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        answers = threads.map(
            lambda row: ask(api, "contract_uneven", f'"inputs": {json.dumps(row)}').json(), numbers
        )
        for row, answer in zip(numbers, answers, strict=True):
            assert answer["outputs"]["number"] == row * 2


@pytest.mark.parametrize("action", ["PREDICT", "Predict", "CLASSIFY", "Regress"])
def test_an_action_has_small_letters_http_rest_api_handler_cc(api, action):
    message = error_of(api.post({"instances": [b64(draw_image(1))]}, f":{action}"), 400)
    assert message == f"Malformed request: POST {api.path}:{action}"


def test_other_letters_of_a_path_may_be_large_http_rest_api_util_cc(api):
    path = api.path.replace("/v1/models", "/V1/MODELS")
    assert api.http.get(path).json() == api.get().json()


def test_metadata_in_large_letters_is_the_status_http_rest_api_handler_cc(api):
    assert api.get("/METADATA").json() == api.get().json()


def test_the_status_of_any_label_is_that_of_all_versions_get_model_status_impl_cc(api):
    response = api.get("/labels/nolabel")
    assert response.status_code == 200
    assert response.json() == api.get().json()
    message = error_of(api.http.get("/v1/models/nobody/labels/nolabel"), 404)
    assert message == "Could not find any versions of model nobody"


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip"])
def test_gzip_has_two_names_evhttp_request_cc(api, encoding):
    body = gzip.compress(json.dumps({"instances": [b64(draw_image(1))]}).encode())
    assert api.post_text(body, **{"Content-Encoding": encoding}).status_code == 200


def test_gzip_has_nothing_after_it_gzip_zlib_cc(api):
    body = gzip.compress(json.dumps({"instances": [b64(draw_image(1))]}).encode())
    for more in (b"more than a footer", gzip.compress(b" ")):
        error_of(api.post_text(body + more, **{"Content-Encoding": "gzip"}), 400)


@pytest.mark.parametrize("suffix", [":predict", "", "/elsewhere"])
def test_options_with_an_origin_is_answered_http_server_cc(api, suffix):
    response = api.http.options(api.path + suffix, headers=ORIGIN)
    assert response.status_code == 200
    assert response.content == b""
    if IS_EMBEDDED:  # TF Serving allows origins with --rest_api_enable_cors_support only
        assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize("headers", [{}, {"Origin": "null"}])
def test_options_without_an_origin_is_refused_http_server_cc(api, headers):
    assert api.http.options(f"{api.path}:predict", headers=headers).status_code == 400
