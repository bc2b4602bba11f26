"""Serving's figures as a table."""

from __future__ import annotations

import statistics

from rich import box
from rich.table import Table

from benchmarks.record import Spread
from benchmarks.serving_figures import OverloadFigures, ServingFigures


def serving_table(figures: ServingFigures) -> Table:
    """Return a row for each target."""
    table = Table(title="Serving: median of the rounds (lowest-highest)", box=box.SIMPLE_HEAD)
    for column in ("what", "measured", "target", "reached"):
        table.add_column(column, justify="left" if column == "what" else "right")
    ratio, tail = figures.ratio(), figures.tail()
    speeds = [figures.images_per_s(side) for side in (figures.ours_s, figures.bare_s)]
    table.add_row("images/s: clients, direct", f"{speeds[0]:,.0f}, {speeds[1]:,.0f}", "", "")
    table.add_row(
        "ratio",
        _spread_text(ratio),
        f">= {figures.target:.1f}",
        _verdict(ratio.median >= figures.target),
    )
    waits = (statistics.median(figures.p50_s), statistics.median(figures.p99_s))
    table.add_row("p50, p99", f"{waits[0] * 1000:,.0f}, {waits[1] * 1000:,.0f} ms", "", "")
    table.add_row(
        "p99 / p50",
        _spread_text(tail),
        f"< {figures.target_tail:.0f}",
        _verdict(tail.median < figures.target_tail),
    )
    table.add_row(
        "overload",
        _statuses_text(figures.overload.statuses),
        "200, 429, 503",
        _verdict(figures.overload.is_answered()),
    )
    overload = figures.overload
    memory = (overload.before_mb, overload.halfway_mb, overload.after_mb)
    table.add_row(
        "server's MB",
        ", ".join(f"{each:,.0f}" for each in memory),
        "flat from halfway on",
        _verdict(overload.is_flat()),
    )
    table.add_row(
        f"{figures.switch.num_switches} changes of version",
        _statuses_text(figures.switch.statuses),
        "200",
        _verdict(figures.switch.reached()),
    )
    return table


def serving_notes(figures: ServingFigures) -> list[str]:
    """Say what was measured."""
    return [
        f"serving, {figures.num_images:,} images, model: {figures.model}",
        f"  ours: the embedded server, {figures.num_clients} clients in a third process, "
        "one image a request",
        "  bare: the same SavedModel called in the benchmark's process, 32 images a call",
        f"  {_overload_note(figures.overload)}",
        "  server's MB: resident before the overload, halfway and after it",
    ]


def _overload_note(overload: OverloadFigures) -> str:
    times = overload.sent_per_s * overload.images_per_request / overload.capacity_per_s
    return (
        f"overload: {overload.due_per_s:,.0f} requests of {overload.images_per_request} images due "
        f"a second for {overload.seconds:.0f} s, "
        f"{overload.sent_per_s:,.0f} sent, {times:.1f} times the capacity; "
        f"{overload.num_unsent:,} found no free connection; "
        f"slowest answer {overload.slowest_s:.1f} s"
    )


def _statuses_text(statuses: dict[int, int]) -> str:
    return ", ".join(f"{status or 'none'}: {count:,}" for status, count in statuses.items())


def _spread_text(values: Spread) -> str:
    return f"{values.median:.2f} ({values.low:.2f}-{values.high:.2f})"


def _verdict(reached: bool) -> str:
    return "[green]yes[/]" if reached else "[red]no[/]"
