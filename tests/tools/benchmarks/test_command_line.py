from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.benchmarks.__main__ import main, parse_arguments
from tools.benchmarks.images import Sizes


@pytest.mark.slow
def test_names_are_measured_in_processes_of_their_own(
    drawn_images: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bench.json"
    arguments = ["conversion", "--quick", "--data", drawn_images, "--json", str(path)]
    assert main(arguments) == 0
    (result,) = json.loads(path.read_text(encoding="utf-8"))["results"]
    assert result["figures"]["name"] == "conversion"
    assert len(result["figures"]["ours_s"]) == 3
    assert result["peak_memory_mb"] > 0
    output = capfd.readouterr().out
    assert f"Images: {drawn_images}" in output
    assert "round 3: bare" in output


@pytest.mark.slow
def test_every_candidate_is_measured_in_a_process_of_its_own(
    drawn_images: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tiny_sizes: Sizes,
) -> None:
    monkeypatch.setattr("tools.benchmarks.__main__.ARCHITECTURES", ("ann_baseline", "ann_small"))
    monkeypatch.setattr("tools.benchmarks.__main__.QUICK", tiny_sizes)
    path = tmp_path / "bench.json"
    assert main(["candidates", "--quick", "--data", drawn_images, "--json", str(path)]) == 0
    results = json.loads(path.read_text(encoding="utf-8"))["results"]
    assert [result["figures"]["case"] for result in results] == ["ann_baseline", "ann_small"]
    # The larger one came last, and the smaller one's process knew nothing of it.
    small, large = (result["figures"]["ours_peak_mb"] for result in results)
    assert 0 < small < large
    assert "ann_small" in capfd.readouterr().out


@pytest.mark.slow
def test_data_that_is_not_there_is_said_and_ends_with_2(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["conversion", "--data", str(tmp_path / "nowhere")]) == 2
    assert "which does not exist" in capfd.readouterr().err


def test_overhead_comes_with_a_summary_only() -> None:
    assert "overhead" not in parse_arguments([]).names
    assert parse_arguments(["--summary", "s.json"]).names[-1] == "overhead"
    with pytest.raises(SystemExit):
        parse_arguments(["overhead"])


def test_unknown_names_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["convertion"])
    assert "got convertion" in capsys.readouterr().err


def test_kubeflow_measures_no_images_of_the_users(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The cases alone are cut: to none, as each takes minutes."""
    monkeypatch.setattr("tools.benchmarks.__main__.QUICK_KUBEFLOW_CASES", ())
    path = tmp_path / "bench.json"
    assert main(["kubeflow", "--quick", "--data", "xrays.zip", "--json", str(path)]) == 0
    assert "Images: drawn by a program" in capfd.readouterr().out
    assert json.loads(path.read_text(encoding="utf-8"))["data"] == "drawn by a program"
    assert "kubeflow" not in parse_arguments([]).names
