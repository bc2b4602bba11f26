"""The project's own export behind the embedded server: what it shows and what it names."""

import base64
import io
import shutil

import httpx
import keras
import numpy as np
import pytest
from PIL import Image

from contract import features
from contract.server_settings import ServerSettings
from contract.settings import CandidateSettings
from ingestion.tfrecord_file import encode_example
from models.architectures import build_network
from models.export import OperatingRule, ServedModel, export_model
from models.predictor import Predictor
from models.provenance import Provenance
from tests.serving.contract.images import b64, draw_image
from tests.serving.contract.model import SIZE_PX
from tests.serving.running import serve

pytestmark = pytest.mark.slow

PROVENANCE = Provenance(
    model_version="0123456789abcdef",
    name="cnn_deep",
    architecture="cnn_deep",
    members={},
    data_sha256={"train": "aa", "validation": "bb"},
    weights_sha256="cc",
    code_version="dd",
    project_version="0.0.0",
    seed=5,
    threshold=0.25,
    target_sensitivity=0.95,
    reaches_target=False,
)


@pytest.fixture(scope="module")
def push_dir(transform_output, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    keras.utils.set_random_seed(5)
    candidate = CandidateSettings(architecture="cnn_deep", normalisation="standardise")
    predictor = Predictor(build_network(candidate, SIZE_PX), candidate)
    served = ServedModel(predictor, transform_output, SIZE_PX, OperatingRule(PROVENANCE.threshold))
    export_model(served, folder / "export", PROVENANCE)
    shutil.copytree(folder / "export", folder / "pneumonia" / "1")
    return folder / "pneumonia"


@pytest.fixture(scope="module")
def predict(push_dir):
    with serve(ServerSettings(push_dir)) as running, httpx.Client(timeout=60) as http:

        def ask(signature, instances):
            document = {"signature_name": signature, "instances": instances}
            return http.post(f"{running.model_url}:predict", json=document)

        yield ask


def example(image):
    return b64(encode_example({features.IMAGE_BYTES: image}))


def test_a_client_can_see_what_the_network_saw(predict):
    images = [draw_image(seed, 64, kind) for seed, kind in ((1, "PNG"), (2, "JPEG"))]
    answer = predict(features.TRANSFORM_SIGNATURE, [example(image) for image in images])
    assert answer.status_code == 200, answer.text
    rows = answer.json()["predictions"]
    assert all(set(row) == {"b64"} for row in rows)  # the output's name ends in _bytes
    for image, row in zip(images, rows, strict=True):
        shown = Image.open(io.BytesIO(base64.b64decode(row["b64"])))
        assert (shown.format, shown.mode, shown.size) == ("PNG", "L", (SIZE_PX, SIZE_PX))
        expected = Image.open(io.BytesIO(image)).resize((SIZE_PX, SIZE_PX), Image.BILINEAR)
        assert np.abs(np.asarray(shown, float) - np.asarray(expected, float)).mean() < 4


def test_the_origin_is_one_request_away(predict):
    answer = predict(features.INFORMATION_SIGNATURE, [""])
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == [PROVENANCE.facts()]


@pytest.mark.parametrize("signature", [features.SERVING_SIGNATURE, features.EXAMPLES_SIGNATURE])
def test_an_image_that_breaks_off_is_named_in_a_batch(predict, signature):
    images = [draw_image(seed) for seed in range(5)]
    images[3] = images[3][:200]  # its header is whole
    wrap = b64 if signature == features.SERVING_SIGNATURE else example
    answer = predict(signature, [wrap(image) for image in images])
    assert answer.status_code == 400
    assert "element: 3 of the request" in answer.json()["error"]
    del images[3]
    assert predict(signature, [wrap(image) for image in images]).status_code == 200
