"""The measurement of a site's calibration."""

from __future__ import annotations

import json

import numpy as np
import pytest

from models.stress import STRESSES
from tests.serving.site_calibration.brightness_model import encode, export_brightness_model
from tests.serving.site_calibration.simulation import draw_log_odds, train
from tools.ablation import site_calibration

FAST = ["--set", "site_calibration.num_resamples=100"]


@pytest.mark.slow
def test_simulated_sites_are_kept_aligned_or_refused_as_they_should(tmp_path, capsys):
    path = tmp_path / "rows.json"
    assert site_calibration.main(["--simulated", "--json", str(path), *FAST]) == 0
    rows = {row["site"]: row for row in json.loads(path.read_text())}
    assert rows["as validation"]["verdict"] == rows["prevalence .2"]["verdict"] == "kept"
    assert rows["log-odds -1.5"]["verdict"] == rows["log-odds +1.5"]["verdict"] == "aligned"
    assert rows["log-odds -1.5"]["aligned"][0] > rows["log-odds -1.5"]["frozen"][0]
    assert rows["log-odds +1.5"]["aligned"][1] > rows["log-odds +1.5"]["frozen"][1]
    assert rows["normals alone +7"]["verdict"] == "refused"
    printed = capsys.readouterr().out
    assert all(f"| {name} |" in printed for name in rows)


@pytest.mark.slow
def test_sites_are_made_of_labelled_images(transform_output, tmp_path, capsys):
    rng = np.random.default_rng(1)
    export_brightness_model(tmp_path / "model", transform_output, train(rng))
    for folder in ("data", "other"):
        labels = np.arange(80) % 2 == 1
        for index, (label, value) in enumerate(
            zip(labels, draw_log_odds(rng, labels), strict=True)
        ):
            path = tmp_path / folder / ("PNEUMONIA" if label else "NORMAL") / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(value))
    arguments = ["--model", str(tmp_path / "model"), "--data", str(tmp_path / "data")]
    arguments += ["--split", "all", "--also", f"elsewhere={tmp_path / 'other'}", *FAST]
    # The model refuses a picture of one grey level: that image is left out, and ends nothing.
    (tmp_path / "data" / "NORMAL" / "flat-after-stress.png").write_bytes(encode(-1e3))
    assert site_calibration.main(arguments) == 0
    printed, said = capsys.readouterr()
    assert "1 images refused by the model, left out" in said
    sites = ["as it is", "prevalence 0.2", *STRESSES, "rotated by 90 degrees", "elsewhere"]
    assert all(f"| {name} |" in printed for name in sites)


def test_what_is_no_model_is_bad_input(tmp_path, capsys):
    assert site_calibration.main(["--model", str(tmp_path), "--data", str(tmp_path)]) == 2
    assert "expected a pushed model" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        site_calibration.parse_arguments([])
