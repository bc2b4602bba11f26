"""A candidate that is trained outside a run gets what its Trainer would get."""

from pathlib import Path

import pytest

from contract.command_line import EXIT_BAD_INPUT, EXIT_DONE
from contract.settings import CUSTOM_CONFIG_KEY, STATISTICS_KEY, CandidateRun, PipelineSettings
from pipeline.pipeline import Places, create_pipeline
from pipeline.train_candidate import main

FOLDERS = ("Split-train", "Split-validation", "graph", "statistics")


@pytest.fixture
def folders(tmp_path) -> list[str]:
    for name in FOLDERS:
        (tmp_path / name).mkdir()
    return [
        f"--transformed={tmp_path}",
        f"--graph={tmp_path / 'graph'}",
        f"--statistics={tmp_path / 'statistics'}",
        f"--output={tmp_path / 'output'}",
    ]


def test_it_trains_as_the_node_does(folders, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr("models.train.run_fn", given.append)
    overrides = ["seed=5", "candidates.small.training.cache=none"]
    config = tmp_path / "own.yaml"
    config.write_text("candidates: {small: {tune: false}}\n")
    code = main(["small", *folders, "--config", str(config), "--set", *overrides])
    assert code == EXIT_DONE
    (arguments,) = given
    assert arguments.train_files == [str(tmp_path / "Split-train" / "*")]
    assert arguments.eval_files == [str(tmp_path / "Split-validation" / "*")]
    assert arguments.transform_graph_path == str(tmp_path / "graph")
    assert Path(arguments.serving_model_dir) == tmp_path / "output" / "model" / "Format-Serving"
    assert Path(arguments.model_run_dir) == tmp_path / "output" / "model_run"
    assert arguments.custom_config[STATISTICS_KEY] == str(tmp_path / "statistics")

    settings = PipelineSettings.model_validate(
        {
            "seed": 5,
            "candidates": {"small": {"tune": False, "training": {"cache": "none"}}},
        }
    )
    dag = create_pipeline(settings, Places("records", "root", "no-pushed-models"))
    (trainer,) = [node for node in dag.components if node.id == "Trainer-small"]
    ours = CandidateRun.model_validate_json(arguments.custom_config[CUSTOM_CONFIG_KEY])
    assert ours.model_dump_json().replace('"', '\\"') in trainer.exec_properties["custom_config"]
    # StatisticsGen's output reaches the node, which hands its folder on.
    assert "statistics" in trainer.inputs


@pytest.mark.parametrize(
    ("candidate", "missing", "message"),
    [
        ("deep", None, "which has compact_resnet, got deep"),
        ("compact_resnet", "Split-validation", "there is no such folder"),
        ("compact_resnet", "statistics", "there is no such folder"),
    ],
)
def test_what_cannot_be_used_is_refused(folders, tmp_path, capsys, candidate, missing, message):
    if missing:
        (tmp_path / missing).rmdir()
    config = tmp_path / "own.yaml"
    config.write_text("candidates: {compact_resnet: {}}\n")
    assert main([candidate, *folders, "--config", str(config)]) == EXIT_BAD_INPUT
    assert message in " ".join(capsys.readouterr().err.split())
