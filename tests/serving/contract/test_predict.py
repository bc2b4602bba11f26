"""`:predict` of X-rays, in every form."""

import gzip
import json
import math

import pytest

from ingestion.tfrecord_file import encode_example
from tests.serving.contract.conftest import MODEL, OUTPUTS, error_of
from tests.serving.contract.images import b64, draw_image

pytestmark = pytest.mark.slow

IMAGES = [draw_image(1), draw_image(2, file_format="JPEG"), draw_image(3, side_px=100)]


@pytest.fixture(scope="module")
def predictions(api):
    response = api.post({"instances": [{"image_bytes": b64(image)} for image in IMAGES]})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return response.json()["predictions"]


def test_rows_are_objects_of_all_outputs(predictions):
    assert len(predictions) == len(IMAGES)
    for row in predictions:
        assert set(row) == OUTPUTS
        assert 0 <= row["probability"] <= 1
        expected = "pneumonia" if row["probability"] >= row["threshold"] else "normal"
        assert row["label"] == expected
        assert 0 < row["familiarity"] <= 1
        assert row["decision"] in (expected, "refer")
        if row["familiarity"] < row["familiarity_threshold"]:
            assert row["decision"] == "refer"


def test_a_single_input_needs_no_name(api, predictions):
    _same(api.post({"instances": [b64(image) for image in IMAGES]}), predictions)


def test_the_signature_can_be_named(api, predictions):
    document = {
        "signature_name": "serving_default",
        "instances": [b64(image) for image in IMAGES],
    }
    _same(api.post(document), predictions)


@pytest.mark.parametrize("is_named", [True, False])
def test_columns_answer_with_columns(api, predictions, is_named):
    images = [b64(image) for image in IMAGES]
    response = api.post({"inputs": {"image_bytes": images} if is_named else images})
    outputs = response.json()["outputs"]
    assert set(outputs) == OUTPUTS
    for name in ("label", "threshold", "familiarity_threshold"):
        assert outputs[name] == [row[name] for row in predictions]
    for got, row in zip(outputs["probability"], predictions, strict=True):
        assert got == pytest.approx(row["probability"], abs=1e-5)


def test_records_are_answered_as_their_images(api, predictions):
    records = [b64(encode_example({"image_bytes": image})) for image in IMAGES]
    response = api.post({"signature_name": "serving_examples", "instances": records})
    rows = response.json()["predictions"]
    for got, row in zip(rows, predictions, strict=True):
        assert set(got) == OUTPUTS | {"called_pneumonia"}
        assert got["probability"] == pytest.approx(row["probability"], abs=1e-5)
        assert got["called_pneumonia"] == float(row["label"] == "pneumonia")


def test_a_version_can_be_named(api, predictions):
    version = api.get("/metadata").json()["model_spec"]["version"]
    document = {"instances": [b64(image) for image in IMAGES]}
    _same(api.post(document, f"/versions/{version}:predict"), predictions)


def test_gzip_both_ways(api, predictions):
    body = gzip.compress(json.dumps({"instances": [b64(image) for image in IMAGES]}).encode())
    response = api.post_text(body, **{"Content-Encoding": "gzip", "Accept-Encoding": "gzip"})
    _same(response, predictions)


def test_one_bad_image_is_refused(api):
    instances = [b64(IMAGES[0]), b64(b"no image"), b64(IMAGES[1])]
    error_of(api.post({"instances": instances}), 400)


@pytest.mark.parametrize(
    ("suffix", "status", "part"),
    [
        (":classify", 400, "Expected classification signature method_name to be"),
        (":regress", 400, "Expected regression signature method_name to be"),
    ],
)
def test_signatures_of_predict_do_not_classify(api, suffix, status, part):
    document = {"examples": [{"image_bytes": b64(IMAGES[0])}]}
    message = error_of(api.post(document, suffix), status)
    assert part in message
    assert "Was: tensorflow/serving/predict" in message


def test_unknown_targets_are_not_found(api):
    document = {"instances": [b64(IMAGES[0])]}
    response = api.http.post("/v1/models/nobody:predict", json=document)
    assert error_of(response, 404) == "Servable not found for request: Latest(nobody)"
    message = error_of(api.post(document, "/versions/987654:predict"), 404)
    assert message == f"Servable not found for request: Specific({MODEL}, 987654)"
    message = error_of(api.post(document, "/labels/nolabel:predict"), 400)
    assert "Unrecognized servable version label: nolabel" in message


@pytest.mark.usefixtures("needs_contract_model")
def test_several_inputs_by_row_and_by_column(api):
    rows = [{"left": [1.5, 2.0], "right": 3}, {"left": [0.25, -1.0], "right": 4}]
    response = api.post({"signature_name": "contract_pair", "instances": rows})
    assert response.json()["predictions"] == [
        {"total": 6.5, "packed_bytes": b64(b"3"), "is_even": False},
        {"total": 3.25, "packed_bytes": b64(b"4"), "is_even": True},
    ]
    columns = {"left": [[1.5, 2.0], [0.25, -1.0]], "right": [3, 4]}
    response = api.post({"signature_name": "contract_pair", "inputs": columns})
    assert response.json()["outputs"] == {
        "total": [6.5, 3.25],
        "packed_bytes": [b64(b"3"), b64(b"4")],
        "is_even": [False, True],
    }


@pytest.mark.usefixtures("needs_contract_model")
def test_one_output_has_no_name(api):
    document = {"signature_name": "contract_echo", "instances": [1.5, 0.2, 3]}
    assert api.post(document).json() == {"predictions": [1.5, 0.2, 3.0]}
    document = {"signature_name": "contract_echo", "inputs": [1.5, 0.2, 3]}
    assert api.post(document).json() == {"outputs": [1.5, 0.2, 3.0]}


@pytest.mark.usefixtures("needs_contract_model")
def test_numbers_that_json_does_not_know(api):
    response = api.post_text(
        '{"signature_name": "contract_echo", "instances": [NaN, Infinity, -Infinity]}'
    )
    nan, above, below = response.json()["predictions"]
    assert math.isnan(nan)
    assert (above, below) == (math.inf, -math.inf)


@pytest.mark.usefixtures("needs_contract_model")
def test_a_signature_without_rows_has_columns_only(api):
    document = {"signature_name": "contract_scalar", "inputs": 3.0}
    assert api.post(document).json() == {"outputs": 1.5}
    document = {"signature_name": "contract_scalar", "instances": [3.0]}
    error_of(api.post(document), 400)


def _same(response, predictions):
    assert response.status_code == 200, response.text
    rows = response.json()["predictions"]
    assert [row["label"] for row in rows] == [row["label"] for row in predictions]
    for got, row in zip(rows, predictions, strict=True):
        assert got["probability"] == pytest.approx(row["probability"], abs=1e-5)
