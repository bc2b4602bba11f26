"""What a model decides, counted from its own verdicts."""

import pytest

from evaluation.coverage import coverage_of_verdicts
from evaluation.intervals import wilson_interval

LABELS = [1, 1, 1, 0, 0]
VERDICTS = ["pneumonia", "normal", "refer", "refer", "normal"]


def test_verdicts_are_counted_by_reason_and_the_decided_are_judged() -> None:
    found = coverage_of_verdicts(LABELS, VERDICTS, [False, False, True, False, False])
    assert (found.n, found.num_unfamiliar, found.num_uncertain) == (5, 1, 1)
    assert (found.decided.tp, found.decided.fn, found.decided.tn, found.decided.fp) == (1, 1, 1, 0)
    assert found.share.value == pytest.approx(3 / 5)
    assert found.referred.value == pytest.approx(2 / 5)
    assert (found.referred.low, found.referred.high) == wilson_interval(2, 5)
    assert found.unfamiliar is not None
    assert found.unfamiliar.value == pytest.approx(1 / 5)


def test_reasons_are_unknown_where_the_model_does_not_give_them() -> None:
    found = coverage_of_verdicts(LABELS, VERDICTS, None)
    assert (found.num_unfamiliar, found.num_uncertain, found.unfamiliar) == (None, None, None)
    assert found.referred.value == pytest.approx(2 / 5)
