"""The Ensemble node: the best candidates together, as one more candidate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow_transform as tft
from tfx.dsl.components.base import base_component, base_executor
from tfx.types import Artifact, BaseChannel, artifact_utils
from tfx.types.standard_artifacts import Model, ModelRun
from tfx.utils import path_utils

from components.candidate_inputs import MODEL, MODEL_RUN, create_candidates_node, folders_of
from contract import features, nodes
from contract.settings import EnsembleRun
from evaluation.training_report import CASES_FILE, PREDICTIONS_FILE, REPORT_FILE
from models.digests import weights_digest
from models.ensemble import build_ensemble
from models.export import OperatingRule, ServedModel, export_model
from models.judgement import cases_of
from models.provenance import PROVENANCE_FILE, Provenance, describe_origin
from models.reference_scores import ReferenceScores
from models.streamed_split import open_stream

EXAMPLES, TRANSFORM_GRAPH = "examples", "transform_graph"
SETTINGS = "settings"  # an EnsembleRun as JSON
CODE_VERSION = "code_version"


class Executor(base_executor.BaseExecutor):
    """Builds, judges and exports the ensemble."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write the ensemble as a Trainer writes its candidate."""
        run = EnsembleRun.model_validate_json(exec_properties[SETTINGS])
        validation_uri = artifact_utils.get_split_uri(input_dict[EXAMPLES], features.VALIDATION)
        # Members' predictions are at hand: of the images, no more than facts are needed.
        validation = open_stream([str(Path(validation_uri) / "*")], run.image_size_px)
        candidate_dirs = folders_of(input_dict, MODEL_RUN)
        predictor, report, predictions = build_ensemble(candidate_dirs, validation, run)
        members = {
            name: Provenance.read(candidate_dirs[name] / PROVENANCE_FILE) for name in report.members
        }
        origin = describe_origin(
            report,
            # All candidates of a run are trained on the same records.
            data_sha256=members[report.members[0]].data_sha256,
            weights_sha256=weights_digest(predictor),
            code_version=exec_properties[CODE_VERSION],
            members={name: member.model_version for name, member in members.items()},
        )
        served = ServedModel(
            predictor,
            tft.TFTransformOutput(artifact_utils.get_single_uri(input_dict[TRANSFORM_GRAPH])),
            run.image_size_px,
            OperatingRule.from_validation(report, predictions),
        )
        model_dir = Path(
            path_utils.serving_model_dir(artifact_utils.get_single_uri(output_dict[MODEL]))
        )
        export_model(served, model_dir, origin)
        ReferenceScores.from_predictions(
            validation.facts.labels, predictions.calibrated(report.calibration).plain
        ).write(model_dir)
        model_run_dir = Path(artifact_utils.get_single_uri(output_dict[MODEL_RUN]))
        predictions.write(model_run_dir / PREDICTIONS_FILE)
        cases_of(validation).write(model_run_dir / CASES_FILE)
        report.write(model_run_dir / REPORT_FILE)
        origin.write(model_run_dir / PROVENANCE_FILE)


def create_ensemble(
    candidates: Mapping[str, Mapping[str, BaseChannel]],
    examples: BaseChannel,
    transform_graph: BaseChannel,
    settings: EnsembleRun,
    code_version: str,
) -> base_component.BaseComponent:
    """Return the Ensemble node.

    Args:
        candidates: Outputs `model` and `model_run` of each candidate, by its name.
        examples: Transformed examples (Examples); validation is read.
        transform_graph: Transform's graph (TransformGraph), for the exported model.
        settings: Number of members, operating point, seed.
        code_version: Version of the project's code, in the cache key.

    Returns:
        A node with the id `Ensemble` and the outputs `model` and `model_run`.
    """
    return create_candidates_node(
        nodes.ENSEMBLE,
        Executor,
        {name: {MODEL_RUN: outputs[MODEL_RUN]} for name, outputs in candidates.items()},
        inputs={EXAMPLES: examples, TRANSFORM_GRAPH: transform_graph},
        outputs={MODEL: Model, MODEL_RUN: ModelRun},
        parameters={SETTINGS: settings.model_dump_json(), CODE_VERSION: code_version},
    )
