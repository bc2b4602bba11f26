"""Executors that the entrypoint runs by their import paths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types import Artifact

from contract.errors import InputError
from serving.push_folder import push

Artifacts = dict[str, list[Artifact]]
# ruff: noqa: N802 - TFX's name


class Copy(BaseExecutor):
    """Copies its input, and writes what it was given beside that."""

    def Do(self, inputs: Artifacts, outputs: Artifacts, properties: dict[str, Any]) -> None:
        (source,), (target,) = inputs["model"], outputs["copy"]
        text = (Path(source.uri) / "data.txt").read_text()
        facts = {
            "source": [source.type_name, source.get_custom_property("epochs")],
            "properties": properties,
            "beam": self._context.extra_flags,
        }
        (Path(target.uri) / "data.txt").write_text(text)
        (Path(target.uri) / "facts.json").write_text(json.dumps(facts))
        target.set_int_custom_property("blessed", 1)
        target.set_string_custom_property("best", str(Path(target.uri) / "data.txt"))


class Fail(BaseExecutor):
    """Fails as a node does that was given what it cannot use."""

    def Do(self, inputs: Artifacts, outputs: Artifacts, properties: dict[str, Any]) -> None:
        raise InputError(f"nothing to read in {properties.get('input_base')}; größer")


class Push(BaseExecutor):
    """Pushes its input, and records in its output where."""

    def Do(self, inputs: Artifacts, outputs: Artifacts, properties: dict[str, Any]) -> None:
        destination = json.loads(properties["push_destination"])["filesystem"]["base_directory"]
        version, _ = push(Path(inputs["model"][0].uri), Path(destination))
        (pushed,) = outputs["copy"]
        pushed.set_string_custom_property("pushed_destination", f"{destination}/{version}")
