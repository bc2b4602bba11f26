"""Status and metadata of models."""

import pytest

from tests.serving.contract.conftest import MODEL, OUTPUTS, error_of

pytestmark = pytest.mark.slow


def test_the_status_lists_versions_as_strings(api):
    response = api.get()
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    versions = response.json()["model_version_status"]
    assert any(version["state"] == "AVAILABLE" for version in versions)
    for version in versions:
        assert set(version) == {"version", "state", "status"}
        assert version["version"].isdigit()
        assert version["status"] == {"error_code": "OK", "error_message": ""}


def test_the_status_of_one_version_is_that_of_the_list(api):
    first = api.get().json()["model_version_status"][0]
    answer = api.get(f"/versions/{first['version']}").json()
    assert answer == {"model_version_status": [first]}


def test_an_unknown_version_is_not_found(api):
    message = error_of(api.get("/versions/987654"), 404)
    assert message == f"Could not find version 987654 of model {MODEL}"


def test_an_unknown_model_is_not_found(api):
    message = error_of(api.http.get("/v1/models/nobody"), 404)
    assert message == "Could not find any versions of model nobody"


def test_an_unknown_label_has_no_metadata(api):
    message = error_of(api.get("/labels/nolabel/metadata"), 400)
    assert "Unrecognized servable version label: nolabel" in message


def test_a_version_beyond_64_bits_is_invalid(api):
    # http_rest_api_handler.cc returns before it writes the message: TF Serving's body is empty.
    assert api.get("/versions/99999999999999999999").status_code == 400


@pytest.mark.parametrize("suffix", ["/versions/abc", "/versions/", "/nothing", "/metadata/more"])
def test_other_paths_are_malformed(api, suffix):
    assert error_of(api.get(suffix), 400) == f"Malformed request: GET {api.path}{suffix}"


def test_the_method_belongs_to_the_path(api):
    assert "Malformed request: GET" in error_of(api.get(":predict"), 400)
    assert "Malformed request: POST" in error_of(api.post({}, ""), 400)
    response = api.http.put(api.path)
    assert "Malformed request: PUT" in error_of(response, 400)


def test_metadata_describes_the_signatures(api, signatures):
    answer = api.get("/metadata").json()
    assert answer["model_spec"]["name"] == MODEL
    assert answer["model_spec"]["signature_name"] == ""
    assert answer["model_spec"]["version"].isdigit()
    served = signatures["serving_default"]
    assert served["method_name"] == "tensorflow/serving/predict"
    image = served["inputs"]["image_bytes"]
    assert image["dtype"] == "DT_STRING"
    assert image["tensor_shape"] == {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    assert set(served["outputs"]) == OUTPUTS
    assert served["outputs"]["decision"]["dtype"] == "DT_STRING"
    assert served["outputs"]["familiarity"]["dtype"] == "DT_FLOAT"
    assert served["outputs"]["probability"]["dtype"] == "DT_FLOAT"


def test_metadata_of_a_version_is_the_same(api):
    version = api.get("/metadata").json()["model_spec"]["version"]
    assert api.get(f"/versions/{version}/metadata").json() == api.get("/metadata").json()


def test_metadata_of_what_is_not_there(api):
    message = error_of(api.get("/versions/987654/metadata"), 404)
    assert message == f"Servable not found for request: Specific({MODEL}, 987654)"
