"""The importable client, against a small server over real HTTP."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from contract.errors import InputError
from contract.settings import DataSettings
from ingestion.images import decode_image
from serving.client import Client, Failure, Prediction, RetryPolicy, UnansweredError, api, images
from tests.serving.client.fake_server import (
    THRESHOLD,
    Reply,
    decision_of,
    familiarity_of,
    probability_of,
    serve,
)
from tests.serving.client.pictures import encode, encode_dicom

AT_ONCE = RetryPolicy(num_retries=2, backoff_s=0.01)


@pytest.fixture
def server():
    with serve() as fake:
        yield fake


@pytest.fixture
def client(server):
    with Client(server.url, retry=AT_ONCE, batch_size=4) as opened:
        yield opened


def test_answers_come_in_order_and_are_the_servers(client, server):
    images = [encode(seed) for seed in range(10)]
    answers = client.predict(images)
    assert [each.name for each in answers] == [f"image {number}" for number in range(1, 11)]
    assert [each.probability for each in answers] == [probability_of(each) for each in images]
    assert {each.threshold for each in answers} == {THRESHOLD}
    assert {each.label for each in answers} == {"normal", "pneumonia"}
    assert all((each.label == "pneumonia") == (each.probability >= 0.5) for each in answers)
    assert [each.decision for each in answers] == [decision_of(each) for each in images]
    assert [each.familiarity for each in answers] == [familiarity_of(each) for each in images]
    assert {each.decision for each in answers} == {"normal", "pneumonia", "refer"}
    assert server.sizes == [4, 4, 2]


def test_jpeg_and_png_are_sent_as_they_are_and_dicom_as_ingestion_converts_it(
    client, server, tmp_path
):
    jpeg, png, dicom = encode(1, "JPEG"), encode(2), encode_dicom(3)
    path = tmp_path / "any name"
    path.write_bytes(dicom)
    client.predict([jpeg, png, path])
    (asked,) = server.asked
    assert asked.images[:2] == [jpeg, png]
    assert asked.images[2] == decode_image(dicom, 10**6).encoded
    # The same picture, so the same pixels.
    assert decode_image(asked.images[2], 10**6).pixel_sha256 == (
        decode_image(encode(3), 10**6).pixel_sha256
    )


def test_names_of_paths_are_as_they_were_given(client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("one.png").write_bytes(encode())
    assert client.predict([Path("one.png")])[0].name == "one.png"


def test_no_name_leaves_the_machine(client, server, tmp_path):
    path = tmp_path / "surname.png"
    path.write_bytes(encode())
    client.predict([path])
    (asked,) = server.asked
    assert "surname" not in asked.path + str(asked.headers)


def test_the_address_names_the_model_and_the_label(server):
    with Client(server.url + "/hospital/", "chest x", version_label="canary") as client:
        client.predict([encode()])
    assert server.asked[0].path == "/hospital/v1/models/chest%20x/labels/canary:predict"


def test_the_token_is_sent_and_none_without(server):
    for token in ("", "secret"):
        with Client(server.url, token=token) as client:
            client.predict([encode()])
    sent = [each.headers.get("Authorization") for each in server.asked]
    assert sent == [None, "Bearer secret"]


def test_images_that_cannot_be_used_are_told_and_do_not_spoil_the_others(client, server, tmp_path):
    missing, text = tmp_path / "missing.png", tmp_path / "notes.txt"
    text.write_text("no image")
    images = [encode(1), missing, text, b"", encode(2), encode(3)[:-20]]
    outcomes = list(client.predict_each(images))
    assert [type(each) for each in outcomes] == [
        *(Prediction, Failure, Failure, Failure, Prediction, Failure)
    ]
    failures = [each for each in outcomes if isinstance(each, Failure)]
    assert [each.kind for each in failures] == ["image"] * 4
    assert [each.name for each in failures] == [str(missing), str(text), "image 4", "image 6"]
    assert "No such file" in failures[0].reason
    assert "truncated" in failures[3].reason
    assert server.sizes == [2]  # what cannot be used costs no request


@pytest.mark.parametrize("status", [400, 500])
def test_what_the_server_refuses_is_found_by_halving(client, server, status):
    images = [encode(seed) for seed in range(4)]
    server.refused, server.refusal = {images[2]}, status
    outcomes = list(client.predict_each(images))
    assert [type(each) for each in outcomes] == [Prediction, Prediction, Failure, Prediction]
    assert outcomes[2] == Failure(
        "image 3", "refused", f"the server answered {status}: Unable to decode"
    )
    assert server.sizes == [4, 2, 2, 1, 1, 1]  # alone it is asked for twice


def test_an_image_that_was_refused_for_another_clients_is_answered(client, server):
    server.replies = [Reply(400, b'{"error": "Unable to decode"}')]
    assert client.predict([encode()])[0].probability == probability_of(encode())


def test_a_body_that_is_too_large_is_halved(client, server):
    server.max_images = 1
    assert len(client.predict([encode(seed) for seed in range(4)])) == 4


def test_large_images_make_small_batches(client, server, monkeypatch):
    images = [encode(seed) for seed in range(4)]
    monkeypatch.setattr(api, "_MAX_BATCH_BYTES", len(images[0]) + 1)
    client.predict(images)
    assert server.sizes == [2, 2]


def test_predict_raises_and_keeps_what_was_answered(client):
    with pytest.raises(UnansweredError, match="1 of 2 images have no answer, first image 2") as it:
        client.predict([encode(), b"no image"])
    assert [type(each) for each in it.value.outcomes] == [Prediction, Failure]


def test_images_are_read_only_when_their_batch_is_due(client):
    taken = []

    def images():
        for seed in range(100):
            taken.append(seed)
            yield encode(seed)

    outcomes = client.predict_each(images())
    next(outcomes)
    assert len(taken) == 4


def test_a_server_that_is_not_there_ends_it(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    missing = tmp_path / "missing.png"
    with Client(f"http://127.0.0.1:{port}", retry=AT_ONCE, batch_size=1) as client:
        outcomes = list(client.predict_each([encode(1), encode(2), missing]))
    assert [each.kind for each in outcomes] == ["server"] * 3  # `missing` was not looked at
    assert "could not be connected to" in outcomes[0].reason
    assert "(asked 3 times)" in outcomes[0].reason


@pytest.mark.parametrize("status", [301, 401, 403, 404])
def test_errors_that_are_not_of_images_end_it_at_once(client, server, status):
    server.replies = [Reply(status, b'{"error": "Servable not found"}')]
    outcomes = list(client.predict_each([encode(seed) for seed in range(6)]))
    assert {each.kind for each in outcomes} == {"server"}
    assert f"answered {status}: Servable not found" in outcomes[0].reason
    assert len(server.asked) == 1


def test_what_was_answered_before_the_server_went_away_is_kept(client, server):
    gone = Reply(404)
    server.replies = [Reply(413), server.answer([encode(0), encode(1)]), gone]
    outcomes = list(client.predict_each([encode(seed) for seed in range(5)]))
    assert [type(each) for each in outcomes] == [Prediction] * 2 + [Failure] * 3


@pytest.mark.parametrize("environment", ["HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_is_not_asked_for_this_machine(server, monkeypatch, environment):
    monkeypatch.setenv(environment, "http://127.0.0.1:9")
    with Client(server.url, retry=AT_ONCE) as client:
        assert client.predict([encode()])


@pytest.mark.parametrize(
    "url", ["localhost:8501", "ftp://a", "http://", "http://a/?x=1", "http://[", "http://a:b", ""]
)
def test_addresses_of_no_server_are_refused(url):
    with pytest.raises(InputError, match="expected an address"):
        Client(url)


def test_a_password_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(InputError, match="--token-file") as caught:
        Client("http://someone:hidden@example.org")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("arguments", [{"batch_size": 0}, {"timeout_s": 0.0}])
def test_limits_must_be_positive(arguments):
    with pytest.raises(ValueError, match="expected a positive"):
        Client(**arguments)


def test_a_text_is_no_image(client):
    with pytest.raises(TypeError, match=r"got str as image 1.*Path"):
        client.predict(["path.png"])


def test_images_may_be_as_large_as_at_ingestion():
    assert DataSettings().max_image_pixels == images.MAX_IMAGE_PIXELS


def test_larger_images_are_not_decoded(server):
    with Client(server.url, max_image_pixels=10) as client:
        (outcome,) = client.predict_each([encode()])
    assert isinstance(outcome, Failure)
    assert "more than max_image_pixels = 10" in outcome.reason
