"""What an edit runs again: one file of each room is edited, and the nodes are named."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from contract import code_version as module
from contract.settings import PipelineSettings
from pipeline.pipeline import Places, create_pipeline
from tests.rooms import ROOMS

TWO = {
    "candidates": {"small": {}, "deep": {"architecture": "cnn_deep"}},
    "study": {"enabled": True},
    "serving": {"infra_validation": "docker"},
}
TUNERS, TRAINERS = {"Tuner-small", "Tuner-deep"}, {"Trainer-small", "Trainer-deep"}
TRAINED = {*TUNERS, *TRAINERS}


@pytest.fixture
def copy(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the rooms that fingerprints are taken of."""
    root = tmp_path / "code"
    for room in ROOMS:
        shutil.copytree(repository / room, root / room, ignore=shutil.ignore_patterns("*.pyc"))
    monkeypatch.setitem(module.code_version.__kwdefaults__, "root", root)
    return root


def versions() -> dict[str, str]:
    dag = create_pipeline(
        PipelineSettings.model_validate(TWO), Places("records", "root", "no-pushed-models")
    )
    return {node.id: str(node.exec_properties.get("code_version", "")) for node in dag.components}


def edit(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        ast.parse(text)
        text += "\n_EDITED = True\n"
    path.write_text(text + "\n", encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edited", "again"),
    [
        ("report/page/page.css", {"Report", "StudyTable"}),
        ("report/verdict.py", {"Report"}),
        ("report/explanations/grad_cam.py", {"Report"}),
        ("report/study/page.py", {"StudyTable"}),
        ("models/schema/schema.pbtxt", {"ImportSchemaGen"}),
        ("models/train.py", TRAINERS),
        ("models/tune.py", TUNERS),
        ("components/gate.py", {"ModelGate"}),
        ("components/audit.py", {"DataAudit"}),
        ("components/pusher.py", {"Pusher"}),
        ("evaluation/curves.py", {"Report"}),
        ("evaluation/gate.py", {"ModelGate", "Report"}),
        ("serving/servability/probe.py", {"ServabilityCheck"}),
        ("serving/client/api.py", set()),
        ("ingestion/dicom.py", {"DataAudit", "Report"}),
        ("contract/settings.py", set()),
    ],
)
def test_an_edit_runs_again_what_it_concerns(copy: Path, edited: str, again: set[str]) -> None:
    before = versions()
    edit(copy / edited)
    after = versions()
    assert {name for name in after if after[name] != before[name]} == again


def test_an_edit_of_the_network_trains_again(copy: Path) -> None:
    before = versions()
    edit(copy / "models" / "architectures" / "residual.py")
    after = versions()
    again = {name for name in after if after[name] != before[name]}
    assert again >= TRAINED
    assert again.isdisjoint({"ImportSchemaGen", "Transform", "DataAudit", "ModelGate", "Pusher"})


def test_an_edit_of_the_resize_transforms_again(copy: Path) -> None:
    before = versions()
    edit(copy / "models" / "preprocessing.py")
    after = versions()
    again = {name for name in after if after[name] != before[name]}
    assert again >= {"Transform", *TRAINERS}
    assert again.isdisjoint({"ImportSchemaGen", "DataAudit", "ModelGate", "Pusher"})


def test_an_edit_of_an_interval_runs_again_what_uses_it(copy: Path) -> None:
    before = versions()
    edit(copy / "evaluation" / "intervals.py")
    after = versions()
    again = {name for name in after if after[name] != before[name]}
    assert again >= {*TRAINERS, "Selector", "ModelGate", "Report", "StudyTable"}
    assert again.isdisjoint({"ImportSchemaGen", "Transform", "Baseline", "Pusher"})
