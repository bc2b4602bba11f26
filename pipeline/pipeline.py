"""The one DAG. Every runner builds it here; they differ in places and runner only.

From top to bottom: `create_pipeline` asks for the data, the candidates, the judgement of the
selected one, and its release. Each of the four returns its nodes and the outputs that the next
ones take.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import tensorflow_data_validation as tfdv
from ml_metadata.proto import metadata_store_pb2
from tfx import components as tfx_components
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.base_node import BaseNode
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import example_gen_pb2, trainer_pb2, transform_pb2
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
from components.infra_validator import create_infra_validator
from components.pusher import create_pusher
from components.report import TUNER_RESULTS, create_report
from components.selector import create_selector
from components.servability_check import create_servability_check
from components.study_table import create_study_table
from components.training import Trainer, Tuner
from components.transform import Transform
from contract import features
from contract.code_version import code_version
from contract.errors import InputError
from contract.nodes import trainer_id, tuner_id
from contract.settings import (
    CUSTOM_CONFIG_KEY,
    CandidateRun,
    EnsembleRun,
    PipelineSettings,
    ReportRun,
    ServabilityRun,
    StudyRun,
)
from evaluation.tfma_config import create_eval_config
from models.ensemble import ENSEMBLE
from models.schema import SCHEMA_FILE
from serving.push_folder import push_fingerprint

# What a Trainer runs; a candidate that is trained apart from a run has the same version.
TRAINER_MODULES = ("models.train", "components.training")

# Outputs `model` and `model_run` of a Trainer, or of a node that replaces one.
Candidate = Mapping[str, BaseChannel]


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
        synthetic: Whether the records were drawn, which nothing in them shows.

    Returns:
        The pipeline, with caching on.

    Raises:
        InputError: `beam.node_pipeline_args` names a node that does not use Beam.

    Example:
        >>> places = Places(records_dir="records", pipeline_root="artifacts", push_dir="serving")
        >>> pipeline = create_pipeline(PipelineSettings(), places)
        >>> pipeline.components[-1].id
        'Pusher'
    """
    data = create_data_nodes(settings, places)
    candidates = create_candidates(settings, places, data)
    judgement = create_judgement(settings, places, data, candidates, synthetic=synthetic)
    release = create_release(
        settings,
        places,
        data,
        candidates,
        judgement,
        metadata_file="" if metadata_connection is None else _sqlite_file(metadata_connection),
        synthetic=synthetic,
    )
    nodes = [*data.nodes, *candidates.nodes, *judgement.nodes, *release]
    _add_beam_arguments(nodes, settings.beam.node_pipeline_args)
    return Pipeline(
        pipeline_name=settings.name,
        pipeline_root=places.pipeline_root,
        components=nodes,
        enable_cache=True,
        metadata_connection_config=metadata_connection,
        beam_pipeline_args=list(settings.beam.pipeline_args),
    )


class Data(NamedTuple):
    """Records that passed the audit, raw and transformed."""

    nodes: list[BaseNode]
    examples: BaseChannel
    schema: BaseChannel
    statistics: BaseChannel
    anomalies: BaseChannel
    audit: BaseChannel
    transformed_examples: BaseChannel
    transform_graph: BaseChannel


