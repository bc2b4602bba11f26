import logging

import keras
import numpy as np
import pytest

from components.study_table import PAGE_FILE, TABLE_FILE, write_study
from contract.progress import LOGGER_NAME
from evaluation.calibration import Calibration
from evaluation.training_report import NETWORK_FILE, REPORT_FILE
from models.architectures import build_network
from models.predictor import Predictor, predict_probabilities
from report.study.judged_split import JudgedSplit
from report.study.table import StudyTable

SIZE = 16


@pytest.fixture
def split():
    rng = np.random.default_rng(4)
    labels = np.arange(12) % 2
    images = rng.integers(0, 256, (12, SIZE, SIZE, 1)).astype(np.uint8)
    return JudgedSplit(labels, ["test"] * 12, lambda: iter([images[:8], images[8:]]))


@pytest.fixture
def model_runs(make_report, tmp_path):
    """Two candidates as their Trainers leave them."""
    folders = {}
    for seed, name in enumerate(("ann_small", "cnn_baseline")):
        keras.utils.set_random_seed(seed)
        report = make_report(name, name, calibration=Calibration(slope=2.0))
        report.write(tmp_path / name / REPORT_FILE)
        build_network(report.candidate, SIZE).save(tmp_path / name / NETWORK_FILE)
        folders[name] = tmp_path / name
    return folders


@pytest.mark.slow
def test_every_candidate_is_judged_by_its_own_network(model_runs, split, tmp_path, caplog):
    with caplog.at_level(logging.INFO, LOGGER_NAME):
        write_study(model_runs, split, synthetic=False, folder=tmp_path / "out")
    text = (tmp_path / "out" / TABLE_FILE).read_text(encoding="utf-8")
    table = StudyTable.model_validate_json(text)
    assert [row.name for row in table.rows] == ["ann_small", "cnn_baseline"]
    for row in table.rows:
        network = keras.models.load_model(model_runs[row.name] / NETWORK_FILE)
        images = np.concatenate(list(split.read_images()))
        answers = predict_probabilities(Predictor(network, row.candidate), images)
        called = answers >= 0.5
        assert row.as_study.tp == np.sum(called & (split.labels == 1))
        assert row.as_study.fp == np.sum(called & (split.labels == 0))
    page = (tmp_path / "out" / PAGE_FILE).read_text(encoding="utf-8")
    assert all(row.name in page for row in table.rows)
    told = [record.progress for record in caplog.records if hasattr(record, "progress")]
    assert [(each.done, each.total, each.unit) for each in told] == [
        (1, 2, "candidate"),
        (2, 2, "candidate"),
    ]


def test_a_split_of_another_source_is_told_in_the_table(model_runs, split, tmp_path):
    write_study(model_runs, split, synthetic=False, folder=tmp_path)
    table = StudyTable.model_validate_json((tmp_path / TABLE_FILE).read_text(encoding="utf-8"))
    assert not table.comparable
    assert "has 6 normal and 6 pneumonia images" in table.comparability
