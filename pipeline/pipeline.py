"""The one DAG. Every runner builds it here; they differ in places and runner only."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import tensorflow_data_validation as tfdv
from ml_metadata.proto import metadata_store_pb2
from tfx import components as tfx_components
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.components.base.base_node import BaseNode
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import example_gen_pb2, transform_pb2
from tfx.types import BaseChannel

from components.audit import DataAudit
from components.baseline import Baseline
from components.candidate_inputs import MODEL, MODEL_RUN
from components.ensemble import create_ensemble
from components.evaluator import create_evaluator
from components.external_evaluation import (
    EVALUATION,
    ExternalRecords,
    create_external_evaluation,
)
from components.gate import ModelGate
from components.pusher import create_pusher
from components.report import TUNER_RESULTS
from components.selector import create_selector
from components.study_table import create_study_table
from contract import features
from contract.code_version import code_version
from contract.settings import (
    CUSTOM_CONFIG_KEY,
    EnsembleRun,
    PipelineSettings,
    StudyRun,
)
from evaluation.tfma_config import create_eval_config
from models.ensemble import ENSEMBLE
from pipeline.candidate_nodes import create_candidate_nodes
from pipeline.node_properties import add_beam_arguments, stamp
from pipeline.report_node import create_report_node
from pipeline.serving_nodes import create_serving_nodes
from serving.push_folder import push_fingerprint

SCHEMA_FILE = Path(__file__).resolve().parent.parent / "models" / "schema" / "schema.pbtxt"
# What a node's result follows from, beside its inputs and properties.
_SCHEMA_CODE = ("models/schema",)
_TRANSFORM_CODE = ("models/preprocessing.py", "contract/features.py", "contract/settings.py")
_MODEL_CODE = ("models", "contract/settings.py", "contract/progress.py")
_ALL_CODE = (*_MODEL_CODE, "components", "evaluation/tfma_config.py")


@dataclasses.dataclass(frozen=True)
class Places:
    """Where a run reads and writes.

    Attributes:
        records_dir: TFRecords of the feature contract, one folder per split.
        pipeline_root: TFX's artifacts.
        push_dir: Numbered versions of the served model.
        trials_dir: Searches that have not ended, to go on with; "" keeps none.
        schema_file: The schema of the records.
        external: Converted records of each set of the section `external`.
    """

    records_dir: str
    pipeline_root: str
    push_dir: str
    trials_dir: str = ""
    schema_file: str = str(SCHEMA_FILE)
    external: Mapping[str, ExternalRecords] = dataclasses.field(default_factory=dict)


def create_pipeline(
    settings: PipelineSettings,
    places: Places,
    metadata_connection: metadata_store_pb2.ConnectionConfig | None = None,
    *,
    synthetic: bool = False,
) -> Pipeline:
    """Build the pipeline, from records to a pushed model.

    Args:
        settings: The whole configuration.
        places: Where it reads and writes.
        metadata_connection: The metadata store; None where the platform brings one.
        synthetic: Whether the records were drawn, which nothing in them tells.

    Returns:
        The pipeline, with caching on.
    """
    all_code = code_version(*_ALL_CODE)
    example_gen = tfx_components.ImportExampleGen(
        input_base=places.records_dir, input_config=_input_splits()
    )
    examples = example_gen.outputs["examples"]
    schema_gen = ImportSchemaGen(schema_file=places.schema_file)
    schema = schema_gen.outputs["schema"]
    # The schema says that the images are images: no statistics of their bytes.
    # Sketches count what has as many values as records, such as patients, in half the time.
    statistics_gen = tfx_components.StatisticsGen(
        examples=examples,
        schema=schema,
        stats_options=tfdv.StatsOptions(use_sketch_based_topk_uniques=True),
    )
    example_validator = tfx_components.ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema
    )
    audit = DataAudit(
        examples=examples,
        anomalies=example_validator.outputs["anomalies"],
        settings=settings.data.model_dump_json(),
        code_version=all_code,
    )
    transform = tfx_components.Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="models.preprocessing.preprocessing_fn",
        # The test split stays raw and unseen until the Evaluator serves it.
        splits_config=transform_pb2.SplitsConfig(
            analyze=[features.TRAIN], transform=[features.TRAIN, features.VALIDATION]
        ),
        custom_config={CUSTOM_CONFIG_KEY: settings.transform.model_dump_json()},
        disable_statistics=True,  # of pixel bytes they would say nothing
        disable_analyzer_cache=True,  # there is no analyzer
    )
    transform.add_upstream_node(audit)

    candidate_nodes: list[BaseNode] = []
    candidates = {}
    searches: dict[str, dict[str, BaseChannel]] = {}
    for name, candidate in settings.candidates.items():
        nodes = create_candidate_nodes(
            name,
            candidate,
            settings,
            transform,
            trials_dir=places.trials_dir,
            code_version=code_version(*_MODEL_CODE),
        )
        candidate_nodes += nodes
        candidates[name] = _outputs_of(nodes[-1])
        searches[name] = {TUNER_RESULTS: nodes[0].outputs[TUNER_RESULTS]} if candidate.tune else {}
    study_nodes: list[BaseNode] = []
    if settings.study.enabled:
        # Of all that is trained here, the only node beside the Evaluator that sees the test
        # split. Nothing may take its output.
        study = create_study_table(
            candidates,
            examples=examples,
            transform_graph=transform.outputs["transform_graph"],
            settings=StudyRun(image_size_px=settings.transform.image_size_px, synthetic=synthetic),
            code_version=all_code,
        )
        study_nodes.append(study)
    if has_ensemble(settings):
        ensemble = create_ensemble(
            candidates,
            examples=transform.outputs["transformed_examples"],
            transform_graph=transform.outputs["transform_graph"],
            settings=EnsembleRun(
                seed=settings.seed,
                image_size_px=settings.transform.image_size_px,
                ensemble=settings.ensemble,
                operating_point=settings.operating_point,
            ),
            code_version=all_code,
        )
        candidate_nodes.append(ensemble)
        candidates[ENSEMBLE] = _outputs_of(ensemble)
    selector = create_selector(candidates, all_code)
    model = selector.outputs["model"]

    external_nodes: list[BaseNode] = []
    external: dict[str, BaseChannel] = {}
    if places.external:
        # After the choice, and on its way to no training: only Report takes it, and the gate where
        # it has bounds for a set.
        external_evaluation = create_external_evaluation(
            places.external, model=model, examples=examples, code_version=all_code
        )
        external_nodes.append(external_evaluation)
        external = {"external_evaluation": external_evaluation.outputs[EVALUATION]}

    baseline = Baseline(
        push_dir=places.push_dir,
        pushed_version=push_fingerprint(places.push_dir),
        require_baseline=int(settings.gate.require_baseline),
        code_version=all_code,
    )
    evaluator = create_evaluator(
        examples=examples,
        model=model,
        baseline_model=baseline.outputs["model"],
        eval_config=create_eval_config(settings.gate),
        example_splits=[features.TEST],
        code_version=all_code,
        schema=schema,
    )
    gate = ModelGate(
        evaluation=evaluator.outputs["evaluation"],
        evaluator_blessing=evaluator.outputs["blessing"],
        settings=settings.gate.model_dump_json(),
        code_version=all_code,
        **(external if settings.gate.external else {}),
    )
    serving_nodes, infra_blessings = create_serving_nodes(
        settings,
        candidates,
        selected=_outputs_of(selector),
        examples=examples,
        transformed_examples=transform.outputs["transformed_examples"],
        code_version=all_code,
    )
    # Also where the gate refuses, so that a person is told both reasons at once.
    for node in serving_nodes:
        node.add_upstream_node(gate)
    report_nodes: list[BaseNode] = []
    if settings.report.enabled:
        report = create_report_node(
            settings,
            {name: {**outputs, **searches.get(name, {})} for name, outputs in candidates.items()},
            {
                "examples": examples,
                "schema": schema,
                "statistics": statistics_gen.outputs["statistics"],
                "anomalies": example_validator.outputs["anomalies"],
                "data_audit": audit.outputs["report"],
                "transform_graph": transform.outputs["transform_graph"],
                "selected_model": model,
                "selected_run": selector.outputs["model_run"],
                "baseline_model": baseline.outputs["model"],
                "evaluation": evaluator.outputs["evaluation"],
                "blessing": gate.outputs["blessing"],
                **external,
            },
            records_dir=places.records_dir,
            metadata_file=_metadata_file(metadata_connection),
            synthetic=synthetic,
            code_version=all_code,
        )
        report_nodes.append(report)
    pusher = create_pusher(
        model=model,
        model_blessing=gate.outputs["blessing"],
        push_dir=places.push_dir,
        code_version=all_code,
        settings=settings.serving,
        **infra_blessings,
    )

    stamp([schema_gen], code_version(*_SCHEMA_CODE))
    stamp([transform], code_version(*_TRANSFORM_CODE))
    trained = [
        node
        for node in candidate_nodes
        if isinstance(node, (tfx_components.Tuner, tfx_components.Trainer))
    ]
    stamp(trained, code_version(*_MODEL_CODE))
    nodes = [
        example_gen,
        schema_gen,
        statistics_gen,
        example_validator,
        audit,
        transform,
        *candidate_nodes,
        selector,
        baseline,
        evaluator,
        *external_nodes,
        gate,
        *serving_nodes,
        *report_nodes,
        pusher,
        *study_nodes,
    ]
    add_beam_arguments(nodes, settings.beam.node_pipeline_args)
    return Pipeline(
        pipeline_name=settings.name,
        pipeline_root=places.pipeline_root,
        components=nodes,
        enable_cache=True,
        metadata_connection_config=metadata_connection,
        beam_pipeline_args=list(settings.beam.pipeline_args),
    )


def _input_splits() -> example_gen_pb2.Input:
    return example_gen_pb2.Input(
        splits=[
            example_gen_pb2.Input.Split(name=split, pattern=f"{split}/*.tfrecord.gz")
            for split in features.SPLITS
        ]
    )


def _metadata_file(connection: metadata_store_pb2.ConnectionConfig | None) -> str:
    return "" if connection is None else connection.sqlite.filename_uri


def has_ensemble(settings: PipelineSettings) -> bool:
    """Return whether the run has an ensemble of its candidates as one more candidate."""
    return settings.ensemble.enabled and len(settings.candidates) > 1


def _outputs_of(node: BaseNode) -> dict[str, BaseChannel]:
    return {kind: node.outputs[kind] for kind in (MODEL, MODEL_RUN)}
