"""The choice, its artifacts, and that nothing of the test split reaches it."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tfx.types.standard_artifacts import Model, ModelRun

from components.candidate_inputs import folders_of
from components.selector import Executor, choose
from evaluation.calibration import Calibration
from evaluation.predictions import Predictions, ValidationCases
from evaluation.selection import SELECTION_FILE, Selection
from evaluation.slice_metrics import slice_metrics_from_counts
from evaluation.training_report import CASES_FILE, PREDICTIONS_FILE, REPORT_FILE, TrainingReport
from tests.evaluation.made_referral import REFERRAL

LABELS = np.array([1] * 400 + [0] * 200)


def write_candidate(
    folder: Path, name: str, false_alarms: int, members: tuple[str, ...] = ()
) -> tuple[Path, Path]:
    metrics = slice_metrics_from_counts(
        tp=400, fn=0, fp=false_alarms, tn=200 - false_alarms, auc=0.99,
        mean_probability=None, brier=None, log_loss=None,
    )  # fmt: skip
    report = TrainingReport(
        name=name, architecture="cnn_deep", num_parameters=10, num_trainable=10, candidate=None,
        hyperparameters={}, seed=0, num_epochs=1, best_epoch=1, history={"val_loss": [0.1]},
        num_gpus=0, num_replicas=1, training_s=1.0, threshold=0.5, target_sensitivity=0.97,
        reaches_target=True, calibration=Calibration(), calibration_error_before=0.1,
        calibration_error_after=0.1, validation={"overall": metrics}, stressed={"blur": metrics},
        members=members, pseudo_sites=(), exposure_cuts=(85.0, 170.0), referral=REFERRAL,
    )  # fmt: skip
    model, model_run = folder / name / "model", folder / name / "model_run"
    model.mkdir(parents=True)
    (model / "weights").write_text(name)
    report.write(model_run / REPORT_FILE)
    scores = np.where(LABELS == 1, 0.9, 0.1).astype(np.float32)
    scores[400 : 400 + false_alarms] = 0.7
    Predictions(scores, {"blur": scores}).write(model_run / PREDICTIONS_FILE)
    write_cases(model_run)
    return model, model_run


def write_cases(model_run: Path, first_image: str = "0.png") -> None:
    names = [first_image, *(f"{number}.png" for number in range(1, len(LABELS)))]
    ValidationCases(LABELS, np.array(names), np.array(names)).write(model_run / CASES_FILE)


def artifact(kind, folder: Path):
    made = kind()
    made.uri = str(folder)
    return made


def test_the_chosen_model_is_copied_with_its_report_and_the_comparison(tmp_path):
    folders = {
        name: write_candidate(tmp_path, name, alarms) for name, alarms in (("a", 30), ("b", 5))
    }
    inputs = {}
    for name, (model, model_run) in folders.items():
        inputs[f"model_of_{name}"] = [artifact(Model, model)]
        inputs[f"model_run_of_{name}"] = [artifact(ModelRun, model_run)]
    assert folders_of(inputs, "model") == {name: each[0] for name, each in folders.items()}
    outputs = {
        "model": [artifact(Model, tmp_path / "out" / "model")],
        "model_run": [artifact(ModelRun, tmp_path / "out" / "model_run")],
    }
    Executor().Do(inputs, outputs, {})
    assert (tmp_path / "out" / "model" / "weights").read_text() == "b"
    run_dir = tmp_path / "out" / "model_run"
    assert TrainingReport.read(run_dir / REPORT_FILE).name == "b"
    selection = Selection.model_validate(json.loads((run_dir / SELECTION_FILE).read_text()))
    assert selection.selected == "b"
    assert [entry.name for entry in selection.candidates] == ["b", "a"]


def test_the_choice_needs_only_what_the_trainers_left(tmp_path):
    folders = {
        name: write_candidate(tmp_path, name, alarms) for name, alarms in (("a", 3), ("b", 5))
    }
    models = {name: each[0] for name, each in folders.items()}
    model_runs = {name: each[1] for name, each in folders.items()}
    selection = choose(models, model_runs, tmp_path / "model", tmp_path / "run")
    assert selection.selected == "a"
    with pytest.raises(FileNotFoundError):
        choose(models, {"a": tmp_path / "nowhere"}, tmp_path / "model2", tmp_path / "run2")


def test_nothing_is_read_through_tensorflow(tmp_path, monkeypatch):
    """Records, of whatever split, are read through TensorFlow or Beam alone."""
    model, model_run = write_candidate(tmp_path, "a", 3)

    def refuse(*arguments, **keywords):
        raise AssertionError("the choice read records")

    monkeypatch.setattr(tf.data, "TFRecordDataset", refuse)
    choose({"a": model}, {"a": model_run}, tmp_path / "model", tmp_path / "run")


@pytest.mark.parametrize(
    ("ensemble_alarms", "selected", "words"),
    [
        (6, "ensemble", "differ by no more than chance on plain and stressed validation"),
        (60, "single", "single, the best single candidate, has a higher specificity than ensemble"),
        (0, "ensemble", "ensemble has a higher specificity than single"),
    ],
)
def test_a_single_candidate_must_beat_the_ensemble_beyond_chance(
    tmp_path, ensemble_alarms, selected, words
):
    folders = {
        "single": write_candidate(tmp_path, "single", 5 if ensemble_alarms else 30),
        "worse": write_candidate(tmp_path, "worse", 90),
        "ensemble": write_candidate(tmp_path, "ensemble", ensemble_alarms, ("single", "worse")),
    }
    models = {name: each[0] for name, each in folders.items()}
    model_runs = {name: each[1] for name, each in folders.items()}
    selection = choose(models, model_runs, tmp_path / "model", tmp_path / "run")
    assert selection.selected == selected
    assert selection.candidates[0].name == selected
    assert words in selection.reason
    assert "95% intervals from 2,000 resamples of 600 patients" in selection.reason
    assert selection.paired is not None
    difference = selection.paired.specificity
    assert f"difference {difference.value:+.3f} [{difference.low:+.3f}" in selection.reason
    assert (tmp_path / "model" / "weights").read_text() == selected


def test_candidates_of_different_validation_images_are_refused(tmp_path):
    folders = {name: write_candidate(tmp_path, name, 5) for name in ("a", "b")}
    write_cases(folders["b"][1], first_image="another.png")
    models = {name: each[0] for name, each in folders.items()}
    model_runs = {name: each[1] for name, each in folders.items()}
    with pytest.raises(ValueError, match="Expected a and b on the same validation images"):
        choose(models, model_runs, tmp_path / "model", tmp_path / "run")
