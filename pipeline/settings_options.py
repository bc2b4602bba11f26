"""The command-line options that settings are given by, the same for every command."""

from __future__ import annotations

import argparse


def add_settings_options(
    parser: argparse.ArgumentParser, *, default: str | None, default_told: str, set_help: str
) -> None:
    """Add `--config` and `--set`, which `pipeline.load_config.load_settings` takes.

    Args:
        parser: Gets `config`, a text or None, and `overrides`, a list of texts.
        default: The configuration without `--config`.
        default_told: The same in words, for `--help`.
        set_help: What `--help` says of `--set` behind "settings by dotted name, ".
    """
    parser.add_argument(
        "--config",
        metavar="NAME_OR_FILE",
        default=default,
        help=f"a file, or the name of one under configs/ (default: {default_told})",
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
