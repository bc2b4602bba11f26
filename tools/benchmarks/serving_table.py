"""Serving's figures as a table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from rich import box
from rich.table import Table

from tools.benchmarks.record import Spread
from tools.benchmarks.serving_figures import LoadFigures, OverloadFigures, ServingFigures


def loads_table(loads: Sequence[LoadFigures]) -> Table:
    """Return a row for each size of images and each number of clients."""
    title = "Serving, images per second and their ratio: median of the rounds, lowest-highest"
    table = Table(title=title, box=box.SIMPLE_HEAD)
    # Narrow enough for a terminal of 80 columns.
    for column in ("px, clients", "ours, bare", "ratio", "processor", "p50, p99 ms", "ok"):
        table.add_column(column, justify="right", no_wrap=True)
    for load in loads:
        speeds = [load.images_per_s(side) for side in (load.ours_s, load.bare_s)]
        waits_ms = [1000 * statistics.median(waits) for waits in (load.p50_s, load.p99_s)]
        targets = (load.target, load.target_processor, load.target_tail)
        has_target = any(target is not None for target in targets)
        table.add_row(
            f"{load.side_px}, {load.num_clients}",
            f"{speeds[0]:,.0f}, {speeds[1]:,.0f}",
            _ratio_cell(load.ratio(), load.target),
            _ratio_cell(load.processor_ratio(), load.target_processor),
            f"{waits_ms[0]:,.0f}, {waits_ms[1]:,.0f}"
            + ("" if load.target_tail is None else f"\np99 < {load.target_tail:.0f} p50"),
            _verdict(load.reached()) if has_target else "",
        )
    return table


def _ratio_cell(ratio: Spread, target: float | None) -> str:
    bound = "" if target is None else f" >= {target:.1f}"
    return f"{ratio.median:.2f}{bound}\n{ratio.low:.2f}-{ratio.high:.2f}"


def serving_table(figures: ServingFigures) -> Table:
    """Return a row for each target beside those of the loads."""
    table = Table(title="Serving under more than it can do", box=box.SIMPLE_HEAD)
    for column in ("what", "measured", "target", "reached"):
        table.add_column(column, justify="left" if column == "what" else "right")
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
        f"serving, {'; '.join(_images_texts(figures.loads))}; model: {figures.model}",
        "  ours: the embedded server, clients in a third process, one image a request",
        "  bare: the same SavedModel called in the benchmark's process, "
        "as many images a call as there are clients",
        "  processor: the same ratio of the seconds that the server, without its clients, and "
        "the direct calls kept cores busy",
        f"  {_overload_note(figures.overload)}",
        "  server's MB: resident before the overload, halfway and after it",
    ]


def _images_texts(loads: Sequence[LoadFigures]) -> list[str]:
    sizes = dict.fromkeys((load.num_images, load.side_px) for load in loads)
    return [f"rounds of {number:,} images of {side_px} px" for number, side_px in sizes]


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


def _verdict(reached: bool) -> str:
    return "[green]yes[/]" if reached else "[red]no[/]"
