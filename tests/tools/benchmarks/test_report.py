from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from tools.benchmarks.figures import CandidateFigures, Measurement, PairedFigures, WorkerFigures
from tools.benchmarks.overhead import overhead_of
from tools.benchmarks.report import print_report, write_json

SLOW = PairedFigures(
    name="conversion",
    ours="convert()",
    bare="a loop",
    num_images=1000,
    ours_s=(2.0, 2.0, 2.5),
    bare_s=(1.0, 1.2, 1.0),
    target=0.8,
)
OVERHEAD = overhead_of({"Load TFX": 20.0, "Transform": 30.0, "total": 52.0}, synthetic=True)
WORKERS = WorkerFigures(num_images=7, seconds={"Convert": {"one": (3.0,), "two": (2.0,)}})
CANDIDATE = CandidateFigures(
    case="convnext_tiny",
    ours="fit_network()",
    bare="fit()",
    num_images=30,
    num_parameters=27_820_897,
    ours_s=(3.0, 2.0),
    bare_s=(1.5, 1.5),
    ours_peak_mb=1823.6,
)
LIKE_IT = CANDIDATE.model_copy(update={"case": "xception_deep with a long name"})
MEASUREMENTS = [
    Measurement(figures=SLOW, peak_memory_mb=345.6),
    Measurement(figures=OVERHEAD),
    Measurement(figures=WORKERS),
]


def test_table_shows_speeds_ratio_target_and_verdict() -> None:
    output = io.StringIO()
    print_report(Console(file=output, width=80), MEASUREMENTS)
    lines = output.getvalue().splitlines()
    (conversion,) = [line for line in lines if line.split()[:1] == ["conversion"]]
    assert conversion.split() == [
        *("conversion", "500", "1,000", "0.50", "(0.40-0.60)", ">=", "0.8", "no", "346")
    ]
    (overhead,) = [line for line in lines if line.split()[:1] == ["overhead"]]
    assert overhead.split()[1:] == ["22.0", "s", "-", "-", "<", "90", "s", "yes", "-"]
    text = output.getvalue()
    assert "drawn images, the target is for real ones" in text
    assert "Load TFX 20.0 s, other 2.0 s" in text
    assert "1.50 (1.50-1.50)" in text


def test_candidates_stand_in_a_table_of_their_own() -> None:
    output = io.StringIO()
    measurements = [Measurement(figures=figures) for figures in (CANDIDATE, LIKE_IT)]
    print_report(Console(file=output, width=80), measurements)
    lines = output.getvalue().splitlines()
    (row,) = [line for line in lines if line.split()[:1] == ["convnext_tiny"] and "(0" in line]
    expected = ["convnext_tiny", "27,820,897", "12", "20", "0.62", "(0.50-0.75)", "1,824"]
    assert row.split() == expected
    assert "convnext_tiny (30), xception_deep with a long name (30) images" in lines
    assert lines.count("  ours: fit_network()") == 1
    assert not [line for line in lines if "…" in line]
    assert "target" not in output.getvalue()


def test_json_holds_seconds_and_ratios(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    write_json(path, "a folder", [*MEASUREMENTS, Measurement(figures=CANDIDATE)])
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["data"] == "a folder"
    conversion, overhead, workers, candidate = written["results"]
    assert conversion["figures"]["ours_s"] == [2.0, 2.0, 2.5]
    assert conversion["ratio"] == {"median": 0.5, "low": 0.4, "high": 0.6}
    assert conversion["reached"] is False
    assert overhead["figures"]["overhead_s"] == 22.0
    assert workers["figures"]["seconds"] == {"Convert": {"one": [3.0], "two": [2.0]}}
    assert candidate["ratio"] == {"median": 0.625, "low": 0.5, "high": 0.75}
    assert candidate["figures"]["ours_peak_mb"] == 1823.6
    assert "reached" not in candidate
