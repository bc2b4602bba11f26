"""The Pusher node: blessings, versions, and what the artifact records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tfx.orchestration.portable.data_types import ExecutionInfo
from tfx.types import Artifact, Channel, standard_artifacts
from tfx.utils import path_utils

from components.pusher import Pusher, VersioningExecutor, create_pusher
from components.uncached_driver import UncachedDriver
from contract.settings import ServingSettings
from serving.push_folder import pushed_versions


@pytest.fixture
def model(tmp_path: Path) -> Artifact:
    artifact = standard_artifacts.Model()
    artifact.uri = str(tmp_path / "model")
    folder = Path(path_utils.serving_model_dir(artifact.uri))
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_text("model")
    return artifact


@pytest.fixture
def push_dir(tmp_path: Path) -> Path:
    return tmp_path / "serving"


def _node(push_dir: Path, **settings: object) -> Pusher:
    return create_pusher(
        settings=ServingSettings.model_validate(settings),
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
        push_dir=str(push_dir),
        code_version="1",
    )


def _blessing(
    blessed: float | None, kind: type[Artifact] = standard_artifacts.ModelBlessing
) -> Artifact:
    artifact = kind()
    if isinstance(blessed, int):
        artifact.set_int_custom_property("blessed", blessed)
    elif blessed is not None:
        artifact.set_float_custom_property("blessed", blessed)
    return artifact


def _run(
    model: Artifact,
    blessing: Artifact,
    push_dir: Path,
    place: Path,
    further: dict[str, Artifact] | None = None,
    **settings: object,
) -> Artifact:
    pushed_model = standard_artifacts.PushedModel()
    pushed_model.uri = str(place)
    inputs = {"model": model, "model_blessing": blessing, **(further or {})}
    VersioningExecutor().Do(
        {name: [artifact] for name, artifact in inputs.items()},
        {"pushed_model": [pushed_model]},
        dict(_node(push_dir, **settings).exec_properties),
    )
    return pushed_model


@pytest.mark.parametrize("blessed", [1, 1.0])
def test_a_blessed_model_is_pushed_and_the_artifact_says_where(
    model: Artifact, push_dir: Path, tmp_path: Path, blessed: float
) -> None:
    pushed = _run(model, _blessing(blessed), push_dir, tmp_path / "artifact")
    assert (push_dir / "1" / "saved_model.pb").read_text() == "model"
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_int_custom_property("already_pushed") == 0
    assert pushed.get_string_custom_property("pushed_version") == "1"
    assert pushed.get_string_custom_property("pushed_destination") == str(push_dir / "1")
    assert json.loads((tmp_path / "artifact" / "pushed.json").read_text()) == {
        "pushed": 1,
        "already_pushed": 0,
        "pushed_version": "1",
        "pushed_destination": str(push_dir / "1"),
    }


@pytest.mark.parametrize("blessed", [0, 0.0, None])
def test_without_a_blessing_nothing_is_pushed_and_the_artifact_says_so(
    model: Artifact, push_dir: Path, tmp_path: Path, blessed: float | None
) -> None:
    pushed = _run(model, _blessing(blessed), push_dir, tmp_path / "artifact")
    assert not push_dir.exists()
    assert pushed.get_custom_property("pushed") == 0
    assert not pushed.has_custom_property("pushed_version")
    assert json.loads((tmp_path / "artifact" / "pushed.json").read_text()) == {"pushed": 0}


@pytest.mark.parametrize("refusing", ["infra_blessing", "server_blessing"])
def test_one_missing_blessing_of_the_serving_is_a_veto(
    model: Artifact, push_dir: Path, tmp_path: Path, refusing: str
) -> None:
    kind = standard_artifacts.InfraBlessing
    blessings = {name: _blessing(1, kind) for name in ("infra_blessing", "server_blessing")}
    vetoed = blessings | {refusing: _blessing(0, kind)}
    assert (
        _run(model, _blessing(1), push_dir, tmp_path / "a", vetoed).get_custom_property("pushed")
        == 0
    )
    assert not push_dir.exists()
    # They do not outweigh the gate's.
    _run(model, _blessing(0), push_dir, tmp_path / "b", blessings)
    assert not push_dir.exists()
    pushed = _run(model, _blessing(1), push_dir, tmp_path / "c", blessings)
    assert pushed.get_string_custom_property("pushed_version") == "1"


def test_old_versions_are_pruned_after_a_push_and_the_artifact_says_so(
    model: Artifact, push_dir: Path, tmp_path: Path
) -> None:
    content = Path(path_utils.serving_model_dir(model.uri)) / "saved_model.pb"
    settings = {"keep_versions": 2, "pinned_versions": [1]}
    for number in (1, 2, 3):
        content.write_text(f"model {number}")
        kept_all = _run(model, _blessing(1), push_dir, tmp_path / str(number), **settings)
        assert not kept_all.has_custom_property("pruned_versions")
    content.write_text("model 4")
    pushed = _run(model, _blessing(1), push_dir, tmp_path / "4", **settings)
    assert pushed.get_string_custom_property("pruned_versions") == "2"
    assert pushed_versions(push_dir) == [1, 3, 4]


def test_a_repeated_push_names_the_version_that_lies_there(
    model: Artifact, push_dir: Path, tmp_path: Path
) -> None:
    _run(model, _blessing(1), push_dir, tmp_path / "first")
    again = _run(model, _blessing(1), push_dir, tmp_path / "second")
    assert pushed_versions(push_dir) == [1]
    assert again.get_int_custom_property("pushed") == 1
    assert again.get_int_custom_property("already_pushed") == 1
    assert again.get_string_custom_property("pushed_version") == "1"


def test_every_attempt_has_an_execution_property_of_its_own() -> None:
    def attempt(uri: str) -> str:
        pushed_model = standard_artifacts.PushedModel()
        pushed_model.uri = uri
        driver = UncachedDriver(None)
        output = driver.run(ExecutionInfo(output_dict={"pushed_model": [pushed_model]}))
        return output.exec_properties["attempt"].string_value

    assert attempt("/root/Pusher/pushed_model/7") != attempt("/root/Pusher/pushed_model/8")


def test_the_node_has_a_plain_id_and_carries_the_code_version(push_dir: Path) -> None:
    node = _node(push_dir)
    assert node.id == "Pusher"
    assert node.exec_properties["code_version"] == "1"
