"""An object store of plain files, and the copies of it that a pod works on.

Only files are objects: empty folders vanish on the way, as in any object store.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path, PurePosixPath

_POD_FOLDERS = {"minio": "minio", "s3": "s3", "gs": "gcs"}


@dataclasses.dataclass(frozen=True)
class Location:
    """What a URI such as `minio://bucket/some/key` names."""

    scheme: str
    bucket: str
    key: str

    def in_pod(self, pod: Path) -> Path:
        """Return where the launcher keeps its copy below a pod's root."""
        return pod / _POD_FOLDERS[self.scheme] / self.bucket / self.key


def parse_uri(uri: str) -> Location | None:
    """Return what a URI names; None where the launcher knows no such store."""
    scheme, separator, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if not separator or scheme not in _POD_FOLDERS or not bucket or ".." in key.split("/"):
        return None
    return Location(scheme, bucket, str(PurePosixPath(key)) if key else "")


@dataclasses.dataclass(frozen=True)
class ObjectStore:
    """The store of all buckets below one folder."""

    folder: Path

    def path(self, location: Location) -> Path:
        """Return the path of an object, or of the folder of those below a key."""
        return self.folder / location.bucket / location.key

    def upload(self, source: Path, location: Location) -> int:
        """Put a file, or all files of a folder, under a key; return their number."""
        files = [source] if source.is_file() else _files_below(source)
        for file in files:
            _copy(file, self.path(location) / file.relative_to(source))
        return len(files)

    def download(self, location: Location, pod: Path) -> int:
        """Copy an object, or those below a key, into a pod; return their number, maybe 0.

        Before 2.17 KFP listed by prefix, so that `a/model` brought `a/model_run/...`, too.
        """
        source = self.path(location)
        if not source.exists():
            return 0
        files = [source] if source.is_file() else _files_below(source)
        target = location.in_pod(pod)
        for file in files:
            _copy(file, target / file.relative_to(source))
        return len(files)


def _files_below(folder: Path) -> list[Path]:
    return [
        Path(parent) / name
        for parent, _, names in os.walk(folder, followlinks=True)
        for name in sorted(names)
    ]


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
