"""YAML that Go's readers and Python's understand alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

_WORD = re.compile(r"[A-Za-z/][A-Za-z_./-]*")


def to_yaml(document: Mapping[str, Any]) -> str:
    """Return a document as YAML in which every text but a plain word is quoted.

    PyYAML leaves 1234567e8 without quotes, and Go's reader then reads a number. Code versions
    are hexadecimal digits.
    """
    return yaml.dump(
        document, Dumper=_QuotingDumper, sort_keys=True, width=2**20, allow_unicode=True
    )


class _QuotingDumper(yaml.SafeDumper):
    """Quotes every text but a plain word, and writes no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if _WORD.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_QuotingDumper.add_representer(str, _represent_text)
