"""A run that makes the study's table, as a user starts it."""

import json
import subprocess
import sys

import pytest

from contract.command_line import EXIT_DONE, EXIT_REFUSED
from pipeline.summary import read_summary
from report.study.table import StudyTable

pytestmark = pytest.mark.slow

CONFIG = """
data:
  num_shards: 1
  synthetic: {num_images: 120, max_side_px: 200}
transform:
  image_size_px: 32
ensemble:
  enabled: false
operating_point:
  stress: false
study:
  enabled: true
candidates:
  ann_small:
    architecture: ann_small
    tune: false
    training: &short {epochs: 2, balance: none, restore_best_weights: false}
  cnn_baseline:
    architecture: cnn_baseline
    tune: false
    training: *short
"""
TIMEOUT_S = 600


@pytest.fixture(scope="module")
def run(repository, tmp_path_factory):
    """Return the output folder and what was printed."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "study.yaml").write_text(CONFIG, encoding="utf-8")
    output = folder / "output"
    arguments = ["--config", str(folder / "study.yaml"), "--output", str(output)]
    finished = subprocess.run(
        [sys.executable, "local_runner.py", *arguments],
        cwd=repository, capture_output=True, text=True, timeout=TIMEOUT_S,
    )  # fmt: skip
    told = finished.stdout + finished.stderr
    assert finished.returncode in (EXIT_DONE, EXIT_REFUSED), told
    return output, told


def test_table_and_page_lie_in_the_output_folder(run):
    output, told = run
    page = output / "study" / "index.html"
    assert "SYNTHETIC DATA" in page.read_text(encoding="utf-8")
    assert str(page) in told
    assert "drawn by a program" in told
    text = (output / "study" / "study.json").read_text(encoding="utf-8")
    table = StudyTable.model_validate_json(text)
    assert [row.name for row in table.rows] == ["ann_small", "cnn_baseline"]
    assert table.synthetic
    assert all(row.num_epochs == row.kept_epoch == 2 for row in table.rows)


def test_the_table_judges_as_the_evaluator_does(run):
    output, _ = run
    summary = read_summary(output / "summary.json")
    table = json.loads((output / "study" / "study.json").read_text(encoding="utf-8"))
    (row,) = [row for row in table["rows"] if row["name"] == summary.selected]
    exported = summary.metrics.test.overall
    assert row["as_shipped"]["n"] == exported.n
    # The Evaluator ran the exported model on the raw records.
    assert row["as_shipped"]["recall"]["value"] == pytest.approx(exported.recall.value)
    assert row["as_shipped"]["specificity"]["value"] == pytest.approx(exported.specificity.value)


def test_the_summary_has_the_table_and_knows_nothing_of_stresses(run):
    output, _ = run
    summary = read_summary(output / "summary.json")
    assert [row.name for row in summary.study.rows] == ["ann_small", "cnn_baseline"]
    assert not summary.study.comparable
    assert summary.study.page == str(output / "study" / "index.html")
    for candidate in summary.candidates:
        assert candidate.stressed_metrics == {}
        assert candidate.stressed_auc is None
