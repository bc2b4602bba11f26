"""The whole run that `kubeflow/local.py` makes; its other answers are in tests/kubeflow."""

from __future__ import annotations

import json

import pytest

from tests.kubeflow.test_commands import call

# A candidate that trains in a moment, and a gate that lets it pass.
TINY = (
    "candidates.compact_resnet={architecture: ann_small, tune: false, normalisation: none}",
    "candidates.compact_resnet.training={epochs: 2, augmentation: {enabled: false}}",
    "operating_point.stress=false",
    "transform.image_size_px=32",
    "report={explained_images: 1, blurred_images: 1, lime_samples: 100, bootstrap_samples: 100}",
    "serving.check_images=2",
    "data.num_shards=1",
    "data.synthetic={num_images: 120, max_side_px: 200}",
)
LENIENT = (
    "gate_min_recall=0",
    "gate_min_recall_lower_bound=0",
    "gate_min_slice_recall=0",
    "gate_min_specificity=0",
    "gate_min_specificity_lower_bound=0",
    "gate_min_auc=0",
)


@pytest.mark.slow
def test_a_run_without_a_cluster_ends_with_a_pushed_model(repository, tmp_path):
    result = call(
        repository,
        tmp_path,
        "local.py",
        *("--config", "quick", "--set", *TINY, "--param", *LENIENT),
    )
    assert result.returncode == 0, result.stdout + result.stderr
    output = tmp_path / "output-kubeflow"
    assert (output / "volume" / "serving" / "1" / "saved_model.pb").is_file()
    (summary,) = (output / "volume" / "runs").glob("*/summary.json")
    assert json.loads(summary.read_text())["verdict"] == "blessed"
    (page,) = output.glob("cluster/store/**/Report/*/report/index.html")
    text = page.read_text(encoding="utf-8")
    assert "SYNTHETIC DATA" in text
    assert "could not be made" not in text
    assert "BLESSED: pushed to" in result.stdout
    assert "no cluster is used" in result.stdout
