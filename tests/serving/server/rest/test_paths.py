import pytest

from serving.server.rest.errors import ServingError
from serving.server.rest.paths import Target, read_target


@pytest.mark.parametrize(
    ("method", "path", "target"),
    [
        ("GET", "/v1/models/m", Target("status", "m")),
        ("GET", "/V1/Models/M", Target("status", "M")),
        # http_rest_api_handler.cc compares with "metadata"; its pattern ignores case.
        ("GET", "/v1/models/m/METADATA", Target("status", "m")),
        ("GET", f"/v1/models/m/versions/{'0' * 5000}7", Target("status", "m", version=7)),
        ("GET", "/v1/models/m/versions/007", Target("status", "m", version=7)),
        ("GET", "/v1/models/m/labels/stable", Target("status", "m", label="stable")),
        ("GET", "/v1/models/m/labels/a%2Fb/metadata", Target("metadata", "m", label="a/b")),
        ("POST", "/v1/models/a%20b:predict", Target("predict", "a b")),
        ("POST", "/v1/models/m/versions/3:classify", Target("classify", "m", version=3)),
        ("POST", "/v1/models/m/labels/canary:regress", Target("regress", "m", label="canary")),
    ],
)
def test_known_forms(method, path, target):
    assert read_target(method, path) == target


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("GET", "/v1/models/"),
        ("GET", "/v1/models/m/versions/x"),
        ("GET", "/v1/models/m/versions/1/labels/a"),
        ("GET", "/v1/models/m/versions/" + "9" * 5000),
        ("GET", "/v1/models/m/versions/0" + str(2**63)),
        ("POST", "/v1/models/m"),
        ("POST", "/v1/models/m:predict?x=1"),
        ("POST", "/v1/models/m:explain"),
        ("POST", "/v1/models/m:PREDICT"),
        ("POST", "/v1/models/m:Classify"),
        ("HEAD", "/v1/models/m"),
    ],
)
def test_other_forms_are_malformed(method, path):
    with pytest.raises(ServingError) as caught:
        read_target(method, path)
    assert caught.value.status == 400
