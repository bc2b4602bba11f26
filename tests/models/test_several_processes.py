"""Two processes on this machine train one candidate, as they would on two machines."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tfx.components.trainer.fn_args_utils import FnArgs

from contract.settings import (
    CUSTOM_CONFIG_KEY,
    AugmentationSettings,
    CandidateRun,
    CandidateSettings,
    OperatingPointSettings,
    TrainingSettings,
    TunerSettings,
)
from evaluation.training_report import NETWORK_FILE, REPORT_FILE, TrainingReport
from models.train import run_fn

SIZE = 32
TIMEOUT_S = 600
ROOT = Path(__file__).parents[2]


def arguments(tiny_set, folder: Path, batch_size: int, cache: str) -> Path:
    """Write what a process is started with; the network has no batch statistics."""
    run = CandidateRun(
        name="cnn_baseline",
        seed=5,
        image_size_px=SIZE,
        candidate=CandidateSettings(
            architecture="cnn_baseline",
            training=TrainingSettings(
                augmentation=AugmentationSettings(enabled=False),
                batch_size=batch_size, epochs=9, dropout=0.0, cache=cache,
            ),
        ),
        tuner=TunerSettings(),
        operating_point=OperatingPointSettings(stress=False, shift="none"),
    )  # fmt: skip
    folder.mkdir()
    file = folder / "arguments.json"
    file.write_text(
        json.dumps(
            {
                "train_files": [tiny_set.transformed_pattern],
                "eval_files": [tiny_set.transformed_pattern],
                "transform_graph_path": tiny_set.transform_graph_path,
                "serving_model_dir": str(folder / "model"),
                "model_run_dir": str(folder / "run"),
                "custom_config": {CUSTOM_CONFIG_KEY: run.model_dump_json()},
            }
        )
    )
    return file


def free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def train_together(files: list[Path]) -> None:
    """Run a process for each file, all of them in one cluster."""
    workers = [f"127.0.0.1:{port}" for port in free_ports(len(files))]
    with contextlib.ExitStack() as stack:
        processes = []
        for index, file in enumerate(files):
            task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
            environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CONFIG": json.dumps(task)}
            log = stack.enter_context(file.with_name("log").open("wb"))
            process = subprocess.Popen(
                [sys.executable, str(ROOT / "tests" / "models" / "train_process.py"), str(file)],
                cwd=ROOT, env=environment, stdout=log, stderr=log,
            )  # fmt: skip
            stack.callback(process.kill)
            processes.append(process)
        for process, file in zip(processes, files, strict=True):
            code = process.wait(timeout=TIMEOUT_S)
            assert code == 0, file.with_name("log").read_text(errors="replace")[-4000:]


@pytest.mark.slow
def test_two_processes_learn_what_one_does_with_twice_the_batch(tiny_set, tmp_path, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    single, chief, other = (tmp_path / name for name in ("single", "chief", "other"))
    given = json.loads(arguments(tiny_set, single, 8, "memory").read_text())
    run_fn(FnArgs(**given))
    train_together([arguments(tiny_set, folder, 4, "none") for folder in (chief, other)])
    alone, together = (
        TrainingReport.read(folder / "run" / REPORT_FILE) for folder in (single, chief)
    )
    assert (together.num_replicas, alone.num_replicas) == (2, 1)
    assert (together.cache, alone.cache) == ("none", "memory")
    assert together.num_epochs == alone.num_epochs == 9
    for figure in ("loss", "val_loss"):
        np.testing.assert_allclose(
            together.history[figure], alone.history[figure], rtol=0, atol=1e-4
        )
    # It learns something: equal figures of a network that stays as it is would show nothing.
    assert together.history["val_loss"][-1] < 0.9 * together.history["val_loss"][0]
    assert (chief / "run" / NETWORK_FILE).is_file()
    assert (chief / "model" / "saved_model.pb").is_file()
    # The others write nothing.
    assert sorted(path.name for path in other.rglob("*")) == ["arguments.json", "log"]
