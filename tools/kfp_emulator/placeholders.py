"""The launcher's placeholders, which may be anywhere in a command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.kfp_emulator.object_store import parse_uri
from tools.kfp_emulator.parameter_types import to_text
from tools.kfp_emulator.protojson import to_json


def fill_in(texts: Sequence[str], executor_input: Any, pod: Path) -> list[str]:
    """Return a command with all placeholders replaced, those inside longer texts, too.

    Unknown placeholders stay as they are.
    """
    placeholders = _placeholders(executor_input, pod)
    return [_replace_all(text, placeholders) for text in texts]


def _replace_all(text: str, placeholders: Mapping[str, str]) -> str:
    for placeholder, replacement in placeholders.items():
        text = text.replace(placeholder, replacement)
    return text


def _placeholders(executor_input: Any, pod: Path) -> dict[str, str]:
    # The launcher replaces them in no order. With the whole input first, a placeholder inside
    # a parameter's text is replaced, too: the worse case, which nobody should count on.
    found = {"{{$}}": to_json(executor_input)}
    for name, value in executor_input.inputs.parameter_values.items():
        found[f"{{{{$.inputs.parameters['{name}']}}}}"] = to_text(value)
    for kind, side in (("inputs", executor_input.inputs), ("outputs", executor_input.outputs)):
        for name, entries in side.artifacts.items():
            artifact = entries.artifacts[0]
            found[f"{{{{$.{kind}.artifacts['{name}'].uri}}}}"] = artifact.uri
            location = parse_uri(artifact.uri)
            if location is not None:
                found[f"{{{{$.{kind}.artifacts['{name}'].path}}}}"] = str(location.in_pod(pod))
    for name, parameter in executor_input.outputs.parameters.items():
        found[f"{{{{$.outputs.parameters['{name}'].output_file}}}}"] = parameter.output_file
    return found
