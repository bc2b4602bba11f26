"""Asking again: when, how often and after what time."""

from __future__ import annotations

import datetime
import email.utils
import itertools
import time

import pytest

from serving.client import Client, Failure, RetryPolicy
from serving.client.retry import BusyError, parse_retry_after
from tests.serving.client.fake_server import BREAK_OFF, Reply, probability_of, serve
from tests.serving.client.pictures import encode

AT_ONCE = RetryPolicy(num_retries=2, backoff_s=0.01)


@pytest.fixture
def server():
    with serve() as fake:
        yield fake


def pauses_s(server) -> list[float]:
    moments = [each.moment_s for each in server.asked]
    return [later - earlier for earlier, later in itertools.pairwise(moments)]


@pytest.mark.parametrize("status", [429, 502, 503, 504, BREAK_OFF])
def test_a_busy_server_is_asked_again(server, status):
    server.replies = [Reply(status, b"{}")] * 2
    with Client(server.url, retry=AT_ONCE) as client:
        assert client.predict([encode()])[0].probability == probability_of(encode())
    assert len(server.asked) == 3


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_stays_busy_is_left_alone(server, status):
    server.replies = [Reply(status, b'{"error": "queue is full"}')] * 9
    with Client(server.url, retry=AT_ONCE, batch_size=1) as client:
        outcomes = list(client.predict_each([encode(1), encode(2)]))
    assert len(server.asked) == 3
    assert {each.kind for each in outcomes} == {"server"}
    assert f"answered {status}: queue is full (asked 3 times)" in outcomes[0].reason


@pytest.mark.parametrize("status", [429, 503])
def test_the_time_that_the_server_asks_for_is_kept(server, status):
    server.replies = [Reply(status, headers=(("Retry-After", "1"),))]
    with Client(server.url, retry=AT_ONCE) as client:
        client.predict([encode()])
    assert pauses_s(server)[0] >= 1.0


def test_a_server_that_asks_for_too_long_is_not_waited_for(server):
    server.replies = [Reply(503, headers=(("Retry-After", "86400"),))]
    with Client(server.url, retry=AT_ONCE) as client:
        (outcome,) = client.predict_each([encode()])
    assert isinstance(outcome, Failure)
    assert "asks to wait 86400 s" in outcome.reason
    assert len(server.asked) == 1


def test_a_server_that_does_not_answer_in_time_is_asked_again(server):
    server.replies = [Reply(200, b"{}", delay_s=1.0)]
    with Client(server.url, retry=AT_ONCE, timeout_s=0.2) as client:
        assert client.predict([encode()])[0].probability == probability_of(encode())


def test_a_server_that_never_answers_in_time_is_told(server):
    server.replies = [Reply(200, b"{}", delay_s=0.5)] * 3
    with Client(server.url, retry=AT_ONCE, timeout_s=0.1) as client:
        (outcome,) = client.predict_each([encode()])
    assert isinstance(outcome, Failure)
    assert "did not answer in time (asked 3 times)" in outcome.reason


def test_without_retries_it_is_asked_once(server):
    server.replies = [Reply(503)]
    with Client(server.url, retry=RetryPolicy(num_retries=0)) as client:
        (outcome,) = client.predict_each([encode()])
    assert isinstance(outcome, Failure)
    assert outcome.reason.endswith("answered 503: no message (asked once)")


def waits_s(policy: RetryPolicy, *retry_after_s: float | None) -> list[float]:
    """Return the waits of a call that fails so often that it is given up."""
    failures = iter([BusyError("busy", asked_s) for asked_s in retry_after_s])
    waits: list[float] = []

    def fail() -> None:
        raise next(failures)

    with pytest.raises(BusyError):
        policy.retrying(lambda _: None).copy(sleep=waits.append)(fail)
    return waits


@pytest.mark.slow
def test_waits_double_up_to_a_limit_and_differ():
    policy = RetryPolicy(num_retries=2000, backoff_s=1.0)
    rounds = [waits_s(policy, *[None] * 2001) for _ in range(20)]
    for number, longest_s in ((0, 1.0), (1, 2.0), (2, 4.0), (8, 30.0), (1999, 30.0)):
        waits = [each[number] for each in rounds]
        assert longest_s / 2 <= min(waits) < max(waits) <= longest_s


def test_what_the_server_asks_for_is_the_least_wait():
    assert waits_s(RetryPolicy(num_retries=1, backoff_s=1.0), 7.0, None) == [7.0]
    (wait_s,) = waits_s(RetryPolicy(num_retries=1, backoff_s=20.0), 7.0, None)
    assert wait_s >= 10.0


@pytest.mark.parametrize(
    ("header", "expected_s"),
    [
        (None, None),
        ("", None),
        ("5", 5.0),
        (" 0 ", 0.0),
        ("-3", None),
        ("soon", None),
        ("٣", None),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
    ],
)
def test_seconds_are_read(header, expected_s):
    assert parse_retry_after(header) == expected_s


def test_dates_are_read():
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=60)
    assert 50.0 < parse_retry_after(email.utils.format_datetime(later, usegmt=True)) <= 60.0
    assert parse_retry_after(email.utils.formatdate(time.time() - 60.0, usegmt=True)) == 0.0
    unknown_zone = email.utils.format_datetime(later).replace("+0000", "-0000")
    assert 50.0 < parse_retry_after(unknown_zone) <= 60.0
