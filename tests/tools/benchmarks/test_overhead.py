from __future__ import annotations

from pathlib import Path

import pytest

from contract.errors import InputError
from tools.benchmarks.overhead import overhead_of, read_overhead

TIMINGS_S = {
    "Convert": 10.0,
    "Load TFX": 20.0,
    "StatisticsGen": 15.0,
    "Transform": 30.0,
    "Tuner-cnn-deep": 100.0,
    "Trainer-cnn-deep": 200.0,
    "total": 380.0,
}


def test_overhead_is_what_is_not_work_gaps_between_nodes_included() -> None:
    figures = overhead_of(TIMINGS_S, synthetic=False)
    assert figures.overhead_s == 40.0
    assert figures.parts_s == {"Load TFX": 20.0, "StatisticsGen": 15.0, "other": 5.0}
    assert figures.reached()


def test_overhead_past_the_target_is_said() -> None:
    assert not overhead_of(TIMINGS_S | {"total": 430.0}, synthetic=False).reached()


def test_missing_summary_is_the_users_to_fix(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"summary\.json: expected a run's summary"):
        read_overhead(tmp_path / "summary.json")
