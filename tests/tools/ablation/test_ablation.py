"""The command on a drawn set, in one short training."""

import fcntl
import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from contract.settings import SyntheticSettings, TransformSettings
from ingestion.synthetic import write_synthetic_set
from tools.ablation.__main__ import main, parse_arguments
from tools.ablation.raw_records import load_raw_split
from tools.ablation.results import combine, predictions_file, result_file
from tools.ablation.variants import REFERENCE


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    settings = SyntheticSettings(num_images=72, min_side_px=64, max_side_px=80)
    return str(write_synthetic_set(tmp_path_factory.mktemp("drawn") / "set", settings))


def arguments(drawn, output, *more):
    return ["--data", drawn, "--output", str(output), "--seeds", "0", "--epochs", "1", *more]


@pytest.mark.slow
def test_variants_are_measured_once_and_those_of_one_network_together(drawn, tmp_path, capfd):
    output = tmp_path / "output"
    begun = arguments(drawn, output, "--only", REFERENCE, "CLAHE")
    with_lock = result_file(output, "CLAHE", 0)
    with_lock.parent.mkdir(parents=True)
    with with_lock.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(begun) == 0
    told = capfd.readouterr().out
    assert "CLAHE, seed 0: another process is at it" in told
    assert f"| {REFERENCE} | 1 |" in told
    assert not with_lock.exists()
    for name in (REFERENCE, "3 views", "5 views"):
        result = json.loads(result_file(output, name, 0).read_text())
        assert (result["variant"], result["seed"]) == (name, 0)
        assert 0.0 <= result["stressed_auc"] <= 1.0

    before = result_file(output, REFERENCE, 0).stat().st_mtime_ns
    assert main(begun) == 0
    assert result_file(output, REFERENCE, 0).stat().st_mtime_ns == before
    assert with_lock.exists()
    assert (output / "ablation.md").read_text().count("\n") == 2 + 4

    # What is a mean of others follows from what they left.
    validation = load_raw_split(output / "records", "validation", TransformSettings())
    name = "mean of plain, standardised, CLAHE"
    combine(output, 0, validation)
    assert not result_file(output, name, 0).exists()  # a member is missing
    for kind in (predictions_file, result_file):
        kind(output, "standardisation", 0).write_bytes(kind(output, "CLAHE", 0).read_bytes())
    combine(output, 0, validation)
    mean = json.loads(result_file(output, name, 0).read_text())
    assert mean["num_parameters"] == 3 * result["num_parameters"]
    with np.load(predictions_file(output, "CLAHE", 0)) as archive:
        plain = archive["plain"]
    assert roc_auc_score(validation.labels, plain) == pytest.approx(
        json.loads(with_lock.read_text())["auc"]
    )

    whole = load_raw_split(output / "records", "train", TransformSettings(image_size_px=16))
    half = load_raw_split(output / "records", "train", TransformSettings(image_size_px=16), 0.5)
    assert len(half.labels) == round(0.5 * len(whole.labels)) == len(half.subtypes)
    np.testing.assert_array_equal(half.images, whole.images[: len(half.labels)])
    with pytest.raises(ValueError, match="got none"):
        load_raw_split(output / "records", "nowhere", TransformSettings())


def test_bad_input_is_told(tmp_path, capfd):
    assert main(["--data", str(tmp_path / "nowhere"), "--output", str(tmp_path / "o")]) == 2
    assert "which does not exist" in capfd.readouterr().err
    with pytest.raises(SystemExit):
        parse_arguments(["--data", "x", "--only", "nothing"])
