"""The ServabilityCheck node: a fresh process serves the export, and must say what the trainer says.

It comes after the gate, which judged what the export says in the Evaluator's process. Its
blessing is of the type of TFX's InfraValidator, and the Pusher reads it as that.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_component, base_executor
from tfx.types import Artifact, BaseChannel, artifact_utils
from tfx.types.standard_artifacts import InfraBlessing
from tfx.utils import path_utils

from components.candidate_inputs import MODEL_RUN, create_candidates_node, folders_of
from components.uncached_driver import UncachedDriver
from contract import features, nodes
from contract.settings import ServabilityRun
from serving.servability.process import NotServableError, ask_fresh_process
from serving.servability.reference import choose_records, load_trainer, trainer_answers
from serving.servability.report import ServabilityReport, compare, refuse

SELECTED_MODEL, SELECTED_RUN = "selected_model", "selected_run"
EXAMPLES, TRANSFORMED_EXAMPLES = "examples", "transformed_examples"
BLESSING = "blessing"
SETTINGS = "settings"  # a ServabilityRun as JSON
# As TFX's InfraValidator has them; it does not export the names.
BLESSED_PROPERTY = "blessed"
BLESSED_FILE, NOT_BLESSED_FILE = "INFRA_BLESSED", "INFRA_NOT_BLESSED"

_LOGGER = logging.getLogger(__name__)


class Executor(base_executor.BaseExecutor):
    """Runs `check` on the node's artifacts."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Check the export of `input_dict`, and bless it or not."""
        report = check(
            model_dir=Path(
                path_utils.serving_model_path(
                    artifact_utils.get_single_uri(input_dict[SELECTED_MODEL])
                )
            ),
            model_run=Path(artifact_utils.get_single_uri(input_dict[SELECTED_RUN])),
            member_runs=folders_of(input_dict, MODEL_RUN),
            records=_validation(input_dict[EXAMPLES]),
            transformed=_validation(input_dict[TRANSFORMED_EXAMPLES]),
            run=ServabilityRun.model_validate_json(exec_properties[SETTINGS]),
        )
        bless(artifact_utils.get_single_instance(output_dict[BLESSING]), report)


def _validation(examples: list[Artifact]) -> Path:
    return Path(artifact_utils.get_split_uri(examples, features.VALIDATION))


def check(
    model_dir: Path,
    model_run: Path,
    member_runs: Mapping[str, Path],
    records: Path,
    transformed: Path,
    run: ServabilityRun,
) -> ServabilityReport:
    """Compare a fresh process's answers with the trainer's.

    Args:
        model_dir: The export, with `saved_model.pb`.
        model_run: What the selected candidate left.
        member_runs: What each candidate left, by its name, for an ensemble.
        records: Folder of the raw validation split.
        transformed: Folder of the same split as Transform left it.
        run: The settings.
    """
    chosen = choose_records(records, run.serving.check_images)
    bound = run.serving.max_difference
    # Once, and while the other process starts.
    load = functools.cache(lambda: load_trainer(model_run, member_runs))
    try:
        probe = ask_fresh_process(model_dir, chosen, run.serving.timeout_s, meanwhile=load)
    except NotServableError as error:
        return refuse(str(error), len(chosen), bound)
    trainer = trainer_answers(
        load(), model_run, transformed, run.image_size_px, wanted=probe.pixels
    )
    return compare(probe, trainer, bound)


def bless(blessing: Artifact, report: ServabilityReport) -> None:
    """Write a report and its verdict into an InfraBlessing, as TFX's InfraValidator does."""
    folder = Path(blessing.uri)
    report.write(folder)
    (folder / (BLESSED_FILE if report.blessed else NOT_BLESSED_FILE)).touch()
    blessing.set_int_custom_property(BLESSED_PROPERTY, int(report.blessed))
    if report.blessed:
        _LOGGER.info(
            "A fresh process serves the export: largest difference %.2g", report.largest_difference
        )
    for reason in report.reasons:
        _LOGGER.warning("The export may not be pushed: %s", reason)


def create_servability_check(
    members: Mapping[str, Mapping[str, BaseChannel]],
    *,
    model: BaseChannel,
    model_run: BaseChannel,
    examples: BaseChannel,
    transformed_examples: BaseChannel,
    settings: ServabilityRun,
    code_version: str,
) -> base_component.BaseComponent:
    """Return the ServabilityCheck node.

    Args:
        members: Outputs of each candidate, with `model_run`, by its name: what an ensemble may be
            made of. Empty where there is no ensemble.
        model: The selected model (Model).
        model_run: Its ModelRun.
        examples: Raw examples (Examples); validation is read.
        transformed_examples: The same from Transform.
        settings: How many images, the bound, the time.
        code_version: Version of the project's code, recorded with the node.

    Returns:
        A node with the id `ServabilityCheck` and the output `blessing` (InfraBlessing).
    """
    return create_candidates_node(
        nodes.SERVABILITY_CHECK,
        Executor,
        {name: {MODEL_RUN: outputs[MODEL_RUN]} for name, outputs in members.items()},
        inputs={
            SELECTED_MODEL: model,
            SELECTED_RUN: model_run,
            EXAMPLES: examples,
            TRANSFORMED_EXAMPLES: transformed_examples,
        },
        outputs={BLESSING: InfraBlessing},
        parameters={SETTINGS: settings.model_dump_json(), "code_version": code_version},
        # A machine that was too busy once vetoes that run only.
        driver=UncachedDriver,
    )
