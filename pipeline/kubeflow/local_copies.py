"""Places outside the run that a task's properties name, as folders of its pod."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from contract.errors import InputError
from pipeline.kubeflow.object_store import is_remote, local_data, local_push_dir

PACKAGE_PREFIX = "package:"  # of a file that the image brings, by its path in the project
_PROJECT = Path(__file__).resolve().parents[2]

Json = dict[str, Any]


@contextlib.contextmanager
def local_copies(properties: Json) -> Iterator[dict[str, str]]:
    """Point properties that name places outside the run at local folders, while a task runs.

    Args:
        properties: The task's execution properties; changed in place.

    Yields:
        Local folders with the remote locations that they replace.

    Raises:
        InputError: A location cannot be read or written; or the task raised it, and then it
            names locations in place of the pod's folders.
    """
    moved: dict[str, str] = {}
    with contextlib.ExitStack() as stack:

        def localised(location: str, copy: Any) -> str:
            folder: str = stack.enter_context(copy(location))
            if is_remote(location):
                moved[folder] = location.rstrip("/")
            return folder

        if str(properties.get("schema_file", "")).startswith(PACKAGE_PREFIX):
            properties["schema_file"] = _package_file(properties["schema_file"])
        if "input_base" in properties:
            properties["input_base"] = localised(properties["input_base"], local_data)
        if "external_records" in properties:
            folders = json.loads(properties["external_records"])
            properties["external_records"] = json.dumps(
                {name: localised(folder, local_data) for name, folder in folders.items()}
            )
        if "push_dir" in properties:
            properties["push_dir"] = localised(properties["push_dir"], local_push_dir)
        if "push_destination" in properties:
            destination = json.loads(properties["push_destination"])
            filesystem = destination["filesystem"]
            filesystem["base_directory"] = localised(filesystem["base_directory"], local_push_dir)
            properties["push_destination"] = json.dumps(destination)
        try:
            yield moved
        except InputError as error:
            raise InputError(with_locations(str(error), moved)) from error


def with_locations(text: str, moved: Mapping[str, str]) -> str:
    """Return a text with locations in place of the folders that replaced them."""
    for folder, location in moved.items():
        text = text.replace(folder, location)
    return text


def _package_file(name: str) -> str:
    return str(_PROJECT / name.removeprefix(PACKAGE_PREFIX))
