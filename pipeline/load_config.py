"""From a configuration's name, its file and `--set` to typed settings.

A file holds only what differs from the defaults. Sections are merged key by
key. Mappings with free names, such as `candidates`, are given as a whole: a file that has
it says which candidates there are, and each entry starts from that candidate's
defaults; `--set candidates.NAME.key=value` changes or adds one and keeps the rest.
`kubeflow.node_resources` alone adds to the nodes that the defaults name.

Several files are merged in their order. `base: NAME_OR_FILE` in a file names the one that it
changes where none is given before it: `flink`, which is about places alone, goes with any other.
"""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from contract.errors import InputError
from contract.settings import CandidateSettings, PipelineSettings
from pipeline.config_errors import SECTION, Tree, describe_errors, dotted, nearest, show
from pipeline.strict_yaml import parse_yaml

_INSTALLED_CONFIGS = Path(__file__).resolve().parent / "configs"
CONFIGS_FOLDER = (
    _INSTALLED_CONFIGS if _INSTALLED_CONFIGS.is_dir() else _INSTALLED_CONFIGS.parents[1] / "configs"
)
CANDIDATES = "candidates"
BASE = "base"
# A new value of these replaces the old one, instead of being merged into it.
_GIVEN_WHOLE = (
    (CANDIDATES,),
    ("kubeflow", "environment"),
    ("kubeflow", "gpu", "node_selector"),
)
_FILE_ENDINGS = (".yaml", ".yml")


@dataclasses.dataclass
class _Draft:
    """Settings while they are put together.

    Attributes:
        tree: The values so far, as nested dicts.
        origins: Where each changed value came from, by path.
        problems: Lines for the user, of what validation alone would let pass.
    """

    tree: Tree
    origins: dict[tuple[str, ...], str]
    problems: list[str]


def load_settings(
    config: str | Sequence[str] | None,
    overrides: Sequence[str] = (),
    configs_folder: Path = CONFIGS_FOLDER,
) -> PipelineSettings:
    """Load the settings of a run.

    Args:
        config: A name, for `configs_folder/NAME.yaml`, or a YAML file, or several of them, each
            of which changes those before it; None is the defaults.
        overrides: Texts `key=value`, with dotted keys and YAML values; the last one wins.
        configs_folder: Folder of the named configurations.

    Returns:
        The defaults with the file's and then the overrides' changes.

    Raises:
        InputError: The name, the file, a key or a value cannot be used; every problem of
            the values is named at once.
    """
    draft = _Draft(PipelineSettings().model_dump(), {}, [])
    for path, changes in _read_all(
        [config] if isinstance(config, str) else config or [], configs_folder
    ):
        _clear_what_is_given_whole(draft.tree, (), changes)
        _merge(draft, draft.tree, changes, (), str(path))
    for override in overrides:
        keys, value = parse_override(override)
        _clear_what_is_given_whole(draft.tree, keys, value)
        for key in reversed(keys):
            value = {key: value}
        _merge(draft, draft.tree, value, (), "--set")
    return _validate(draft)


def find_config(config: str, configs_folder: Path = CONFIGS_FOLDER) -> Path:
    """Find the file of a configuration.

    Args:
        config: A name, or the path of a file.
        configs_folder: Folder of the named configurations.

    Raises:
        InputError: There is neither such a name nor such a file.
    """
    is_path = config.endswith(_FILE_ENDINGS) or os.sep in config
    named = configs_folder / f"{config}.yaml"
    if not is_path and config and named.is_file():
        return named
    if config and Path(config).is_file():
        return Path(config)
    names = sorted(path.stem for path in configs_folder.glob("*.yaml"))
    raise InputError(
        f"--config: expected a YAML file or one of the names {', '.join(names) or '(none)'}, "
        f"got {config!r}, which is neither{'' if is_path else nearest(config, names)}. "
        "How to fix: give one of the names, or the path of a file that exists."
    )


def parse_override(override: str) -> tuple[tuple[str, ...], Any]:
    """Parse one `key=value` of the command line.

    Args:
        override: E.g. `tuner.max_trials=5` or `tuner.space.batch_size=[16, 32]`.

    Returns:
        The key's parts and the value.

    Raises:
        InputError: The text has no key, no `=` or no usable value.
    """
    key, equals, text = override.partition("=")
    keys = tuple(part.strip() for part in key.split("."))
    if not equals or not all(keys):
        raise InputError(
            f"--set: expected key=value with a dotted key, got {override!r}. "
            "How to fix: write it like --set tuner.max_trials=5."
        )
    try:
        value = parse_yaml(text)
    except ValueError as error:
        raise InputError(
            f"--set {key.strip()}: expected a YAML value, got {show(text)} ({error}). "
            "How to fix: put the value in quotes if it is text with special characters."
        ) from error
    if value is None and text.strip() != "null":
        raise InputError(
            f"--set {key.strip()}: expected a value, got nothing. How to fix: give a value, "
            "`null` for none; leave the setting out to keep its default; empty text is "
            f"--set '{key.strip()}=\"\"'."
        )
    return keys, value


