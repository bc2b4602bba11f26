"""What a run spent outside its real work, from its `summary.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from contract.errors import InputError
from pipeline.summary import TOTAL, read_summary
from tools.benchmarks.figures import OverheadFigures

# The work itself, by the begin of its name; the rest is the pipeline's own.
_WORK = ("Convert", "Transform", "Tuner", "Trainer")


def read_overhead(summary_file: Path) -> OverheadFigures:
    """Read the overhead of a finished run.

    Args:
        summary_file: `OUTPUT/summary.json`.

    Raises:
        InputError: It cannot be read, or is not a summary.
    """
    summary = read_summary(summary_file)
    if not summary.timings_s:
        raise InputError(
            f"{summary_file}: expected the summary of a run on one machine, got one without "
            "timings, as runs on a cluster write it. How to fix: give OUTPUT/summary.json of "
            "local_runner.py."
        )
    return overhead_of(summary.timings_s, bool(summary.synthetic))


def overhead_of(timings_s: Mapping[str, float], synthetic: bool) -> OverheadFigures:
    """Sum up what is not work.

    Args:
        timings_s: As in the summary, with its `total`.
        synthetic: Whether the run's images were drawn.
    """
    total_s = timings_s[TOTAL]
    work_s = sum(seconds for name, seconds in timings_s.items() if name.startswith(_WORK))
    overhead_s = max(0.0, total_s - work_s)
    parts_s = {
        name: seconds
        for name, seconds in timings_s.items()
        if name != TOTAL and not name.startswith(_WORK)
    }
    parts_s["other"] = max(0.0, overhead_s - sum(parts_s.values()))
    return OverheadFigures(
        synthetic=synthetic, overhead_s=overhead_s, total_s=total_s, parts_s=parts_s
    )
