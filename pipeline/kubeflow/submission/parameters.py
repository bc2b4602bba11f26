"""Values of run parameters, from `--param key=value` to what the run request carries."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contract.errors import InputError
from pipeline.config_errors import nearest, show
from pipeline.kubeflow.submission.file import RunParameter


def parse_parameters(
    texts: Sequence[str], definitions: Mapping[str, RunParameter]
) -> dict[str, Any]:
    """Parse the parameters of a run.

    Args:
        texts: Each `key=value`; the last of a key wins.
        definitions: The pipeline's parameters.

    Returns:
        Values of KFP's types by name, only those that were given.

    Raises:
        InputError: A name is unknown, a value is not of its type, or one is missing.
    """
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(
                f"--param: expected key=value, got {show(text)}. "
                "How to fix: write it like --param epochs=5."
            )
        if name not in definitions:
            known = sorted(definitions)
            raise InputError(
                f"--param {name}: expected one of {', '.join(known) or '(none)'}"
                f"{nearest(name, known)}. How to fix: give one of these; "
                "other settings are fixed when the pipeline is compiled (--set)."
            )
        values[name] = _parse(name, value, definitions[name].kind)
    missing = sorted({name for name, known in definitions.items() if known.required} - set(values))
    if missing:
        raise InputError(
            f"expected a value for {', '.join(missing)}, which has no default, got none. "
            f"How to fix: add --param {missing[0]}=VALUE."
        )
    return values


def _parse(name: str, text: str, kind: str) -> Any:
    if kind not in _TYPES:
        raise InputError(
            f"--param {name}: expected a parameter of a type that a command line can give, got "
            f"{kind}. How to fix: leave it out, so that its default holds."
        )
    parse, expected = _TYPES[kind]
    try:
        return parse(text)
    except ValueError as error:
        raise InputError(
            f"--param {name}: expected {expected}, got {show(text)}. "
            "How to fix: give a value of that type."
        ) from error


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)  # JSON has no word for it
    return value


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _list(text: str) -> list[Any]:
    value = json.loads(text)
    if not isinstance(value, list):
        raise ValueError(text)
    return value


def _struct(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(text)
    return value


_TYPES: dict[str, tuple[Callable[[str], Any], str]] = {
    "STRING": (str, "text"),
    "NUMBER_INTEGER": (int, "a whole number"),
    "NUMBER_DOUBLE": (_finite, "a finite number"),
    "BOOLEAN": (_boolean, "true or false"),
    "LIST": (_list, "a JSON list"),
    "STRUCT": (_struct, "a JSON object"),
}