def _read_all(configs: Sequence[str], configs_folder: Path) -> list[tuple[Path, Tree]]:
    """Return what each file changes, before the first one those that it is based on."""
    documents = []
    for config in configs:
        path = find_config(config, configs_folder)
        documents.append((path, _read_document(path)))
    while documents and BASE in documents[0][1]:
        first, changes = documents[0]
        base = changes.pop(BASE)
        if not isinstance(base, str):
            raise InputError(
                f"{first}: expected a name or a file as `{BASE}`, got {show(base)}. "
                f"How to fix: write it like `{BASE}: default`, or leave it out."
            )
        path = find_config(base, configs_folder)
        if path in [each for each, _ in documents]:
            raise InputError(
                f"{first}: expected another file as `{BASE}`, got {base!r}, which is based on this "
                f"one. How to fix: leave out one `{BASE}`."
            )
        documents.insert(0, (path, _read_document(path)))
    for _, changes in documents:
        changes.pop(BASE, None)
    return documents


def _read_document(path: Path) -> Tree:
    try:
        document = parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: expected a readable file, got {error.strerror}. "
            "How to fix: check the path and its permissions."
        ) from error
    except ValueError as error:  # UnicodeDecodeError is one, too
        raise InputError(
            f"{path}: expected a YAML file in UTF-8, got something else: {error}. "
            "How to fix: correct that place; sections are indented with spaces."
        ) from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InputError(
            f"{path}: expected `key: value` lines, got {show(document)}. "
            "How to fix: write settings like `seed: 1`, or sections of them."
        )
    return document


def _clear_what_is_given_whole(tree: Tree, at: tuple[str, ...], value: Any) -> None:
    """Empty the mappings of `tree` that `value`, which goes to path `at`, gives as a whole."""
    for path in _GIVEN_WHOLE:
        if path[: len(at)] == at and isinstance(_entry(value, path[len(at) :]), dict):
            *parents, name = path
            section = _entry(tree, parents)
            if isinstance(section, dict):
                section[name] = {}


def _entry(tree: Any, path: Sequence[str]) -> Any:
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _merge(draft: _Draft, base: Tree, changes: Tree, at: tuple[str, ...], origin: str) -> None:
    """Put `changes` into `base`, the part of the draft's tree at path `at`."""
    for key, value in changes.items():
        path = (*at, key)
        if at == (CANDIDATES,) and key not in base and isinstance(value, dict):
            base[key] = _default_candidate(key)
            draft.origins[path] = origin
        present = base.get(key)
        if isinstance(present, dict) and isinstance(value, dict):
            _merge(draft, present, value, path, origin)
            continue
        expected = None
        if isinstance(present, dict):
            expected = SECTION
        elif _is_number(present) and isinstance(value, bool):
            expected = "a number"  # Python, and so pydantic, takes True for 1
        if expected:
            draft.problems.append(
                f"{dotted(path)} ({origin}): expected {expected}, got {show(value)}"
            )
            continue
        base[key] = copy.deepcopy(value)
        draft.origins[path] = origin


def _default_candidate(name: str) -> Tree:
    default = PipelineSettings().candidates.get(name, CandidateSettings())
    return default.model_dump()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _validate(draft: _Draft) -> PipelineSettings:
    problems = list(draft.problems)
    settings = None
    try:
        settings = PipelineSettings.model_validate(draft.tree)
    except ValidationError as error:
        known = PipelineSettings().model_dump()
        names = draft.tree[CANDIDATES]
        if isinstance(names, dict):
            known[CANDIDATES] |= {name: _default_candidate(name) for name in names}
        problems += describe_errors(error, known, draft.origins)
    if settings is None or problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise InputError(
            f"expected usable settings, got {len(problems)} problem"
            f"{'s' if len(problems) > 1 else ''}:{lines}\n"
            "How to fix: correct these; contract/settings.py lists every setting with its bounds."
        )
    return settings
