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
from tfx.dsl.components.base import base_component, executor_spec
from tfx.proto import pusher_pb2
from tfx.types import (
    Artifact,
    BaseChannel,
    Channel,
    artifact_utils,
    standard_artifacts,
    standard_component_specs,
)
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import proto_utils

from components.uncached_driver import UncachedDriver
from contract import nodes
from contract.settings import ServingSettings
from serving.pruning import prune
from serving.push_folder import push, version_dir
from serving.push_record import (
    ALREADY_PUSHED_PROPERTY,
    DESTINATION_PROPERTY,
    PRUNED_PROPERTY,
    PUSHED_PROPERTY,
    RECORD_FILE,
    VERSION_PROPERTY,
)

CODE_VERSION_KEY = "code_version"
SETTINGS_KEY = "settings"  # ServingSettings as JSON
# Inputs that must all bless the model, where they are connected; the last is TFX's InfraValidator.
SERVER_BLESSING_KEY = "server_blessing"
BLESSING_KEYS = (
    standard_component_specs.MODEL_BLESSING_KEY,
    standard_component_specs.INFRA_BLESSING_KEY,
    SERVER_BLESSING_KEY,
)

_LOGGER = logging.getLogger(__name__)


class VersioningExecutor(tfx_pusher.Executor):
    """TFX's executor with whole-or-nothing pushes and counted versions."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Push the model if it is blessed, and record in `pushed_model` what was done."""
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
        settings = ServingSettings.model_validate_json(exec_properties[SETTINGS_KEY])
        pruned = prune(push_dir, settings.keep_versions, settings.pinned_versions)
        facts: dict[str, int | str] = {
            PUSHED_PROPERTY: 1,
            ALREADY_PUSHED_PROPERTY: int(not is_new),
            VERSION_PROPERTY: str(version),
            DESTINATION_PROPERTY: str(path),
        }
        if pruned:
            facts[PRUNED_PROPERTY] = ", ".join(map(str, pruned))
        _record(pushed_model, facts)

    def CheckBlessing(self, input_dict: dict[str, list[Artifact]]) -> bool:  # noqa: N802
        """Return whether all blessed the model; if one did not, nothing is pushed.

        Some stores hand integers back as floats: 1.0 counts as 1.
        """
        refusing = [
            key
            for key in BLESSING_KEYS
            # An input that is not connected is one that the configuration leaves out.
            if (key in input_dict or key == standard_component_specs.MODEL_BLESSING_KEY)
            and artifact_utils.get_single_instance(input_dict[key]).get_custom_property("blessed")
            != 1
        ]
        for key in refusing:
            _LOGGER.info("The model lacks the %s", key.replace("_", " "))
        return not refusing


def _record(pushed_model: Artifact, facts: dict[str, int | str]) -> None:
    for name, value in facts.items():
        if isinstance(value, int):
            pushed_model.set_int_custom_property(name, value)
        else:
            pushed_model.set_string_custom_property(name, value)
    folder = Path(pushed_model.uri)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


class PusherSpec(ComponentSpec):
    """TFX's Pusher, with the code version, what is kept, and a second blessing of the serving."""

    PARAMETERS = {  # noqa: RUF012 - TFX reads a plain class attribute
        **standard_component_specs.PusherSpec.PARAMETERS,
        CODE_VERSION_KEY: ExecutionParameter(type=str),
        SETTINGS_KEY: ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        **standard_component_specs.PusherSpec.INPUTS,
        SERVER_BLESSING_KEY: ChannelParameter(type=standard_artifacts.InfraBlessing, optional=True),
    }
    OUTPUTS = standard_component_specs.PusherSpec.OUTPUTS
    TYPE_ANNOTATION = standard_component_specs.PusherSpec.TYPE_ANNOTATION


class Pusher(base_component.BaseComponent):
    """Pushes a blessed model. Output: `pushed_model` (PushedModel)."""

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(VersioningExecutor)
    DRIVER_CLASS = UncachedDriver


def create_pusher(
    model: BaseChannel,
    model_blessing: BaseChannel,
    push_dir: str,
    code_version: str,
    *,
    infra_blessing: BaseChannel | None = None,
    server_blessing: BaseChannel | None = None,
    settings: ServingSettings | None = None,
) -> Pusher:
    """Return the Pusher node.

    Args:
        model: The candidate (Model).
        model_blessing: The gate's verdict (ModelBlessing).
        push_dir: Folder with numbered versions, on a local or mounted disk.
        code_version: Version of the project's code.
        infra_blessing: That of the fresh process (InfraBlessing), where it is asked.
        server_blessing: That of a real TF Serving (InfraBlessing), where it is asked.
        settings: How many versions are kept; None is what the configuration has by itself.

    Returns:
        A node with the id `Pusher`, whose `pushed_model` artifact carries `pushed` (1 or 0) and,
        where 1, `pushed_version`, `pushed_destination` and `already_pushed`.
    """
    blessings = {
        standard_component_specs.INFRA_BLESSING_KEY: infra_blessing,
        SERVER_BLESSING_KEY: server_blessing,
    }
    spec = PusherSpec(
        model=model,
        model_blessing=model_blessing,
        **{name: channel for name, channel in blessings.items() if channel is not None},
        push_destination=pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=push_dir)
        ),
        pushed_model=Channel(type=standard_artifacts.PushedModel),
        code_version=code_version,
        settings=(settings or ServingSettings()).model_dump_json(),
    )
    return Pusher(spec=spec).with_id(nodes.PUSHER)
