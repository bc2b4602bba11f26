"""The client against the project's own server, with a model behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract import features
from contract.server_settings import ServerSettings
from serving.client import Client, Failure, Prediction, RetryPolicy
from tests.serving.client.pictures import encode, encode_dicom
from tests.serving.running import serve

pytestmark = pytest.mark.slow

ONCE = RetryPolicy(num_retries=0)


@pytest.fixture
def url(push_dir: Path):
    with serve(ServerSettings(model_dir=push_dir, token="secret")) as running:
        yield running.url


@pytest.fixture
def client(url):
    with Client(url, token="secret", retry=ONCE) as opened:
        yield opened


def test_the_same_picture_as_png_and_dicom_has_the_same_probability(client):
    png, dicom, other = client.predict([encode(1), encode_dicom(1), encode(2)])
    assert abs(png.probability - dicom.probability) <= 1e-5
    assert png.probability != other.probability
    assert png.label == features.LABELS[png.probability >= png.threshold]


def test_what_ingestion_takes_the_model_takes(client):
    jpegs = [encode(seed, "JPEG") for seed in range(5)]
    assert len(client.predict(jpegs)) == 5
    outcomes = list(client.predict_each([jpegs[0], jpegs[1][:-40], jpegs[2]]))
    assert [type(each) for each in outcomes] == [Prediction, Failure, Prediction]


def test_a_wrong_token_and_a_wrong_model_are_told(url):
    for arguments, status in (({"token": "other"}, 401), ({"token": "secret", "model": "no"}, 404)):
        with Client(url, retry=ONCE, **arguments) as client:
            (outcome,) = client.predict_each([encode()])
        assert isinstance(outcome, Failure)
        assert outcome.kind == "server"
        assert f"answered {status}" in outcome.reason
