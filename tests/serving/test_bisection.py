from __future__ import annotations

from collections.abc import Sequence

import pytest

from serving.bisection import answer_each, answer_in_batches


class RefusedError(Exception):
    pass


class Doubler:
    """Doubles numbers; refuses a batch that holds a bad one."""

    def __init__(self, bad: set[int]) -> None:
        self.bad = bad
        self.sizes: list[int] = []

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.sizes.append(len(items))
        if self.bad & set(items):
            raise RefusedError(f"{sorted(self.bad & set(items))}")
        return [2 * item for item in items]


@pytest.mark.parametrize("bad", [set(), {0}, {12}, {3, 4}, set(range(13))])
def test_good_items_are_answered_in_order_and_bad_ones_alone_are_refused(bad: set[int]) -> None:
    outcomes = list(answer_each(range(13), Doubler(bad), RefusedError))
    assert len(outcomes) == 13
    for item, outcome in enumerate(outcomes):
        if item in bad:
            assert isinstance(outcome, RefusedError)
            assert str(outcome) == f"[{item}]"
        else:
            assert outcome == 2 * item


def test_without_bad_items_it_asks_once_and_one_bad_item_costs_few_requests() -> None:
    good, one_bad = Doubler(set()), Doubler({5})
    list(answer_each(range(64), good, RefusedError))
    assert good.sizes == [64]
    list(answer_each(range(64), one_bad, RefusedError))
    assert len(one_bad.sizes) == 13  # twice the halvings, and the first


def test_the_first_bad_item_is_found_without_asking_for_those_behind_it() -> None:
    doubler = Doubler(set(range(128)))
    first = next(answer_each(range(128), doubler, RefusedError))
    assert str(first) == "[0]"
    assert doubler.sizes == [128, 64, 32, 16, 8, 4, 2, 1]


def test_nothing_is_asked_about_no_items() -> None:
    doubler = Doubler(set())
    assert list(answer_each([], doubler, RefusedError)) == []
    assert doubler.sizes == []


def test_another_exception_leaves_the_outcomes_before_it() -> None:
    def answer(items: Sequence[int]) -> list[int]:
        if items[0] >= 2:
            raise ConnectionError("gone")
        if len(items) > 1:
            raise RefusedError
        return list(items)

    outcomes = answer_each(range(4), answer, RefusedError)
    assert [next(outcomes), next(outcomes)] == [0, 1]
    with pytest.raises(ConnectionError):
        next(outcomes)


def test_batches_are_answered_one_after_the_other_and_bad_items_stay_in_their_place() -> None:
    doubler = Doubler({4})
    outcomes = list(answer_in_batches(range(7), doubler, RefusedError, 3))
    assert [None if isinstance(each, RefusedError) else each for each in outcomes] == [
        0, 2, 4, 6, None, 10, 12,
    ]  # fmt: skip
    assert doubler.sizes == [3, 3, 1, 2, 1, 1, 1]
