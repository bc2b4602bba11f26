"""The command-line options that settings are given by, the same for every command."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from typing import Any

from contract.errors import InputError
from contract.settings import NAME_PATTERN


def add_settings_options(
    parser: argparse.ArgumentParser, *, default: str | None, default_text: str, set_help: str
) -> None:
    """Add `--config` and `--set`, which `pipeline.load_config.load_settings` takes.

    Args:
        parser: Gets `config`, a text, a list of them or None, and `overrides`, a list of texts.
        default: The configuration without `--config`.
        default_text: The same in words, for `--help`.
        set_help: What `--help` says of `--set` behind "settings by dotted name, ".
    """
    parser.add_argument(
        "--config",
        metavar="NAME_OR_FILE",
        action=_InOrder,
        default=default,
        help="a file, or the name of one under configs/; may be repeated, each changes those "
        f"before it (default: {default_text})",
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="KEY=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help=f"settings by dotted name, {set_help}",
    )


class _InOrder(argparse.Action):
    """Collect all values of an option; the first one replaces the default."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*(before if isinstance(before, list) else []), values])


def add_external_option(parser: argparse.ArgumentParser, *, source_help: str) -> None:
    """Add `--external`, which `external_overrides` turns into settings.

    Args:
        parser: Gets `external`, a list of texts.
        source_help: What `--help` says that SOURCE is.
    """
    parser.add_argument(
        "--external",
        metavar="NAME=SOURCE",
        action="append",
        default=[],
        help="also judge the final model on this set from outside the training data; SOURCE is "
        f"{source_help}; any number of times",
    )


def external_overrides(given: Sequence[str]) -> list[str]:
    """Return the values of `--external` as overrides for `pipeline.load_config.load_settings`.

    Args:
        given: Texts `NAME=SOURCE`.

    Raises:
        InputError: A text has another form, or a name is not legal or given twice.
    """
    sources: dict[str, str] = {}
    for text in given:
        name, _, source = text.partition("=")
        if not source or not re.fullmatch(NAME_PATTERN, name):
            raise InputError(
                "--external: expected NAME=SOURCE with a name of small letters, digits and _ that "
                f"begins with a letter, got {text!r}. "
                "How to fix: write it like --external other_hospital=other_hospital.zip."
            )
        if name in sources:
            raise InputError(
                f"--external: expected each name once, got {name} for {sources[name]} and for "
                f"{source}. How to fix: give one of them another name."
            )
        sources[name] = source
    # As JSON, which is YAML: a path may hold what YAML reads as something else.
    return [f"external.{name}.source={json.dumps(source)}" for name, source in sources.items()]
