"""The nodes of one candidate: its Tuner and its Trainer."""

from __future__ import annotations

from tfx import components as tfx_components
from tfx.dsl.components.base.base_node import BaseNode
from tfx.proto import trainer_pb2

from contract import features
from contract.settings import (
    CUSTOM_CONFIG_KEY,
    CandidateRun,
    CandidateSettings,
    PipelineSettings,
)


def tuner_id(candidate: str) -> str:
    """Return the id of a candidate's Tuner; Kubeflow's task names have no underscores."""
    return "Tuner-" + candidate.replace("_", "-")


def trainer_id(candidate: str) -> str:
    """Return the id of a candidate's Trainer."""
    return "Trainer-" + candidate.replace("_", "-")


def create_candidate_nodes(
    name: str,
    candidate: CandidateSettings,
    settings: PipelineSettings,
    transform: tfx_components.Transform,
    *,
    trials_dir: str,
    code_version: str,
) -> list[BaseNode]:
    """Build a candidate's Tuner, where it is tuned, and its Trainer, which comes last.

    Args:
        name: The candidate's, in the configuration.
        candidate: Its settings.
        settings: The whole configuration.
        transform: The node whose records it is trained on.
        trials_dir: Searches that have not ended, to go on with; "" keeps none.
        code_version: Of what trains.
    """
    run = CandidateRun(
        name=name,
        seed=settings.seed,
        image_size_px=settings.transform.image_size_px,
        candidate=candidate,
        tuner=settings.tuner,
        operating_point=settings.operating_point,
        trials_dir=trials_dir,
        code_version=code_version,
    )
    shared = {
        "examples": transform.outputs["transformed_examples"],
        "transform_graph": transform.outputs["transform_graph"],
        "train_args": trainer_pb2.TrainArgs(splits=[features.TRAIN]),
        "eval_args": trainer_pb2.EvalArgs(splits=[features.VALIDATION]),
        "custom_config": {CUSTOM_CONFIG_KEY: run.model_dump_json()},
    }
    nodes: list[BaseNode] = []
    hyperparameters = None
    if candidate.tune:
        tuner = tfx_components.Tuner(tuner_fn="models.tune.tuner_fn", **shared).with_id(
            tuner_id(name)
        )
        hyperparameters = tuner.outputs["best_hyperparameters"]
        nodes.append(tuner)
    trainer = tfx_components.Trainer(
        run_fn="models.train.run_fn", hyperparameters=hyperparameters, **shared
    )
    nodes.append(trainer.with_id(trainer_id(name)))
    return nodes
