from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from tools.benchmarks.command_figures import (
    CommandSeconds,
    CompilationFigures,
    EmulationFigures,
    TaskFigures,
)
from tools.benchmarks.figures import Measurement
from tools.benchmarks.report import print_report, write_json

COMPILATION = CompilationFigures(
    config="study",
    num_candidates=17,
    seconds=CommandSeconds(clock_s=(14.0, 16.0, 18.0), processor_s=(8.0, 8.5, 9.0)),
    size_kib=300.4,
)
TASK = TaskFigures(
    node="ImportSchemaGen",
    ours="one attempt",
    bare="an import",
    ours_seconds=CommandSeconds(clock_s=(9.0, 9.5, 20.0), processor_s=(8.5, 8.5, 8.5)),
    bare_seconds=CommandSeconds(clock_s=(19.5, 9.25, 9.0), processor_s=(8.75, 8.75, 8.75)),
)
EMULATION = EmulationFigures(
    config="synthetic",
    ours="emulated",
    bare="local",
    ours_seconds=CommandSeconds(clock_s=(160.0, 200.0), processor_s=(240.0, 240.0)),
    bare_seconds=CommandSeconds(clock_s=(100.0, 100.0), processor_s=(200.0, 200.0)),
)
MEASUREMENTS = [Measurement(figures=it) for it in (COMPILATION, TASK, EMULATION)]


def shown() -> list[str]:
    output = io.StringIO()
    print_report(Console(file=output, width=80), MEASUREMENTS)
    return output.getvalue().splitlines()


def test_every_target_has_a_row_with_its_verdict() -> None:
    lines = [" ".join(line.split()) for line in shown()]
    assert "compile study 16.0 s (14.0-18.0) 8.5 s < 15 s no" in lines
    assert "file, 17 candidates 300 KiB - < 512 KiB yes" in lines
    assert "task beyond TFX 0.2 s (-10.5 to 11.0) -0.2 s < 1 s yes" in lines
    assert "emulated/local run 1.80 (1.60-2.00) 1.20 <= 1.5 no" in lines
    assert "what by the clock CPU target reached" in lines
    assert not [line for line in lines if "…" in line]


def test_the_sides_of_pairs_are_explained_with_what_each_took() -> None:
    lines = shown()
    assert "task ImportSchemaGen beyond TFX, pairs: 3" in lines
    assert "  bare, 9.2 s, 8.8 s of a processor: an import" in lines
    assert "emulated/local run, configuration synthetic, pairs: 2" in lines
    assert "  ours, 180.0 s, 240.0 s of a processor: emulated" in lines


def test_json_holds_seconds_what_follows_from_them_and_whether_it_is_enough(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bench.json"
    write_json(path, "drawn", MEASUREMENTS)
    compilation, task, emulation = json.loads(path.read_text(encoding="utf-8"))["results"]
    assert compilation["figures"]["seconds"]["processor_s"] == [8.0, 8.5, 9.0]
    assert task["extra_clock_s"] == {"median": 0.25, "low": -10.5, "high": 11.0}
    assert task["extra_processor_s"]["median"] == -0.25
    assert emulation["clock_ratio"] == {"median": 1.8, "low": 1.6, "high": 2.0}
    assert emulation["processor_ratio"]["median"] == 1.2
    verdicts = [result["reached"] for result in (compilation, task, emulation)]
    assert verdicts == [False, True, False]


def test_figures_come_back_from_the_process_that_measured() -> None:
    for measurement in MEASUREMENTS:
        assert Measurement.model_validate_json(measurement.model_dump_json()) == measurement
