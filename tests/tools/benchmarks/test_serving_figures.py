from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tools.benchmarks.figures import Measurement
from tools.benchmarks.report import print_report, write_json
from tools.benchmarks.serving_figures import (
    LoadFigures,
    OverloadFigures,
    ServingFigures,
    SwitchFigures,
    percentile,
)

OVERLOAD = OverloadFigures(
    capacity_per_s=100.0,
    images_per_request=4,
    due_per_s=250.0,
    sent_per_s=225.0,
    seconds=60.0,
    statuses={200: 4000, 429: 50_000},
    num_unsent=7,
    slowest_s=4.5,
    before_mb=700.0,
    halfway_mb=750.0,
    after_mb=745.0,
)
SMALL = LoadFigures(
    side_px=224,
    num_clients=32,
    num_images=320,
    ours_s=(2.0, 4.0, 3.0),
    bare_s=(1.5, 2.8, 2.7),
    ours_processor_s=(3.0, 3.0, 3.0),
    bare_processor_s=(1.5, 1.5, 1.5),
    p50_s=(0.1, 0.2, 0.1),
    p99_s=(0.3, 0.5, 0.4),
    target=0.7,
    target_tail=5.0,
)
LARGE = LoadFigures(
    side_px=2000,
    num_clients=1,
    num_images=128,
    ours_s=(4.0, 4.0, 4.0),
    bare_s=(2.0, 2.0, 2.0),
    ours_processor_s=(2.0, 4.0, 3.0),
    bare_processor_s=(1.7, 3.2, 2.7),
    p50_s=(0.03, 0.03, 0.03),
    p99_s=(0.9, 0.9, 0.9),
    target_processor=0.8,
)
FIGURES = ServingFigures(
    model="a model",
    loads=(SMALL, LARGE),
    overload=OVERLOAD,
    switch=SwitchFigures(num_switches=2, statuses={200: 5000}),
)


def test_ratios_are_taken_within_rounds() -> None:
    ratio, tail, processor = SMALL.ratio(), SMALL.tail(), LARGE.processor_ratio()
    assert (ratio.low, ratio.median, ratio.high) == pytest.approx((0.7, 0.75, 0.9))
    assert (tail.low, tail.median, tail.high) == pytest.approx((2.5, 3.0, 4.0))
    assert (processor.low, processor.median, processor.high) == pytest.approx((0.8, 0.85, 0.9))
    assert FIGURES.reached()


@pytest.mark.parametrize(
    "load",
    [
        SMALL.model_copy(update={"bare_s": (1.3, 2.7, 2.0)}),
        SMALL.model_copy(update={"p99_s": (0.6, 1.1, 0.4)}),
        LARGE.model_copy(update={"bare_processor_s": (1.5, 3.0, 2.7)}),
    ],
)
def test_a_load_that_misses_its_target_is_enough(load: LoadFigures) -> None:
    assert not load.reached()
    assert not FIGURES.model_copy(update={"loads": (SMALL, load, LARGE)}).reached()


@pytest.mark.parametrize(
    "change",
    [
        {"overload": OVERLOAD.model_copy(update={"statuses": {200: 9, 504: 1}})},
        {"overload": OVERLOAD.model_copy(update={"statuses": {0: 1, 200: 9}})},
        {"overload": OVERLOAD.model_copy(update={"statuses": {429: 9}})},
        {"overload": OVERLOAD.model_copy(update={"after_mb": 900.0})},
        {"switch": SwitchFigures(num_switches=2, statuses={200: 9, 404: 1})},
    ],
)
def test_one_missed_target_is_enough(change: dict[str, object]) -> None:
    assert not FIGURES.model_copy(update=change).reached()


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile((3.0, 1.0, 2.0), 50) == 2.0
    assert percentile(tuple(map(float, range(1, 101))), 99) == 99.0
    assert percentile((5.0,), 99) == 5.0


def test_table_and_json_tell_all_of_it(tmp_path: Path) -> None:
    output = io.StringIO()
    console = Console(file=output, width=80, highlight=False)
    print_report(console, [Measurement(figures=FIGURES)])
    text = " ".join(output.getvalue().split())
    for part in (
        "224, 32 107, 119 0.75 >= 0.7 0.50 100, 400 yes 0.70-0.90 0.50-0.50 p99 < 5 p50",
        "2000, 1 32, 64 0.50 0.85 >= 0.8 30, 900 yes 0.50-0.50 0.80-0.90",
        "700, 750, 745",
    ):
        assert part in text
    assert "rounds of 320 images of 224 px; rounds of 128 images of 2000 px; model: a" in text
    assert "225 sent, 9.0 times the capacity; 7 found no free connection" in text
    assert text.count("yes") == 5
    write_json(tmp_path / "bench.json", "drawn", [Measurement(figures=FIGURES)])
    (result,) = json.loads((tmp_path / "bench.json").read_text())["results"]
    small, large = result["figures"]["loads"]
    assert small["ratio"]["median"] == 0.75
    assert small["tail"]["median"] == pytest.approx(3.0)
    assert large["processor_ratio"]["median"] == pytest.approx(0.85)
    assert result["reached"] is True
