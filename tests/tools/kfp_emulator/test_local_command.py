"""The whole run that `kubeflow/local.py` makes; its other answers are in tests/kubeflow."""

from __future__ import annotations

import json

import pytest

from tests.kubeflow.test_commands import call
from tests.tools.kfp_emulator.test_emulated_runs import LENIENT

# A candidate that trains in a moment.
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


@pytest.mark.slow
def test_a_run_without_a_cluster_ends_with_a_pushed_model(repository, tmp_path):
    lenient = [f"{name}={value}" for name, value in LENIENT.items()]
    result = call(
        repository,
        tmp_path,
        "local.py",
        *("--config", "quick", "--set", *TINY, "--param", *lenient),
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
