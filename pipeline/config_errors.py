"""Errors in settings, as lines that say what to change."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

Path = tuple[str | int, ...]
Tree = dict[str, Any]

SECTION = "a section of `key: value` lines"
_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of a usual size",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text (in quotes where it looks like a number)",
    "tuple_type": "a list such as [a, b]",
    "list_type": "a list such as [a, b]",
    "model_type": SECTION,
    "model_attributes_type": SECTION,
    "dict_type": SECTION,
    "greater_than": "a number > {gt}",
    "greater_than_equal": "a number >= {ge}",
    "less_than": "a number < {lt}",
    "less_than_equal": "a number <= {le}",
    "string_pattern_mismatch": "text that matches {pattern}",
    "literal_error": "one of {expected}",
    "too_short": "at least {min_length} in number",
    "too_long": "at most {max_length} in number",
}
_LONGEST_SHOWN = 60


def dotted(path: Path) -> str:
    """Write a path as a user does: `beam.pipeline_args[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def show(value: object) -> str:
    """Write a value that came, cut where it is long."""
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


def nearest(word: str, known: Sequence[str]) -> str:
    """Return `; did you mean ...?` for the nearest of the known words, or nothing."""
    matches = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def describe_errors(
    error: ValidationError, known: Tree, origins: Mapping[tuple[str, ...], str]
) -> list[str]:
    """Describe everything that pydantic found, one line for each finding.

    Args:
        error: What validation raised.
        known: The tree of known settings: sections are dicts, leaves are anything else.
        origins: Where the values came from, by path, e.g. `--set` or a file's name.

    Returns:
        Lines such as `tuner.max_trials (--set): expected a number >= 1, got 0`.
    """
    lines = []
    for finding in error.errors():
        path = tuple(finding["loc"])
        if path[-1:] == ("[key]",) and finding["type"] != "extra_forbidden":
            path = path[:-1]  # pydantic's word for a mapping's key; a setting may be called so, too
        if finding["type"] == "too_short" and finding["input"]:
            continue  # its entries are wrong, not missing: each has its own line
        if finding["type"] == "extra_forbidden":
            text = describe_unknown(path, known)
        elif finding["type"] == "value_error":
            text = str(finding["ctx"]["error"])
        else:
            text = _describe_value(finding["type"], finding)
        lines.append(f"{dotted(path) or 'settings'}{_origin(path, origins)}: {text}")
    return lines


def describe_unknown(path: Path, known: Tree) -> str:
    """Describe a key that no setting has, with the key that was probably meant.

    Args:
        path: The key, after the sections that it is in.
        known: The tree of known settings.
    """
    *parents, key = (str(part) for part in path)
    section: Any = known
    for part in parents:
        section = section.get(part, {}) if isinstance(section, dict) else {}
    siblings = list(section) if isinstance(section, dict) else []
    suggestion = nearest(key, siblings)
    if not suggestion:
        elsewhere = [leaf for leaf in _leaves(known) if leaf[-1] == key]
        if elsewhere:
            suggestion = f"; did you mean {dotted(elsewhere[0])!r}?"
    names = ", ".join(siblings)
    return f"expected a known key, got {key!r}{suggestion}" + (f" (known: {names})" * bool(names))


def _describe_value(kind: str, finding: Any) -> str:
    context = finding.get("ctx", {})
    template = _EXPECTED.get(kind)
    got = finding["input"]
    if template is None:
        return f"{finding['msg']}, got {show(got)}"
    suggestion = ""
    if isinstance(got, dict) and kind.startswith("too_"):
        got = list(got)  # their names say enough
    if kind == "literal_error" and isinstance(got, str):
        suggestion = nearest(got, re.findall(r"'([^']*)'", context["expected"]))
    return f"expected {template.format(**context)}, got {show(got)}{suggestion}"


def _origin(path: Path, origins: Mapping[tuple[str, ...], str]) -> str:
    names = tuple(str(part) for part in path)
    below = [known for known in origins if known[: len(names)] == names]
    above = [known for known in origins if names[: len(known)] == known]
    # An error of a whole section names no leaf: name every place that set something in it.
    places = dict.fromkeys(origins[known] for known in below or sorted(above, key=len)[-1:])
    return f" ({', '.join(places)})" if places else ""


def _leaves(tree: Tree, parents: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*parents, key))
        else:
            yield (*parents, key)