def create_data_nodes(settings: PipelineSettings, places: Places) -> Data:
    """Build what comes before any training: records, statistics, the audit, Transform."""
    example_gen = tfx_components.ImportExampleGen(
        input_base=places.records_dir,
        input_config=example_gen_pb2.Input(
            splits=[
                example_gen_pb2.Input.Split(name=split, pattern=f"{split}/*.tfrecord.gz")
                for split in features.SPLITS
            ]
        ),
    )
    examples = example_gen.outputs["examples"]
    schema_gen = _with_version(
        ImportSchemaGen(schema_file=places.schema_file), code_version("models.schema")
    )
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
        code_version=code_version("components.audit"),
    )
    transform = Transform(
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
    return Data(
        nodes=[
            example_gen,
            schema_gen,
            statistics_gen,
            example_validator,
            audit,
            _with_version(transform, code_version("models.preprocessing", "components.transform")),
        ],
        examples=examples,
        schema=schema,
        statistics=statistics_gen.outputs["statistics"],
        anomalies=example_validator.outputs["anomalies"],
        audit=audit.outputs["report"],
        transformed_examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
    )


class Candidates(NamedTuple):
    """What was trained, and the one that goes on.

    Attributes:
        nodes: In their order.
        trained: Each candidate of the configuration.
        searches: Results of the Tuner of each candidate that has one.
        all: `trained`, and the ensemble where there is one.
        selected: The chosen one.
    """

    nodes: list[BaseNode]
    trained: Mapping[str, Candidate]
    searches: Mapping[str, BaseChannel]
    all: Mapping[str, Candidate]
    selected: Candidate


def create_candidates(settings: PipelineSettings, places: Places, data: Data) -> Candidates:
    """Build Tuner and Trainer of each candidate, their ensemble, and the choice among them."""
    nodes: list[BaseNode] = []
    trained: dict[str, Candidate] = {}
    searches: dict[str, BaseChannel] = {}
    search_version = code_version("models.tune", "components.training")
    training_version = code_version(*TRAINER_MODULES)
    for name, candidate in settings.candidates.items():
        run = candidate_run(settings, name, training_version, places.trials_dir)
        shared = {
            "examples": data.transformed_examples,
            "transform_graph": data.transform_graph,
            "statistics": data.statistics,
            "train_args": trainer_pb2.TrainArgs(splits=[features.TRAIN]),
            "eval_args": trainer_pb2.EvalArgs(splits=[features.VALIDATION]),
        }
        hyperparameters = None
        if candidate.tune:
            search = run.model_copy(update={"code_version": search_version})
            tuner = Tuner(
                tuner_fn="models.tune.tuner_fn",
                custom_config={CUSTOM_CONFIG_KEY: search.model_dump_json()},
                **shared,
            )
            nodes.append(_with_version(tuner.with_id(tuner_id(name)), search_version))
            hyperparameters = tuner.outputs["best_hyperparameters"]
            searches[name] = tuner.outputs[TUNER_RESULTS]
        trainer = Trainer(
            run_fn="models.train.run_fn",
            hyperparameters=hyperparameters,
            custom_config={CUSTOM_CONFIG_KEY: run.model_dump_json()},
            **shared,
        )
        nodes.append(_with_version(trainer.with_id(trainer_id(name)), training_version))
        trained[name] = _candidate(trainer)
    competing = dict(trained)
    if has_ensemble(settings):
        ensemble = create_ensemble(
            trained,
            examples=data.transformed_examples,
            transform_graph=data.transform_graph,
            settings=EnsembleRun(
                seed=settings.seed,
                image_size_px=settings.transform.image_size_px,
                ensemble=settings.ensemble,
                operating_point=settings.operating_point,
            ),
            code_version=code_version("components.ensemble"),
        )
        nodes.append(ensemble)
        competing[ENSEMBLE] = _candidate(ensemble)
    selector = create_selector(competing, code_version("components.selector"))
    nodes.append(selector)
    return Candidates(nodes, trained, searches, competing, _candidate(selector))


def candidate_run(
    settings: PipelineSettings, name: str, version: str, trials_dir: str = ""
) -> CandidateRun:
    """Return what a candidate's Tuner and Trainer receive.

    Args:
        settings: The whole configuration.
        name: One of its candidates.
        version: Of the code that trains.
        trials_dir: See `Places`.
    """
    return CandidateRun(
        name=name,
        seed=settings.seed,
        image_size_px=settings.transform.image_size_px,
        candidate=settings.candidates[name],
        tuner=settings.tuner,
        operating_point=settings.operating_point,
        trials_dir=trials_dir,
        code_version=version,
    )


def has_ensemble(settings: PipelineSettings) -> bool:
    """Return whether the run has an ensemble of its candidates as one more candidate."""
    return settings.ensemble.enabled and len(settings.candidates) > 1


class Judgement(NamedTuple):
    """What the test split, and sets from elsewhere, say of the selected candidate."""

    nodes: list[BaseNode]
    baseline: BaseChannel
    evaluation: BaseChannel
    external: Mapping[str, BaseChannel]  # "external_evaluation", where there are external sets
    blessing: BaseChannel
    gate: BaseNode


def create_judgement(
    settings: PipelineSettings,
    places: Places,
    data: Data,
    candidates: Candidates,
    *,
    synthetic: bool,
) -> Judgement:
    """Build what judges the selected candidate, the gate last.

    Args:
        settings: The whole configuration.
        places: Where the run reads and writes.
        data: What the data nodes gave.
        candidates: What was trained.
        synthetic: Whether the records were drawn.
    """
    model = candidates.selected[MODEL]
    baseline = Baseline(
        push_dir=places.push_dir,
        pushed_version=push_fingerprint(places.push_dir),
        require_baseline=int(settings.gate.require_baseline),
        code_version=code_version("components.baseline"),
    )
    evaluator = create_evaluator(
        examples=data.examples,
        model=model,
        baseline_model=baseline.outputs["model"],
        eval_config=create_eval_config(settings.gate),
        example_splits=[features.TEST],
        code_version=code_version("components.evaluator"),
        schema=data.schema,
    )
    nodes: list[BaseNode] = [baseline, evaluator]
    external: dict[str, BaseChannel] = {}
    if places.external:
        # After the choice, and on its way to no training: only Report takes it, and the gate where
        # it has bounds for a set.
        external_evaluation = create_external_evaluation(
            places.external,
            model=model,
            examples=data.examples,
            code_version=code_version("components.external_evaluation"),
        )
        nodes.append(external_evaluation)
        external = {"external_evaluation": external_evaluation.outputs[EVALUATION]}
    gate = ModelGate(
        evaluation=evaluator.outputs["evaluation"],
        evaluator_blessing=evaluator.outputs["blessing"],
        settings=settings.gate.model_dump_json(),
        code_version=code_version("components.gate"),
        synthetic=int(synthetic),
        **(external if settings.gate.external else {}),
    )
    return Judgement(
        nodes=[*nodes, gate],
        baseline=baseline.outputs["model"],
        evaluation=evaluator.outputs["evaluation"],
        external=external,
        blessing=gate.outputs["blessing"],
        gate=gate,
    )


def create_release(
    settings: PipelineSettings,
    places: Places,
    data: Data,
    candidates: Candidates,
    judgement: Judgement,
    *,
    metadata_file: str,
    synthetic: bool,
) -> list[BaseNode]:
    """Build what tries the export, shows the run to people, and pushes.

    Args:
        settings: The whole configuration.
        places: Where the run reads and writes.
        data: What the data nodes gave.
        candidates: What was trained.
        judgement: What was measured.
        metadata_file: The metadata store, where it is a file on this machine; else "".
        synthetic: Whether the records were drawn.
    """
    model = candidates.selected[MODEL]
    image_size_px = settings.transform.image_size_px
    servability = create_servability_check(
        # What an ensemble was put together from; any other model is in its own run.
        candidates.trained if ENSEMBLE in candidates.all else {},
        model=model,
        model_run=candidates.selected[MODEL_RUN],
        examples=data.examples,
        transformed_examples=data.transformed_examples,
        settings=ServabilityRun(image_size_px=image_size_px, serving=settings.serving),
        code_version=code_version("components.servability_check", "serving.servability.__main__"),
    )
    # Also where the gate refuses, so that the report has both reasons.
    servability.add_upstream_node(judgement.gate)
    nodes: list[BaseNode] = [servability]
    blessings = {"infra_blessing": servability.outputs["blessing"]}
    if settings.serving.infra_validation != "none":
        validator = create_infra_validator(
            model, data.examples, settings.serving, model_name=settings.name
        )
        # After the check: a container takes longer, and a wrong answer is known before that.
        validator.add_upstream_node(servability)
        validator.add_upstream_node(judgement.gate)
        nodes.append(validator)
        blessings["server_blessing"] = validator.outputs["blessing"]
    if settings.report.enabled:
        nodes.append(
            create_report(
                {
                    name: {
                        **outputs,
                        **(
                            {TUNER_RESULTS: candidates.searches[name]}
                            if name in candidates.searches
                            else {}
                        ),
                    }
                    for name, outputs in candidates.all.items()
                },
                {
                    "examples": data.examples,
                    "schema": data.schema,
                    "statistics": data.statistics,
                    "anomalies": data.anomalies,
                    "data_audit": data.audit,
                    "transform_graph": data.transform_graph,
                    "selected_model": model,
                    "selected_run": candidates.selected[MODEL_RUN],
                    "baseline_model": judgement.baseline,
                    "evaluation": judgement.evaluation,
                    "blessing": judgement.blessing,
                    **judgement.external,
                },
                ReportRun(
                    pipeline_name=settings.name,
                    seed=settings.seed,
                    image_size_px=image_size_px,
                    synthetic=synthetic,
                    report=settings.report,
                ),
                records_dir=places.records_dir,
                metadata_file=metadata_file,
                code_version=code_version("components.report"),
            )
        )
    nodes.append(
        create_pusher(
            model=model,
            model_blessing=judgement.blessing,
            push_dir=places.push_dir,
            code_version=code_version("components.pusher"),
            settings=settings.serving,
            **blessings,
        )
    )
    if settings.study.enabled:
        # Of all that is made here, the only node beside the Evaluator, the report and the check
        # of external sets that sees the test split. Nothing may take its output.
        nodes.append(
            create_study_table(
                candidates.trained,
                examples=data.examples,
                transform_graph=data.transform_graph,
                settings=StudyRun(image_size_px=image_size_px, synthetic=synthetic),
                code_version=code_version("components.study_table"),
            )
        )
    return nodes


def _with_version(node: BaseNode, version: str) -> BaseNode:
    """Put the code's fingerprint into the cache key of a node of TFX's own; ours declare it."""
    node.exec_properties["code_version"] = version
    return node


def _candidate(node: BaseNode) -> Candidate:
    return {kind: node.outputs[kind] for kind in (MODEL, MODEL_RUN)}


def _sqlite_file(connection: metadata_store_pb2.ConnectionConfig) -> str:
    return str(connection.sqlite.filename_uri)


def _add_beam_arguments(nodes: list[BaseNode], arguments: Mapping[str, tuple[str, ...]]) -> None:
    """Give single nodes their Beam arguments."""
    beam_nodes = {node.id: node for node in nodes if isinstance(node, BaseBeamComponent)}
    for node_id, its_arguments in arguments.items():
        if node_id not in beam_nodes:
            raise InputError(
                "beam.node_pipeline_args: expected nodes that use Beam, which are "
                f"{', '.join(beam_nodes)}, got {node_id!r}"
            )
        beam_nodes[node_id].with_beam_pipeline_args(list(its_arguments))
