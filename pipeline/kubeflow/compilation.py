"""From the configuration to the file that KFP takes: the one DAG, compiled."""

from __future__ import annotations

import re
from pathlib import Path

from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner
from tfx.orchestration.pipeline import Pipeline

from components.external_evaluation import ExternalRecords
from contract import __version__
from contract import nodes as node_names
from contract.errors import InputError
from contract.settings import LOCATION_PATTERN, PipelineSettings
from pipeline.kubeflow.local_copies import PACKAGE_PREFIX
from pipeline.kubeflow.platform_document import platform_document
from pipeline.kubeflow.post_processing import post_process
from pipeline.kubeflow.run_summary_node import RunSummary
from pipeline.kubeflow.task_parameters import RUN_ID
from pipeline.kubeflow.verdict_node import Verdict
from pipeline.kubeflow.yaml_text import to_yaml
from pipeline.pipeline import Places, create_pipeline

ENTRYPOINT = ("python", "-m", "pipeline.kubeflow.entrypoint")
MAX_FILE_BYTES = 32 * 1024 * 1024  # what KFP takes as an upload
# A Workflow with what Argo notes of each node has to fit into 1 MiB of etcd, compressed; about 27
# candidates do. Argo says so in the middle of the run, and loses it.
MAX_CANDIDATES = 24
_SCHEMA_FILE = PACKAGE_PREFIX + "models/schema/schema.pbtxt"


def create_cluster_pipeline(settings: PipelineSettings, *, synthetic: bool = False) -> Pipeline:
    """Build the DAG with a cluster's places, and the node that only a cluster needs.

    See `pipeline.pipeline.create_pipeline`.

    Raises:
        InputError: The configuration asks for TFX's InfraValidator, which its compiler refuses,
            or names an external set that no pod could read.
    """
    if settings.serving.infra_validation != "none":
        raise InputError(
            "serving.infra_validation: expected none where the pipeline is compiled for Kubeflow, "
            f"got {settings.serving.infra_validation}: TFX's compiler for Kubeflow Pipelines v2 "
            "takes no InfraValidator. ServabilityCheck serves the export there all the same; "
            "ask a real TF Serving in a local run"
        )
    cluster = settings.kubeflow
    mounts_everywhere = cluster.volume.claim != "" and cluster.volume.mounted_by == "all"
    dag = create_pipeline(
        settings,
        Places(
            records_dir=cluster.data_dir,
            pipeline_root="",  # KFP's own: given with the run, or by the cluster
            push_dir=cluster.push_dir,
            trials_dir=cluster.trials_dir if mounts_everywhere else "",
            schema_file=_SCHEMA_FILE,
            external={
                name: ExternalRecords(_records_folder(name, each.source))
                for name, each in settings.external.items()
            },
        ),
        synthetic=synthetic,
    )
    nodes = {node.id: node for node in dag.components}
    verdict = Verdict(
        pushed_model=nodes[node_names.PUSHER].outputs["pushed_model"],
        blessing=nodes[node_names.GATE].outputs["blessing"],
        infra_blessing=nodes[node_names.SERVABILITY_CHECK].outputs["blessing"],
    )
    # As TFX's compiler itself adds an exit handler: a pipeline's nodes are known to its registry.
    with dag.dsl_context_registry.temporary_mutable():
        dag.dsl_context_registry.put_node(verdict)
    dag.components = [*dag.components, verdict]
    return dag


def _records_folder(name: str, source: str) -> str:
    """Return where an external set's records are; what has to be converted first is refused."""
    if not re.fullmatch(LOCATION_PATTERN, source) or source.endswith((".zip", ".csv")):
        raise InputError(
            f"external.{name}.source: expected a folder of records on the volume (/...) or in an "
            f"object store (s3://...) where the pipeline is compiled for Kubeflow, got {source}; "
            "convert it there by `python -m pipeline.convert --external-set --data SOURCE "
            "--output FOLDER`, and give that folder"
        )
    return source


def compile_pipeline(settings: PipelineSettings, *, synthetic: bool = False) -> str:
    """Compile the DAG for open-source Kubeflow Pipelines v2.

    Args:
        settings: The whole configuration.
        synthetic: Whether the records are drawn, which all pages then say. Nothing in them
            shows it, and the compiler does not see them.

    Returns:
        The text of a YAML file with two documents: the pipeline, and what Kubernetes gives to
        its pods.

    Raises:
        InputError: The configuration names a node that is not there or that Kubeflow cannot run,
            or the file is too large.
    """
    if len(settings.candidates) > MAX_CANDIDATES:
        raise InputError(
            f"candidates: expected at most {MAX_CANDIDATES} where the pipeline is compiled for "
            f"Kubeflow, got {len(settings.candidates)}: Argo cannot store a larger workflow, and "
            "would lose it in the middle of the run; compile several pipelines with fewer each"
        )
    dag = create_cluster_pipeline(settings, synthetic=synthetic)
    runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(
        kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
            default_image=settings.kubeflow.image,
            default_commands=list(ENTRYPOINT),
            use_pipeline_spec_2_1=True,
        )
    )
    runner.set_exit_handler(
        RunSummary(
            runs_dir=settings.kubeflow.runs_dir,
            run_id=RUN_ID,
            webhook_variable=settings.kubeflow.webhook_variable,
        )
    )
    compiled = runner.run(dag, write_out=False)["pipelineSpec"]
    spec = post_process(compiled, settings, dag)
    text = (
        f"# Pipeline {settings.name}, compiled by version {__version__} of the project for "
        "Kubeflow Pipelines v2.\n# Edit the configuration and compile again, not this file.\n"
        + to_yaml(spec)
        + "---\n"
        + to_yaml(platform_document(settings, list(spec["deploymentSpec"]["executors"])))
    )
    if len(text.encode()) > MAX_FILE_BYTES:
        raise InputError(
            f"expected a compiled pipeline of at most {MAX_FILE_BYTES} bytes, which is what KFP "
            f"takes, got {len(text.encode())}; configure fewer candidates"
        )
    return text


def write_pipeline(settings: PipelineSettings, output: Path, *, synthetic: bool = False) -> None:
    """Compile into a file; see `compile_pipeline`.

    Raises:
        InputError: See `compile_pipeline`; or the name does not end in .yaml, which KFP wants.
    """
    if output.suffix not in (".yaml", ".yml"):
        raise InputError(
            f"expected an output name that ends in .yaml, got {output}: KFP takes a pipeline in "
            "that form only"
        )
    text = compile_pipeline(settings, synthetic=synthetic)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
