"""TFX's Tuner and Trainer, which here know how many images of each class there are.

Images that are streamed are weighed without being counted first: StatisticsGen has counted them.
TFX's Trainer takes its statistics, but gives user code the number of records alone; its Tuner
takes none.
"""

from __future__ import annotations

from typing import Any, ClassVar

from tfx import components as tfx_components
from tfx.components.trainer.executor import GenericExecutor
from tfx.components.tuner import executor as tuner_executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.proto import trainer_pb2
from tfx.types import Artifact, BaseChannel, Channel, artifact_utils, standard_component_specs
from tfx.types.component_spec import ChannelParameter
from tfx.types.standard_artifacts import ExampleStatistics, HyperParameters, TunerResults
from tfx.utils import json_utils

from contract.settings import STATISTICS_KEY

_STATISTICS = standard_component_specs.STATISTICS_KEY
_CUSTOM_CONFIG = standard_component_specs.CUSTOM_CONFIG_KEY

Artifacts = dict[str, list[Artifact]]


class TrainerExecutor(GenericExecutor):
    """Calls `run_fn` with the folder of the statistics in `custom_config`."""

    def Do(  # noqa: N802 - TFX's name
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Train."""
        super().Do(*_with_statistics(input_dict, output_dict, exec_properties))


class Trainer(tfx_components.Trainer):
    """See `tfx.components.Trainer`; its input `statistics` reaches `run_fn`."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(TrainerExecutor)


class TunerExecutor(tuner_executor.Executor):
    """Calls `tuner_fn` with the folder of the statistics in `custom_config`."""

    def Do(  # noqa: N802 - TFX's name
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Search."""
        super().Do(*_with_statistics(input_dict, output_dict, exec_properties))


class TunerSpec(standard_component_specs.TunerSpec):
    """TFX's, and the statistics."""

    INPUTS: ClassVar = {
        **standard_component_specs.TunerSpec.INPUTS,
        _STATISTICS: ChannelParameter(type=ExampleStatistics),
    }


class Tuner(base_component.BaseComponent):
    """See `tfx.components.Tuner`, which has no input for statistics.

    Args:
        examples: Transformed examples (Examples).
        transform_graph: Transform's graph (TransformGraph).
        statistics: Of the raw examples (ExampleStatistics).
        tuner_fn: Path of the function.
        train_args: Splits to train on.
        eval_args: Splits to validate on.
        custom_config: For `tuner_fn`.
    """

    SPEC_CLASS = TunerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(TunerExecutor)

    def __init__(
        self,
        *,
        examples: BaseChannel,
        transform_graph: BaseChannel,
        statistics: BaseChannel,
        tuner_fn: str,
        train_args: trainer_pb2.TrainArgs,
        eval_args: trainer_pb2.EvalArgs,
        custom_config: dict[str, Any],
    ) -> None:
        super().__init__(
            spec=TunerSpec(
                examples=examples,
                transform_graph=transform_graph,
                statistics=statistics,
                tuner_fn=tuner_fn,
                train_args=train_args,
                eval_args=eval_args,
                custom_config=json_utils.dumps(custom_config),
                best_hyperparameters=Channel(type=HyperParameters),
                tuner_results=Channel(type=TunerResults),
            )
        )


def _with_statistics(
    input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
) -> tuple[Artifacts, Artifacts, dict[str, Any]]:
    """Return an executor's arguments, the folder of the statistics moved into `custom_config`."""
    config = json_utils.loads(exec_properties[_CUSTOM_CONFIG])
    config[STATISTICS_KEY] = artifact_utils.get_single_uri(input_dict[_STATISTICS])
    others = {name: artifacts for name, artifacts in input_dict.items() if name != _STATISTICS}
    return others, output_dict, {**exec_properties, _CUSTOM_CONFIG: json_utils.dumps(config)}
