"""Run parameters: what the caller gives, checked against the pipeline's definitions."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import struct_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from contract.errors import InputError
from pipeline.strict_yaml import parse_yaml

RunParameter = str | int | float | bool
_TYPES = pipeline_spec_pb2.ParameterType
_PYTHON_TYPES: dict[int, tuple[str, tuple[type, ...]]] = {
    _TYPES.STRING: ("text", (str,)),
    _TYPES.NUMBER_INTEGER: ("a number", (int, float)),  # KFP does not look whether it is whole
    _TYPES.NUMBER_DOUBLE: ("a number", (int, float)),
    _TYPES.BOOLEAN: ("true or false", (bool,)),
}


def resolve_parameters(definitions: Any, given: Mapping[str, RunParameter]) -> dict[str, Any]:
    """Return the values of a run's parameters by name, as `google.protobuf.Value`.

    Args:
        definitions: The root's `inputDefinitions`.
        given: Values for some or all of them; the others keep their default.

    Raises:
        InputError: A name is unknown, a value has another type, or one has neither a value
            nor a default.
    """
    known = definitions.parameters
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise InputError(
                f"run parameter {name!r}: expected one of {', '.join(sorted(known)) or 'none'}, "
                f"got another name{f'; did you mean {near[0]!r}?' if near else '.'}"
            )
        _check(name, known[name].parameter_type, value)
    values: dict[str, Any] = {}
    for name, definition in known.items():
        if name in given:
            values[name] = _to_value(given[name])
        elif definition.HasField("default_value"):
            values[name] = definition.default_value
        elif definition.is_optional:
            values[name] = struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
        else:
            raise InputError(
                f"run parameter {name!r}: expected a value or a default, got neither. "
                "How to fix: give a value, or compile the pipeline with a default."
            )
    return values


def parse_parameters(definitions: Any, texts: Sequence[str]) -> dict[str, RunParameter]:
    """Parse texts `name=value` of a command line; text parameters take the value as it is.

    Raises:
        InputError: A text has no name or no value of a plain type.
    """
    parameters: dict[str, RunParameter] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise InputError(f"--param: expected name=value, got {text!r}.")
        parsed: Any = value
        # An unknown name is refused by `resolve_parameters`.
        definition = definitions.parameters.get(name)
        if definition is not None and definition.parameter_type != _TYPES.STRING:
            try:
                parsed = parse_yaml(value)
            except ValueError as error:
                raise InputError(f"--param {name}: expected a value, got {value!r}.") from error
        parameters[name] = parsed
    return parameters


def _check(name: str, parameter_type: int, value: object) -> None:
    expected, types = _PYTHON_TYPES.get(parameter_type, ("a type that is emulated", ()))
    is_right = isinstance(value, types) and (isinstance(value, bool) == (bool in types))
    if not is_right:
        raise InputError(f"run parameter {name!r}: expected {expected}, got {value!r}.")


def _to_value(value: RunParameter) -> Any:
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    return struct_pb2.Value(number_value=value)
