"""Where KFP's launcher keeps copies of objects inside a pod.

The launcher downloads `minio://bucket/key` to `/minio/bucket/key` before a task, and uploads
from there after it; TFX and the project's nodes read and write these local files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT_VARIABLE = "KFP_POD_ROOT"  # folder used as the pod's `/`; an emulation sets it
_FOLDERS = {"minio://": "minio", "s3://": "s3", "gs://": "gcs"}


def pod_root() -> Path:
    """Return the pod's root folder."""
    return Path(os.environ.get(ROOT_VARIABLE, "/"))


def to_local(uri: str) -> str:
    """Return the path of the launcher's copy; what is not an object's URI is returned as it is."""
    for scheme, folder in _FOLDERS.items():
        if uri.startswith(scheme):
            return str(pod_root() / folder / uri.removeprefix(scheme))
    return uri


def to_remote(path: str) -> str:
    """Return the URI that a launcher's copy stands for; other text is returned as it is."""
    for scheme, folder in _FOLDERS.items():
        prefix = f"{pod_root() / folder}/"
        if path.startswith(prefix):
            return scheme + path.removeprefix(prefix)
    return path


def to_remote_everywhere(value: Any) -> Any:
    """Map the paths in a JSON value back to URIs, and drop what is null.

    A null in the metadata of an artifact is an error for KFP, and a path of one pod is a dead
    link in another.
    """
    if isinstance(value, str):
        return to_remote(value)
    if isinstance(value, Mapping):
        return {
            key: to_remote_everywhere(entry) for key, entry in value.items() if entry is not None
        }
    if isinstance(value, list):
        return [to_remote_everywhere(entry) for entry in value if entry is not None]
    return value
