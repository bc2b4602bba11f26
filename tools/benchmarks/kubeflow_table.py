"""The table of what Kubeflow costs, and the lines that explain it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from rich import box
from rich.table import Table

from tools.benchmarks.command_figures import (
    CommandSeconds,
    CompilationFigures,
    EmulationFigures,
    TaskFigures,
)
from tools.benchmarks.record import Spread, spread

KubeflowFigures = CompilationFigures | TaskFigures | EmulationFigures


def kubeflow_table(every: Sequence[KubeflowFigures]) -> Table:
    """Return a row for each target."""
    # Narrow enough for a terminal of 80 columns.
    title = "Kubeflow: medians (lowest-highest); the clock decides on the target"
    table = Table(title=title, box=box.SIMPLE_HEAD)
    table.add_column("what", no_wrap=True)
    for column in ("by the clock", "CPU", "target", "reached"):
        table.add_column(column, justify="right", no_wrap=True)
    for figures in every:
        for *cells, reached in _rows(figures):
            table.add_row(*cells, "[green]yes[/]" if reached else "[red]no[/]")
    return table


def kubeflow_notes(every: Sequence[KubeflowFigures]) -> list[str]:
    """Say what the two sides of pairs are, and what each took."""
    notes = []
    for figures in every:
        if isinstance(figures, CompilationFigures):
            continue
        what = (
            f"task {figures.node} beyond TFX"
            if isinstance(figures, TaskFigures)
            else f"emulated/local run, configuration {figures.config}"
        )
        notes += [
            f"{what}, pairs: {len(figures.ours_seconds.clock_s)}",
            f"  ours, {_medians(figures.ours_seconds)}: {figures.ours}",
            f"  bare, {_medians(figures.bare_seconds)}: {figures.bare}",
        ]
    return notes


def _rows(figures: KubeflowFigures) -> list[tuple[str, str, str, str, bool]]:
    if isinstance(figures, CompilationFigures):
        by_the_clock = spread(list(figures.seconds.clock_s))
        return [
            (
                f"compile {figures.config}",
                f"{by_the_clock.median:.1f} s ({by_the_clock.low:.1f}-{by_the_clock.high:.1f})",
                f"{statistics.median(figures.seconds.processor_s):.1f} s",
                f"< {figures.target_s:.0f} s",
                figures.is_fast(),
            ),
            (
                f"  file, {figures.num_candidates} candidates",
                f"{figures.size_kib:.0f} KiB",
                "-",
                f"< {figures.target_kib:.0f} KiB",
                figures.is_small(),
            ),
        ]
    if isinstance(figures, TaskFigures):
        extra = figures.extra_clock_s()
        return [
            (
                "task beyond TFX",
                f"{extra.median:.1f} s ({extra.low:.1f} to {extra.high:.1f})",
                f"{figures.extra_processor_s().median:.1f} s",
                f"< {figures.target_s:.0f} s",
                figures.reached(),
            )
        ]
    return [
        (
            "emulated/local run",
            _ratio_text(figures.clock_ratio()),
            f"{figures.processor_ratio().median:.2f}",
            f"<= {figures.target:.1f}",
            figures.reached(),
        )
    ]


def _medians(seconds: CommandSeconds) -> str:
    by_the_clock = statistics.median(seconds.clock_s)
    return f"{by_the_clock:.1f} s, {statistics.median(seconds.processor_s):.1f} s of a processor"


def _ratio_text(ratio: Spread) -> str:
    return f"{ratio.median:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"
