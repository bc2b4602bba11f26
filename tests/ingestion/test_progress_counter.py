from __future__ import annotations

import logging
import threading

import pytest

from contract.progress import LOGGER_NAME
from ingestion.progress_counter import ProgressCounter, count_one


@pytest.fixture
def told(caplog):
    caplog.set_level(logging.INFO, LOGGER_NAME)
    return lambda: [(record.progress.done, record.progress.total) for record in caplog.records]


def test_every_image_of_a_few_is_told(told):
    with ProgressCounter("x", 3):
        for _ in range(3):
            count_one("x")
    assert told() == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_many_images_are_told_by_the_percent(told):
    with ProgressCounter("x", 10_000):
        for _ in range(10_000):
            count_one("x")
    assert told()[-1] == (10_000, 10_000)
    assert 100 <= len(told()) < 200


def test_all_threads_count_together(told):
    def work():
        for _ in range(500):
            count_one("x")

    with ProgressCounter("x", 2000):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert told()[-1] == (2000, 2000)
    assert told() == sorted(told())


def test_end_is_told_even_where_nobody_counted(told):
    count_one("nobody")
    with ProgressCounter("x", 5):
        pass
    assert told() == [(0, 5), (5, 5)]


def test_failure_is_not_told_as_an_end(told):
    with pytest.raises(RuntimeError, match="worker"), ProgressCounter("x", 5):
        raise RuntimeError("worker")
    assert told() == [(0, 5)]
