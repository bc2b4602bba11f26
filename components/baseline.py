"""The baseline node: the newest pushed model, as an artifact that the Evaluator can read.

TFX's own way, a Resolver, needs the metadata of earlier runs in the same store, and runners
outside TFX do not have it. What is pushed is blessed, so the push folder itself is the record.
The model is copied because an artifact must stay as it was when it was read.
"""

# No `from __future__ import annotations`: TFX reads the component's annotations as objects.

import logging
import shutil
from pathlib import Path

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2
from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import Artifact
from tfx.types.standard_artifacts import Model
from tfx.utils import path_utils

from contract import features
from contract.errors import InputError
from serving.push_folder import SAVED_MODEL_FILE, pushed_versions, version_dir

PRESENT_PROPERTY = "baseline_present"  # 1 or 0
VERSION_PROPERTY = "baseline_version"  # the pushed version, where there is one
MARKER_FILE = "NO_BASELINE"
_JUDGED = (features.PROBABILITY, features.CALLED_PNEUMONIA)  # outputs that the Evaluator reads

_LOGGER = logging.getLogger(__name__)


def is_baseline_present(artifact: Artifact) -> bool:
    """Return whether a Model artifact of the baseline node holds a model.

    Some stores hand integers back as floats: 1.0 counts as 1.
    """
    return artifact.get_custom_property(PRESENT_PROPERTY) == 1


def find_baseline(push_dir: str, model: Artifact, *, is_required: bool) -> None:
    """Copy the newest pushed version into `model`, or mark that there is none.

    Args:
        push_dir: Folder with numbered versions; it may be missing.
        model: Artifact to fill: the model in its serving folder, or a marker file; the custom
            properties `baseline_present` and, with a model, `baseline_version`.
        is_required: Whether a folder without a model is an error.

    Raises:
        InputError: There is no pushed model, and one is required; or the newest one cannot be
            compared with.
    """
    versions = pushed_versions(push_dir)
    if versions:
        newest = version_dir(push_dir, versions[-1])
        _check_comparable(newest)
        destination = Path(path_utils.serving_model_dir(model.uri))
        shutil.copytree(newest, destination, dirs_exist_ok=True)
        model.set_int_custom_property(PRESENT_PROPERTY, 1)
        model.set_int_custom_property(VERSION_PROPERTY, versions[-1])
        _LOGGER.info("Baseline: version %d of %s", versions[-1], push_dir)
        return
    state = "is empty of models" if Path(push_dir).is_dir() else "does not exist"
    if is_required:
        raise InputError(
            f"expected a pushed model in {push_dir} because gate.require_baseline is set, but the "
            f"folder {state}; mount the volume that holds the pushed models, or unset "
            "gate.require_baseline for the first run"
        )
    _LOGGER.warning(
        "NO BASELINE: %s %s. The candidate is judged by the absolute bounds alone. If models were "
        "pushed before, their folder is not the one that this run sees; set gate.require_baseline "
        "to make that an error.",
        push_dir,
        state,
    )
    folder = Path(model.uri)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER_FILE).write_text(f"{push_dir} {state}.\n", encoding="utf-8")
    model.set_int_custom_property(PRESENT_PROPERTY, 0)


def _check_comparable(folder: Path) -> None:
    """Raise where the Evaluator could not read a model's answers, which it says obscurely.

    The graph's description is read, not loaded: a model takes seconds and memory.
    """
    name = features.EXAMPLES_SIGNATURE
    try:
        described = saved_model_pb2.SavedModel.FromString((folder / SAVED_MODEL_FILE).read_bytes())
    except DecodeError as error:
        raise InputError(
            f"expected a model in {folder}, got a {SAVED_MODEL_FILE} that cannot be read; "
            f"{_what_to_do(folder)}"
        ) from error
    outputs = {
        output
        for graph in described.meta_graphs
        if name in graph.signature_def
        for output in graph.signature_def[name].outputs
    }
    if not outputs.issuperset(_JUDGED):
        raise InputError(
            f"expected the newest pushed model to answer {' and '.join(_JUDGED)} by the signature "
            f"{name}, got {', '.join(sorted(outputs)) or 'no such signature'} from {folder}: an "
            "earlier release of this pipeline exported it, or another program, and the new model "
            f"cannot be compared with it; {_what_to_do(folder)}"
        )


def _what_to_do(folder: Path) -> str:
    return (
        f"move {folder.parent} aside, so that the run has no baseline and begins with version 1, "
        "or choose another --output"
    )


@component
def Baseline(  # noqa: N802 - TFX names the node after the function
    model: OutputArtifact[Model],
    push_dir: Parameter[str],
    require_baseline: Parameter[int],
    pushed_version: Parameter[str],
    code_version: Parameter[str],
) -> None:
    """Hand the newest pushed model to the Evaluator.

    Args:
        model: The baseline; see `find_baseline`.
        push_dir: Folder with numbered versions.
        require_baseline: 1 where a run without a pushed model is an error, else 0.
        pushed_version: `push_fingerprint(push_dir)` when the pipeline is built. It is not read:
            it is part of the cache key, so that a model pushed since is not missed.
        code_version: Version of the project's code, in the cache key.
    """
    del pushed_version, code_version
    find_baseline(push_dir, model, is_required=require_baseline == 1)
