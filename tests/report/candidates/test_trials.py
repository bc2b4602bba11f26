import json

import pytest

from report.candidates.trials import RESULTS_FILE, Trial, read_trials


def write(folder, content):
    (folder / RESULTS_FILE).write_text(json.dumps(content))
    return folder


def test_the_best_trial_comes_first_and_a_failed_one_last(tmp_path):
    trials = read_trials(
        write(
            tmp_path,
            [
                {"trial_id": "0", "score": None, "dropout": 0.1},
                {"trial_id": "1", "score": 0.8, "dropout": 0.2},
                {"trial_id": "2", "score": 0.9, "dropout": 0.3},
            ],
        )
    )
    assert [trial.score for trial in trials] == [0.9, 0.8, None]
    assert trials[0] == Trial(0.9, {"dropout": 0.3})


def test_what_hyperband_keeps_for_itself_is_left_out(tmp_path):
    entry = {"trial_id": "0", "score": 0.8, "tuner/epochs": 3, "dropout": None, "batch_size": 8}
    (trial,) = read_trials(write(tmp_path, [entry]))
    assert trial.hyperparameters == {"batch_size": 8}


def test_a_score_that_is_no_number_is_none(tmp_path):
    (trial,) = read_trials(write(tmp_path, [{"trial_id": "0", "score": float("nan")}]))
    assert trial.score is None


def test_something_else_than_trials_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a list of trials"):
        read_trials(write(tmp_path, {"score": 1.0}))
