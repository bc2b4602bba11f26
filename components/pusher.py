"""The Pusher node: puts a blessed model where servers pick it up.

TFX's Pusher names versions by the second and copies file by file into the folder that servers
poll. Here versions count 1, 2, 3, ... so that a person can name one, and a version appears whole
or not at all: it is copied beside its place and renamed into it.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from tfx.components.pusher import executor as tfx_pusher
from tfx.dsl.components.base import base_component, base_driver, executor_spec
from tfx.orchestration.portable import base_driver as portable_driver
from tfx.orchestration.portable.data_types import ExecutionInfo
from tfx.proto import pusher_pb2
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import (
    Artifact,
    BaseChannel,
    Channel,
    artifact_utils,
    standard_artifacts,
    standard_component_specs,
)
from tfx.types.component_spec import ComponentSpec, ExecutionParameter
from tfx.utils import proto_utils

from components.push_folder import push, version_dir

# Custom properties of the PushedModel artifact. The first three are TFX's.
PUSHED_PROPERTY = "pushed"  # 1: the model lies at the destination; 0: it was refused
DESTINATION_PROPERTY = "pushed_destination"  # path of the version's folder
VERSION_PROPERTY = "pushed_version"  # its number, as text
ALREADY_PUSHED_PROPERTY = "already_pushed"  # 1: it lay there before this run
RECORD_FILE = "pushed.json"  # the same, in the artifact's folder

CODE_VERSION_KEY = "code_version"

_LOGGER = logging.getLogger(__name__)


class VersioningExecutor(tfx_pusher.Executor):
    """TFX's executor with whole-or-nothing pushes and counted versions."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Push the model if it is blessed, and tell in `pushed_model` what was done."""
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed_model = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        if not self.CheckBlessing(input_dict):
            _LOGGER.info("The model is not blessed: nothing is pushed")
            _record(pushed_model, {PUSHED_PROPERTY: 0})
            return
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(
            exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination
        )
        push_dir = Path(destination.filesystem.base_directory)
        version, is_new = push(Path(self.GetModelPath(input_dict)), push_dir)
        path = version_dir(push_dir, version)
        _LOGGER.info("%s: %s", "Pushed" if is_new else "Already pushed", path)
        _record(
            pushed_model,
            {
                PUSHED_PROPERTY: 1,
                ALREADY_PUSHED_PROPERTY: int(not is_new),
                VERSION_PROPERTY: str(version),
                DESTINATION_PROPERTY: str(path),
            },
        )

    def CheckBlessing(self, input_dict: dict[str, list[Artifact]]) -> bool:  # noqa: N802
        """Tell whether the gate blessed the model; without its blessing nothing is pushed.

        Some stores hand integers back as floats: 1.0 counts as 1.
        """
        blessing = artifact_utils.get_single_instance(
            input_dict[standard_component_specs.MODEL_BLESSING_KEY]
        )
        return blessing.get_custom_property("blessed") == 1


def _record(pushed_model: Artifact, facts: dict[str, int | str]) -> None:
    for name, value in facts.items():
        if isinstance(value, int):
            pushed_model.set_int_custom_property(name, value)
        else:
            pushed_model.set_string_custom_property(name, value)
    folder = Path(pushed_model.uri)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


class UncachedDriver(base_driver.BaseDriver, portable_driver.BaseDriver):
    """Keeps the node out of the cache.

    The push folder is outside what TFX knows: someone may have emptied it since. Each attempt
    gets an execution property of its own, so no earlier one answers for it; pushing the same
    model again changes nothing.
    """

    def __init__(self, metadata_handle: Any):
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_driver.BaseDriver.__init__(self, metadata_handle)

    def run(self, execution_info: ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Return the attempt's own execution property."""
        pushed_model = artifact_utils.get_single_instance(
            execution_info.output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        result = driver_output_pb2.DriverOutput()
        # TFX gives every execution its own output folder.
        result.exec_properties["attempt"].string_value = pushed_model.uri
        return result


class PusherSpec(ComponentSpec):
    """TFX's Pusher, with the code version among its parameters."""

    PARAMETERS = {  # noqa: RUF012 - TFX reads a plain class attribute
        **standard_component_specs.PusherSpec.PARAMETERS,
        CODE_VERSION_KEY: ExecutionParameter(type=str),
    }
    INPUTS = standard_component_specs.PusherSpec.INPUTS
    OUTPUTS = standard_component_specs.PusherSpec.OUTPUTS
    TYPE_ANNOTATION = standard_component_specs.PusherSpec.TYPE_ANNOTATION


class Pusher(base_component.BaseComponent):
    """Pushes a blessed model. Output: `pushed_model` (PushedModel)."""

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(VersioningExecutor)
    DRIVER_CLASS = UncachedDriver


def create_pusher(
    model: BaseChannel, model_blessing: BaseChannel, push_dir: str, code_version: str
) -> Pusher:
    """Return the Pusher node.

    Args:
        model: The candidate (Model).
        model_blessing: The gate's verdict (ModelBlessing).
        push_dir: Folder with numbered versions, on a local or mounted disk.
        code_version: Version of the project's code.

    Returns:
        A node with the id `Pusher`, whose `pushed_model` artifact carries `pushed` (1 or 0) and,
        where 1, `pushed_version`, `pushed_destination` and `already_pushed`.
    """
    spec = PusherSpec(
        model=model,
        model_blessing=model_blessing,
        push_destination=pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=push_dir)
        ),
        pushed_model=Channel(type=standard_artifacts.PushedModel),
        code_version=code_version,
    )
    return Pusher(spec=spec).with_id("Pusher")
