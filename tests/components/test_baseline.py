"""The baseline node: the newest pushed model, or a loud nothing."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from tensorflow.core.protobuf import saved_model_pb2
from tfx.types.standard_artifacts import Model
from tfx.utils import path_utils

from components.baseline import Baseline, find_baseline, is_baseline_present
from contract import features
from contract.errors import InputError


def saved_model(tags: str, *outputs: str, signature: str = features.EXAMPLES_SIGNATURE) -> bytes:
    """Return what describes a model, without a graph."""
    described = saved_model_pb2.SavedModel()
    graph = described.meta_graphs.add()
    graph.meta_info_def.tags.append(tags)
    for output in outputs or (features.PROBABILITY, features.CALLED_PNEUMONIA, features.DECISION):
        graph.signature_def[signature].outputs[output].name = f"{output}:0"
    return described.SerializeToString()


@pytest.fixture
def push_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "serving" / "pneumonia"
    for version in ("2", "10"):
        (folder / version / "variables").mkdir(parents=True)
        (folder / version / "saved_model.pb").write_bytes(saved_model(f"model {version}"))
    (folder / "11").mkdir()  # a copy that never finished
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Model:
    artifact = Model()
    artifact.uri = str(tmp_path / "artifact")
    return artifact


def test_the_newest_complete_version_is_copied_to_where_tfx_looks(
    push_dir: Path, model: Model
) -> None:
    find_baseline(str(push_dir), model, is_required=True)
    assert is_baseline_present(model)
    assert model.get_int_custom_property("baseline_version") == 10
    serving = Path(path_utils.serving_model_path(model.uri))
    assert (serving / "saved_model.pb").read_bytes() == saved_model("model 10")
    # A copy, not a reference: what is pushed later does not change it.
    (push_dir / "10" / "saved_model.pb").write_text("changed")
    assert (serving / "saved_model.pb").read_bytes() == saved_model("model 10")


@pytest.mark.parametrize(
    ("content", "got"),
    [
        # What exports answered before: `decision` was what `called_pneumonia` is now.
        (
            saved_model("old", "probability", "label", "threshold", "decision"),
            "got decision, label, probability, threshold from",
        ),
        (saved_model("other", signature="serving_default"), "got no such signature from"),
        (b"\xff no model", r"got a saved_model\.pb that cannot be read"),
    ],
)
def test_a_model_that_cannot_be_compared_with_stops_the_run_and_says_what_to_do(
    push_dir: Path, model: Model, content: bytes, got: str
) -> None:
    (push_dir / "10" / "saved_model.pb").write_bytes(content)
    with pytest.raises(InputError, match=got) as caught:
        find_baseline(str(push_dir), model, is_required=False)
    assert str(push_dir / "10") in str(caught.value)
    assert f"move {push_dir} aside" in str(caught.value)
    assert "--output" in str(caught.value)
    # Nothing that could be taken for a baseline is left.
    assert not Path(model.uri).exists()
    assert not is_baseline_present(model)


def test_an_older_version_below_a_comparable_one_does_not_matter(
    push_dir: Path, model: Model
) -> None:
    (push_dir / "2" / "saved_model.pb").write_bytes(b"\xff no model")
    find_baseline(str(push_dir), model, is_required=True)
    assert model.get_int_custom_property("baseline_version") == 10


@pytest.mark.parametrize("is_there", [True, False])
def test_without_a_pushed_model_the_artifact_says_so_and_the_log_warns(
    tmp_path: Path, model: Model, caplog: pytest.LogCaptureFixture, is_there: bool
) -> None:
    push_dir = tmp_path / "empty"
    if is_there:
        push_dir.mkdir()
    find_baseline(str(push_dir), model, is_required=False)
    assert model.get_int_custom_property("baseline_present") == 0
    assert not is_baseline_present(model)
    # A file, because stores that copy files lose empty folders.
    assert [path.name for path in Path(model.uri).iterdir()] == ["NO_BASELINE"]
    [record] = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "NO BASELINE" in record.getMessage()
    assert str(push_dir) in record.getMessage()


def test_a_required_baseline_that_is_missing_is_an_error_that_names_the_folder(
    tmp_path: Path, model: Model
) -> None:
    push_dir = tmp_path / "absent"
    with pytest.raises(InputError, match=f"{push_dir}.*require_baseline.*does not exist"):
        find_baseline(str(push_dir), model, is_required=True)


def test_presence_survives_a_store_that_knows_only_floats() -> None:
    present, absent, unmarked = Model(), Model(), Model()
    present.set_float_custom_property("baseline_present", 1.0)
    absent.set_float_custom_property("baseline_present", 0.0)
    assert is_baseline_present(present)
    assert not is_baseline_present(absent)
    assert not is_baseline_present(unmarked)


def test_the_node_has_a_plain_id_and_its_cache_key_holds_what_was_pushed() -> None:
    node = Baseline(push_dir="/p", require_baseline=0, pushed_version="3-ab", code_version="c")
    assert node.id == "Baseline"
    assert node.exec_properties["pushed_version"] == "3-ab"
    assert node.exec_properties["code_version"] == "c"
