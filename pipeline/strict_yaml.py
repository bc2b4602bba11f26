"""YAML as settings files need it: plain values, and nothing dropped or guessed.

Scalars follow the core schema of YAML 1.2 (section 10.3): `3e-4` is a number,
`no` and `2024-01-31` are text. A key that occurs twice in one section is an
error, where PyYAML would silently keep the last.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = ("null", "bool", "int", "float", "str", "seq", "map")


class _StrictLoader(yaml.SafeLoader):
    """Build dicts with unique keys, lists, text, numbers, booleans and null only."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        first_lines: dict[str, int] = {}
        for key_node, _ in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag != _TAG + "str":
                raise yaml.constructor.ConstructorError(
                    problem=f"expected a name as a key, got {key_node.value!r}",
                    problem_mark=key_node.start_mark,
                )
            if key_node.value in first_lines:
                raise yaml.constructor.ConstructorError(
                    problem=f"expected each key once, got {key_node.value!r} again, which "
                    f"is already in line {first_lines[key_node.value]}",
                    problem_mark=key_node.start_mark,
                )
            first_lines[key_node.value] = line
        return super().construct_mapping(node, deep)

    def construct_whole_number(self, node: Any) -> int:
        return int(node.value)  # where YAML 1.1 reads 010 as octal


_StrictLoader.yaml_constructors = {
    tag: yaml.SafeLoader.yaml_constructors[tag]
    for tag in (*(_TAG + name for name in _PLAIN_TAGS), None)
}
_StrictLoader.yaml_implicit_resolvers = {}
_StrictLoader.add_constructor(_TAG + "int", _StrictLoader.construct_whole_number)
# The order matters: a whole number matches the pattern of floats, too.
for _name, _pattern, _first_characters in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _StrictLoader.add_implicit_resolver(
        _TAG + _name, re.compile(rf"(?:{_pattern})\Z"), _first_characters
    )


def parse_yaml(text: str) -> Any:
    """Parse one YAML document.

    Args:
        text: The document; anchors are allowed, tags beyond the plain types are not.

    Returns:
        None, bool, int, float, str, list or dict with text keys.

    Raises:
        ValueError: The text is not such a document; the message says where.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise ValueError(f"{place}{problem}") from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise ValueError("expected a few levels of sections, got far too many") from error
