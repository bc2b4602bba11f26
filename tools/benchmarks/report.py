"""Show measurements as tables, and write them as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from tools.benchmarks.command_figures import EmulationFigures, TaskFigures
from tools.benchmarks.figures import (
    CandidateFigures,
    Measurement,
    OverheadFigures,
    PairedFigures,
    Pairs,
    WorkerFigures,
)
from tools.benchmarks.kubeflow_table import KubeflowFigures, kubeflow_notes, kubeflow_table
from tools.benchmarks.record import Spread
from tools.benchmarks.serving_figures import ServingFigures
from tools.benchmarks.serving_table import loads_table, serving_notes, serving_table

_LARGEST_PARTS = 5


def print_report(console: Console, measurements: Sequence[Measurement]) -> None:
    """Print the closing tables: ratios with a target, candidates, and the rest."""
    # Narrow enough for a terminal of 80 columns.
    title = "Images per second, and their ratio: median of the pairs (lowest-highest)"
    table = Table(title=title, box=box.SIMPLE_HEAD)
    for column in ("benchmark", "ours", "bare", "ratio", "target", "reached", "peak MB"):
        table.add_column(column, justify="left" if column == "benchmark" else "right", no_wrap=True)
    notes: list[str] = []
    for measurement in measurements:
        figures = measurement.figures
        memory = measurement.peak_memory_mb
        memory_text = f"{memory:,.0f}" if memory else "-"
        if isinstance(figures, PairedFigures):
            table.add_row(*_paired_cells(figures), memory_text)
            notes.append(f"{figures.name}, {figures.num_images:,} images")
            notes += [f"  ours: {figures.ours}", f"  bare: {figures.bare}"]
        elif isinstance(figures, OverheadFigures):
            table.add_row(*_overhead_cells(figures), memory_text)
            notes += _overhead_notes(figures)
    if table.row_count:
        console.print(table)
    _print_notes(console, notes)
    every = [measurement.figures for measurement in measurements]
    candidates = [figures for figures in every if isinstance(figures, CandidateFigures)]
    if candidates:
        console.print(_candidate_table(candidates))
        _print_notes(console, _candidate_notes(candidates))
    for figures in every:
        if isinstance(figures, WorkerFigures):
            console.print(_worker_table(figures))
    kubeflow = [figures for figures in every if isinstance(figures, KubeflowFigures)]
    if kubeflow:
        console.print(kubeflow_table(kubeflow))
        _print_notes(console, kubeflow_notes(kubeflow))
    for figures in every:
        if isinstance(figures, ServingFigures):
            console.print(loads_table(figures.loads))
            console.print(serving_table(figures))
            _print_notes(console, serving_notes(figures))


def write_json(path: Path, data: str, measurements: Sequence[Measurement]) -> None:
    """Write all seconds and the ratios that follow from them.

    Args:
        path: The file.
        data: What was measured on, for people.
        measurements: What to write.

    Raises:
        OSError: The file cannot be written.
    """
    results = []
    for measurement in measurements:
        result = measurement.model_dump()
        figures = measurement.figures
        if isinstance(figures, Pairs):
            result["ratio"] = figures.ratio().model_dump()
        if isinstance(figures, TaskFigures):
            result["extra_clock_s"] = figures.extra_clock_s().model_dump()
            result["extra_processor_s"] = figures.extra_processor_s().model_dump()
        if isinstance(figures, EmulationFigures):
            result["clock_ratio"] = figures.clock_ratio().model_dump()
            result["processor_ratio"] = figures.processor_ratio().model_dump()
        if isinstance(figures, ServingFigures):
            for load, written in zip(figures.loads, result["figures"]["loads"], strict=True):
                written["ratio"] = load.ratio().model_dump()
                written["processor_ratio"] = load.processor_ratio().model_dump()
                written["tail"] = load.tail().model_dump()
        if isinstance(figures, PairedFigures | OverheadFigures | KubeflowFigures | ServingFigures):
            result["reached"] = figures.reached()
        results.append(result)
    text = json.dumps({"data": data, "results": results}, indent=2, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _print_notes(console: Console, notes: Sequence[str]) -> None:
    for note in notes:
        console.print(note, highlight=False, soft_wrap=True, markup=False)


def _paired_cells(figures: PairedFigures) -> tuple[str, ...]:
    return (
        figures.name,
        f"{figures.images_per_s(figures.ours_s):,.0f}",
        f"{figures.images_per_s(figures.bare_s):,.0f}",
        _ratio_text(figures.ratio()),
        f">= {figures.target:.1f}",
        _verdict(figures.reached()),
    )


def _overhead_cells(figures: OverheadFigures) -> tuple[str, ...]:
    return (
        figures.name,
        f"{figures.overhead_s:.1f} s",
        "-",
        "-",
        f"< {figures.target_s:.0f} s",
        _verdict(figures.reached()),
    )


def _overhead_notes(figures: OverheadFigures) -> list[str]:
    largest = sorted(figures.parts_s.items(), key=lambda part: -part[1])[:_LARGEST_PARTS]
    images = "drawn images, the target is for real ones" if figures.synthetic else "real images"
    return [
        f"overhead, of a run of {figures.total_s:,.0f} s on {images}",
        "  most: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in largest),
    ]


def _candidate_table(candidates: Sequence[CandidateFigures]) -> Table:
    title = "Training, images per second, and their ratio: median of the pairs (lowest-highest)"
    table = Table(title=title, box=box.SIMPLE_HEAD)
    table.add_column("architecture")
    for column in ("parameters", "ours", "bare", "ratio", "peak MB"):
        table.add_column(column, justify="right", no_wrap=True)
    for figures in candidates:
        table.add_row(
            figures.case,
            f"{figures.num_parameters:,}",
            f"{figures.images_per_s(figures.ours_s):,.0f}",
            f"{figures.images_per_s(figures.bare_s):,.0f}",
            _ratio_text(figures.ratio()),
            f"{figures.ours_peak_mb:,.0f}",
        )
    return table


def _candidate_notes(candidates: Sequence[CandidateFigures]) -> list[str]:
    """Say what was measured, once for all that were measured alike."""
    cases: dict[tuple[str, str], list[str]] = {}
    for figures in candidates:
        names = cases.setdefault((figures.ours, figures.bare), [])
        names.append(f"{figures.case} ({figures.num_images:,})")
    notes = []
    for (ours, bare), names in cases.items():
        notes += [f"{', '.join(names)} images", f"  ours: {ours}", f"  bare: {bare}"]
    return notes


def _worker_table(figures: WorkerFigures) -> Table:
    modes = list(next(iter(figures.seconds.values())))
    title = f"{figures.num_images:,} images: least time, and speed by that of `{modes[0]}`"
    table = Table(title=title, box=box.SIMPLE_HEAD)
    table.add_column("stage")
    for mode in modes:
        table.add_column(mode, justify="right")
    for stage, by_mode in figures.seconds.items():
        cells = [
            f"{min(by_mode[mode]):.1f} s\n{_ratio_text(figures.ratio(stage, mode))}"
            for mode in modes
        ]
        table.add_row(stage, *cells)
    return table


def _ratio_text(ratio: Spread) -> str:
    return f"{ratio.median:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"


def _verdict(reached: bool) -> str:
    return "[green]yes[/]" if reached else "[red]no[/]"
