"""Run the executor of one node of the DAG, with the node's own arguments and nothing around it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tfx.dsl.components.base import base_beam_executor
from tfx.orchestration.pipeline import Pipeline
from tfx.types import Artifact, artifact_utils, standard_artifacts

from contract import features
from contract.settings import PipelineSettings
from models.schema import SCHEMA_FILE
from pipeline.pipeline import Places, create_pipeline


def build_dag(settings: PipelineSettings, records_dir: Path, work_dir: Path) -> Pipeline:
    """Build the DAG as a run does, with its places under `work_dir`.

    Args:
        settings: The configuration that the nodes get.
        records_dir: A conversion's folder.
        work_dir: Where nodes would write; nothing is made there.
    """
    places = Places(
        records_dir=str(records_dir),
        pipeline_root=str(work_dir / "pipeline"),
        push_dir=str(work_dir / "serving"),
    )
    return create_pipeline(settings, places)


def input_artifacts(records_dir: Path, work_dir: Path, times: int = 1) -> dict[str, Artifact]:
    """Return what the first nodes that read records take: `examples` and `schema`.

    Args:
        records_dir: A conversion's folder.
        work_dir: Gets a folder for each.
        times: How often each shard is among the examples.
    """
    return {
        "examples": examples_artifact(records_dir, work_dir / "examples", times),
        "schema": schema_artifact(work_dir / "schema"),
    }


def examples_artifact(records_dir: Path, uri: Path, times: int = 1) -> Artifact:
    """Lay out converted records as ImportExampleGen does, by links instead of copies.

    Args:
        records_dir: A conversion's folder, with one folder of shards per split.
        uri: The artifact's folder; made, and replaced where it is there.
        times: How often each shard is laid out.

    Returns:
        An Examples artifact with the splits of `features.SPLITS`.
    """
    shutil.rmtree(uri, ignore_errors=True)
    for split in features.SPLITS:
        folder = uri / f"Split-{split}"
        folder.mkdir(parents=True)
        for shard in (records_dir / split).glob("*.tfrecord.gz"):
            name = shard.name.removesuffix(".tfrecord.gz")
            for number in range(times):
                (folder / f"{name}-{number}.gz").symlink_to(shard.resolve())
    artifact = standard_artifacts.Examples()
    artifact.uri = str(uri)
    artifact.split_names = artifact_utils.encode_split_names(list(features.SPLITS))
    return artifact


def schema_artifact(uri: Path) -> Artifact:
    """Return the curated schema as a Schema artifact.

    Args:
        uri: The artifact's folder, which is made: TFX reads a schema from a folder of one file.
    """
    uri.mkdir(parents=True, exist_ok=True)
    shutil.copy(SCHEMA_FILE, uri)
    artifact = standard_artifacts.Schema()
    artifact.uri = str(uri)
    return artifact


def run_node(
    dag: Pipeline,
    node_id: str,
    inputs: Mapping[str, Artifact],
    output_dir: Path,
    beam_pipeline_args: Sequence[str],
) -> None:
    """Run the executor of a Beam node in this process.

    Args:
        dag: From `build_dag`.
        node_id: Which node.
        inputs: Its input artifacts by name.
        output_dir: Made anew; holds one folder per output afterwards.
        beam_pipeline_args: Arguments for Beam.

    Raises:
        KeyError: The DAG has no such node.
    """
    node = {component.id: component for component in dag.components}[node_id]
    shutil.rmtree(output_dir, ignore_errors=True)
    outputs = {}
    for name, channel in node.outputs.items():
        artifact = channel.type()
        artifact.uri = str(output_dir / name)
        Path(artifact.uri).mkdir(parents=True)
        outputs[name] = [artifact]
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=list(beam_pipeline_args), tmp_dir=str(output_dir / "tmp"), unique_id="1"
    )
    executor = node.executor_spec.executor_class(context)
    executor.Do({name: [value] for name, value in inputs.items()}, outputs, node.exec_properties)
