"""Cron texts as KFP's scheduler reads them."""

from __future__ import annotations

import pytest

from contract.errors import InputError
from pipeline.kubeflow.submission.schedule import describe_cron, parse_cron


@pytest.mark.parametrize(
    ("text", "cron", "words"),
    [
        ("0 3 * * 0", "0 0 3 * * 0", "at 03:00:00 on SUN"),
        ("30 0 3 * * SUN", "30 0 3 * * SUN", "at 03:00:30 on SUN"),
        ("15 4 * * *", "0 15 4 * * *", "at 04:15:00 every day"),
        ("0 9 ? * 1-5", "0 0 9 ? * 1-5", "at 09:00:00 on MON-FRI"),
        ("0 3 1,15 * ?", "0 0 3 1,15 * ?", "at 03:00:00 on day 1,15"),
        ("0 3 1 1,jul *", "0 0 3 1 1,jul *", "at 03:00:00 on day 1 in JAN,jul"),
        (
            "*/10 * * * *",
            "0 */10 * * * *",
            "at second 0, minute */10, every hour every day",
        ),
        ("0 3 * 1-12/3 *", "0 0 3 * 1-12/3 *", "at 03:00:00 in JAN-DEC/3"),
        ("  0   3 * * 0 ", "0 0 3 * * 0", "at 03:00:00 on SUN"),
    ],
)
def test_five_fields_get_seconds_and_both_are_told_in_words(
    text: str, cron: str, words: str
) -> None:
    assert parse_cron(text) == cron
    assert describe_cron(cron) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "got 0"),
        ("@daily", "got 1"),
        ("0 3 * *", "got 4"),
        ("0 0 3 * * 0 2026", "got 7"),
        ("60 3 * * *", "minute"),
        ("0 24 * * *", "hour"),
        ("0 3 0 * *", "day of the month"),
        ("0 3 * 13 *", "month"),
        ("0 3 * * 7", "day of the week a number from 0 to 6 or SUN to SAT"),
        ("0 3 * * MOON", "day of the week"),
        ("0 9-3 * * *", "hour"),
        ("*/0 3 * * *", "minute"),
        ("0 3, * * *", "hour"),
        ("-1 3 * * *", "minute"),
        ("\u0663 3 * * *", "minute"),
    ],
)
def test_another_text_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_cron(text)
    assert words in str(caught.value)
    assert "How to fix" in str(caught.value)
