"""The model that serving is measured with: a pushed one, or the default one, untrained."""

from __future__ import annotations

from pathlib import Path

import keras
import tensorflow_transform as tft

from contract.errors import InputError
from contract.settings import SyntheticSettings
from ingestion.conversion import convert
from ingestion.open_source import open_source
from ingestion.synthetic import write_synthetic_set
from models.architectures import build_network
from models.export import OperatingRule, ServedModel, export_model
from models.predictor import EnsemblePredictor, Predictor
from pipeline.load_config import load_settings
from serving.push_folder import SAVED_MODEL_FILE, pushed_versions, version_dir
from tools.benchmarks.nodes import build_dag, input_artifacts, run_node

_NUM_IMAGES = 72  # the Transform graph is the same for any number


def find_model(model: str | None, pushed: Path) -> Path | None:
    """Return the folder of a SavedModel.

    Args:
        model: What the user named: such a folder, or one of numbered versions.
        pushed: Where runs push to, asked where nothing was named.

    Returns:
        None where nothing was named and nothing is pushed.

    Raises:
        InputError: The named folder holds no model.
    """
    folder = Path(model) if model is not None else pushed
    if (folder / SAVED_MODEL_FILE).is_file():
        return folder
    versions = pushed_versions(folder)
    if versions:
        return version_dir(folder, versions[-1])
    if model is not None:
        raise InputError(
            f"expected a SavedModel or a folder of numbered versions in {model}, found none; "
            "leave --model out to measure an untrained network"
        )
    return None


def export_default_model(directory: Path, work_dir: Path) -> str:
    """Export the candidates of `configs/default.yaml` with random weights: they take the same time.

    Args:
        directory: Where the SavedModel goes.
        work_dir: For a drawn set and the Transform node's graph.

    Returns:
        What it is, for people.
    """
    settings = load_settings("default")
    drawn = SyntheticSettings(num_images=_NUM_IMAGES, min_side_px=64, max_side_px=80)
    data = str(write_synthetic_set(work_dir / "drawn", drawn))
    records_dir = work_dir / "records"
    source = open_source(data, work_dir, settings.data)
    convert(source, settings.data, records_dir, settings.beam.pipeline_args)
    inputs = input_artifacts(records_dir, work_dir)
    dag = build_dag(settings, records_dir, work_dir)
    run_node(dag, "Transform", inputs, work_dir / "transform", settings.beam.pipeline_args)
    graph = tft.TFTransformOutput(str(work_dir / "transform" / "transform_graph"))
    side_px = settings.transform.image_size_px
    keras.utils.set_random_seed(settings.seed)
    candidates = [
        candidate.model_copy(update={"weights": "none"})
        for candidate in settings.candidates.values()
    ]
    members = [
        Predictor(build_network(each, each.image_size_px or side_px), each) for each in candidates
    ]
    predictor = members[0] if len(members) == 1 else EnsemblePredictor(members)
    export_model(ServedModel(predictor, graph, side_px, OperatingRule(0.5)), directory)
    names = " and ".join(candidate.architecture for candidate in candidates)
    return f"{names} at {side_px} px, untrained"
