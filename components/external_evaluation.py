"""The ExternalEvaluation node: the final model on X-rays from outside the training data.

It comes after the choice, and takes what the Selector has chosen. Nothing that trains, tunes,
chooses or sets a threshold may take its output: the report shows it, and the gate reads it where
the configuration has bounds for it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_component, base_executor
from tfx.types import Artifact, BaseChannel, artifact_utils
from tfx.utils import path_utils

from components.candidate_inputs import create_candidates_node
from components.external_artifact import ExternalEvaluationReport
from contract import features, nodes
from evaluation.external import ExternalReport, ExternalSet
from ingestion.dataset_card import read_card
from ingestion.external import SPLIT
from ingestion.tfrecord_file import read_folder
from report.external.figures import make_external_set
from report.served_predictions import predict_records

MODEL, EXAMPLES, EVALUATION = "model", "examples", "evaluation"
# Properties, both JSON by the set's name.
RECORDS_DIRS, FINGERPRINTS = "external_records", "fingerprints"

_SEEN_SPLITS = (features.TRAIN, features.VALIDATION)  # what a model is trained and chosen on


@dataclasses.dataclass(frozen=True)
class ExternalRecords:
    """A set's converted records.

    Attributes:
        folder: As `ingestion.external.convert_external` leaves it.
        fingerprint: Of what they were made from; "" where only the folder's name is known.
    """

    folder: str
    fingerprint: str = ""


def judge_set(saved_model: Path, name: str, records_dir: Path, seen: frozenset[str]) -> ExternalSet:
    """Judge a saved model on all images of an external set.

    Args:
        saved_model: Folder with `saved_model.pb`.
        name: Of the set, for progress.
        records_dir: Folder of its records and their card.
        seen: Hashes of the images that the model was trained or chosen on.

    Raises:
        OSError: There are no records with a card.
        ValueError: They are not of this version.
    """
    records = records_dir / SPLIT
    return make_external_set(
        predict_records(saved_model, records, f"Judging {name}"),
        read_card(records_dir),
        read_pixel_hashes(records),
        seen,
    )


def read_pixel_hashes(records: Path) -> list[str]:
    """Return the hash of each image's pixels.

    Args:
        records: Folder of gzipped TFRecord files.
    """
    return [record.text(features.PIXEL_SHA256) for record in read_folder(records)]


class Executor(base_executor.BaseExecutor):
    """Runs `judge_set` for each set."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Judge the model of `input_dict` on all sets that the properties name."""
        model = path_utils.serving_model_dir(artifact_utils.get_single_uri(input_dict[MODEL]))
        seen = frozenset(
            value
            for split in _SEEN_SPLITS
            for value in read_pixel_hashes(
                Path(artifact_utils.get_split_uri(input_dict[EXAMPLES], split))
            )
        )
        folders = json.loads(exec_properties[RECORDS_DIRS])
        report = ExternalReport(
            sets={
                name: judge_set(Path(model), name, Path(folder), seen)
                for name, folder in folders.items()
            }
        )
        report.write(Path(artifact_utils.get_single_uri(output_dict[EVALUATION])))


def create_external_evaluation(
    sets: Mapping[str, ExternalRecords],
    *,
    model: BaseChannel,
    examples: BaseChannel,
    code_version: str,
) -> base_component.BaseComponent:
    """Return the ExternalEvaluation node.

    Args:
        sets: At least one, by name.
        model: What the Selector has chosen (Model).
        examples: Raw examples (Examples): train and validation are read, to know what was seen.
        code_version: Version of the project's code, in the cache key.

    Returns:
        A node with the id `ExternalEvaluation` and the output `evaluation`.
    """
    return create_candidates_node(
        nodes.EXTERNAL_EVALUATION,
        Executor,
        {},  # the chosen one alone
        inputs={MODEL: model, EXAMPLES: examples},
        outputs={EVALUATION: ExternalEvaluationReport},
        parameters={
            RECORDS_DIRS: json.dumps({name: each.folder for name, each in sets.items()}),
            FINGERPRINTS: json.dumps({name: each.fingerprint for name, each in sets.items()}),
            "code_version": code_version,
        },
    )
