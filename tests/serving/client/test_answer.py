"""What servers say, read strictly and repeated sparingly."""

from __future__ import annotations

import base64
import json
from typing import get_args

import pytest

from contract import features
from serving.client.answer import _Row, error_message, read_predictions, request_body
from serving.client.images import ReadyImage
from serving.client.outcomes import Prediction, ServerUnavailableError
from tests.serving.client.fake_server import images_in

ROW = {"probability": 0.25, "label": "normal", "threshold": 0.4}
REFERRAL = {"decision": "refer", "familiarity": 0.5, "familiarity_threshold": 0.01}
IMAGE = ReadyImage("a", b"\xff\xd8\xff")


def answer(**row: object) -> bytes:
    return json.dumps({"predictions": [row]}).encode()


def test_the_body_is_in_row_form():
    assert images_in(request_body([IMAGE, ReadyImage("b", b"\x00")])) == [b"\xff\xd8\xff", b"\x00"]


def test_further_outputs_do_not_matter():
    body = json.dumps({"predictions": [{**ROW, "called_pneumonia": 0.0}], "more": 1}).encode()
    assert read_predictions(body, [IMAGE]) == [Prediction("a", 0.25, "normal", 0.4, "normal")]


def test_labels_and_decisions_are_the_models():
    assert get_args(_Row.model_fields["label"].annotation) == features.LABELS
    decision, _ = get_args(_Row.model_fields["decision"].annotation)  # or None
    assert set(get_args(decision)) == {*features.LABELS, features.REFER}


@pytest.mark.parametrize(
    ("referral", "reason"),
    [
        ({"decision": "normal"}, None),
        ({"decision": "refer"}, "uncertain_score"),
        ({"decision": "refer", "familiarity": 0.001}, "unfamiliar_image"),
    ],
)
def test_a_referred_case_has_a_reason(referral, reason):
    (told,) = read_predictions(answer(**{**ROW, **REFERRAL, **referral}), [IMAGE])
    assert (told.decision, told.refer_reason) == (referral["decision"], reason)
    assert told.familiarity == referral.get("familiarity", 0.5)
    assert told.familiarity_threshold == 0.01


def test_a_model_that_refers_nobody_decides_by_its_label():
    (told,) = read_predictions(answer(**{**ROW, "probability": 0.9, "label": "pneumonia"}), [IMAGE])
    assert told == Prediction("a", 0.9, "pneumonia", 0.4, "pneumonia", None, None)
    assert told.refer_reason is None


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html>", "the body"),
        (b"[]", "the body"),
        (b'{"outputs": []}', "at predictions: Field required"),
        (b'{"predictions": [0.5]}', r"at predictions\.0"),
        (json.dumps({"predictions": [{**ROW, "probability": 1.5}]}).encode(), "probability"),
        (json.dumps({"predictions": [{**ROW, "probability": "0.5"}]}).encode(), "probability"),
        (json.dumps({"predictions": [{**ROW, "probability": float("nan")}]}).encode(), "probab"),
        (json.dumps({"predictions": [{**ROW, "label": "cat"}]}).encode(), "label"),
        (json.dumps({"predictions": [{**ROW, "threshold": None}]}).encode(), "threshold"),
        (answer(**{**ROW, **REFERRAL, "decision": "unknown"}), "decision"),
        (answer(**{**ROW, **REFERRAL, "decision": 0.0}), "decision"),
        (answer(**{**ROW, **REFERRAL, "decision": "pneumonia"}), "the label normal or refer"),
        (answer(**{**ROW, **REFERRAL, "decision": None}), "expected all of decision"),
        (answer(**ROW, decision="normal"), r"got \['decision'\]"),
        (answer(**{**ROW, **REFERRAL, "familiarity": 0.0}), "familiarity"),
        (answer(**{**ROW, **REFERRAL, "familiarity": "0.5"}), "familiarity"),
        (answer(**{**ROW, **REFERRAL, "familiarity_threshold": -0.1}), "familiarity_threshold"),
        (
            answer(**{**ROW, **REFERRAL, "decision": "normal", "familiarity": 0.001}),
            "refer for an unfamiliar image, got normal",
        ),
        (json.dumps({"predictions": []}).encode(), "expected 1 predictions, got 0"),
        (json.dumps({"predictions": [ROW, ROW]}).encode(), "expected 1 predictions, got 2"),
    ],
)
def test_answers_of_something_else_are_told(body, told):
    with pytest.raises(ServerUnavailableError, match=told):
        read_predictions(body, [IMAGE])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": "Servable\\n not found"}', "Servable not found"),
        (b"<html><h1>502 Bad Gateway</h1></html>", "502 Bad Gateway"),
        (b'{"error": 5}', '{"error": 5}'),
        (b"", "no message"),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_errors_become_one_line(body, message):
    assert error_message(body) == message


def test_errors_repeat_no_image():
    image = base64.b64encode(bytes(range(256)) * 20).decode()
    quoted = json.dumps({"error": f'JSON Value: {{"b64": "{image}"}} is not of type: float'})
    assert error_message(quoted.encode()) == 'JSON Value: {"b64": "..."} is not of type: float'


def test_errors_are_short():
    assert len(error_message(json.dumps({"error": "no " * 1000}).encode())) < 320
