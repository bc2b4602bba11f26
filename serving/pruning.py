"""Deletes old pushed versions, so that the folder that servers poll does not grow for ever."""

from __future__ import annotations

import logging
import shutil
import uuid
from collections.abc import Collection
from pathlib import Path

from google.protobuf import text_format

from serving.push_folder import pushed_versions, version_dir

# TF Serving's file of served versions and their labels, next to the folder of the versions.
SERVER_CONFIG = "models.config"
_PRUNED = ".pruned-"  # hidden, so that no server takes it for a version

_LOGGER = logging.getLogger(__name__)


def prune(push_dir: Path, keep_versions: int, pinned: Collection[int] = ()) -> list[int]:
    """Delete all versions but the newest ones and those that are pinned.

    A reader sees a version whole or not at all: it is renamed before it is deleted. What an
    earlier call could not delete, or had no time to, is deleted, too. A folder that cannot be
    changed is logged and left as it is: what was pushed serves all the same.

    Args:
        push_dir: Folder with numbered versions; `models.config` beside it pins what it names.
        keep_versions: How many of the newest stay, at least 2, so that there is a way back.
        pinned: Versions that stay beside them.

    Returns:
        The versions that were deleted, oldest first.

    Raises:
        ValueError: `keep_versions` is less than 2.
    """
    if keep_versions < 2:
        raise ValueError(f"expected to keep at least 2 versions, got {keep_versions}")
    try:
        served = served_versions(push_dir)
    except (OSError, ValueError) as error:
        _LOGGER.warning(
            "No version was deleted, as it is not known which ones are served: %s", error
        )
        return []
    for left in push_dir.glob(f"{_PRUNED}*"):
        shutil.rmtree(left, ignore_errors=True)
    pruned = []
    for version in pushed_versions(push_dir)[:-keep_versions]:
        if version in served or version in pinned:
            continue
        hidden = push_dir / f"{_PRUNED}{version}-{uuid.uuid4().hex}"
        try:
            version_dir(push_dir, version).rename(hidden)  # on one file system it is atomic
        except FileNotFoundError:
            continue  # another run's push has pruned it in between
        except OSError as error:
            _LOGGER.warning("Version %d could not be deleted: %s", version, error)
        else:
            shutil.rmtree(hidden, ignore_errors=True)
            pruned.append(version)
    if pruned:
        names = ", ".join(map(str, pruned))
        _LOGGER.info(
            "Deleted old versions of %s: %s; the newest %d stay", push_dir, names, keep_versions
        )
    return pruned


def served_versions(push_dir: Path) -> set[int]:
    """Return the versions that `models.config` next to `push_dir` names, in policies and labels.

    Args:
        push_dir: Its last part is the model's name, or ends the `base_path`: a server in a
            container knows the folder by another path.

    Raises:
        ValueError: The file is not a configuration of TF Serving.
        OSError: It cannot be read.
    """
    path = push_dir.parent / SERVER_CONFIG
    if not path.exists():
        return set()
    # Imported here: few folders have such a file, and it brings gRPC.
    from tensorflow_serving.config import (  # type: ignore[import-untyped]
        model_server_config_pb2,
    )

    config = model_server_config_pb2.ModelServerConfig()
    try:
        text_format.Parse(path.read_text(encoding="utf-8"), config)
    except text_format.ParseError as error:
        raise ValueError(f"expected TF Serving's model configuration in {path}: {error}") from error
    versions: set[int] = set()
    for model in config.model_config_list.config:
        if push_dir.name in (model.name, Path(model.base_path).name):
            versions.update(model.model_version_policy.specific.versions)
            versions.update(model.version_labels.values())
    return versions
