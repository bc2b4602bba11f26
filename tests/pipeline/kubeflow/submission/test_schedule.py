"""Cron texts as KFP's scheduler reads them."""

from __future__ import annotations

import pytest

from contract.errors import InputError
from pipeline.kubeflow.submission.schedule import parse_cron
from tests.pipeline.kubeflow.submission.conftest import Submit
from tests.pipeline.kubeflow.submission.fake_kfp_api import Failure, FakeKfp


@pytest.mark.parametrize(
    ("text", "cron"),
    [
        ("0 3 * * 0", "0 0 3 * * 0"),
        ("30 0 3 * * SUN", "30 0 3 * * SUN"),
        ("*/10 * * * *", "0 */10 * * * *"),
        ("  0   3 * * 0 ", "0 0 3 * * 0"),
    ],
)
def test_five_fields_get_seconds(text: str, cron: str) -> None:
    assert parse_cron(text) == cron


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "got 0"), ("@daily", "got 1"), ("0 3 * *", "got 4"), ("0 0 3 * * 0 2026", "got 7")],
)
def test_another_number_of_fields_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_cron(text)
    assert words in str(caught.value)
    assert "How to fix" in str(caught.value)


def test_what_kfp_refuses_is_told_in_its_words(submit: Submit, fake: FakeKfp) -> None:
    # `toModelJob` in backend/src/apiserver/server/api_converter.go of kubeflow/pipelines.
    message = "Schedule cron is not a supported format. Error: End of range (60) above maximum (59)"
    fake.failures = [Failure("/recurringruns", 400, f'{{"message": "{message}"}}')]
    code, _, errors = submit("--recurring", "60 3 * * *")
    assert code == 2
    assert message in errors
