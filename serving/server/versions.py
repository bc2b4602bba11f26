"""The versions that are served, kept up to the folder that models are pushed to.

The newest version that loads is served, and every version that a label names. A new one is loaded
beside the old one, takes over between two requests, and the old one stays until its last request
ended.

TensorFlow Serving tries the newest version only (file_system_storage_path_source.cc): where it does
not load, a running server goes on with the version that it has, and a restarted one ends.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from serving.push_folder import SAVED_MODEL_FILE, is_complete, version_folders
from serving.server.rest.errors import ServingError, invalid_argument, not_found

if TYPE_CHECKING:  # it brings TensorFlow, some ten seconds
    from serving.server.saved_model import SavedModel

_RETRY_S = 60.0
_RETRY_AFTER_S = 5  # for clients, while the first version is loaded

log = logging.getLogger(__name__)


class State(enum.Enum):
    """TF Serving's names of a version's states."""

    LOADING = "LOADING"
    AVAILABLE = "AVAILABLE"
    UNLOADING = "UNLOADING"
    END = "END"


@dataclasses.dataclass
class VersionEntry:
    """One version and who uses it; guarded by its pool's lock.

    Attributes:
        version: Its number.
        state: Where it is in its life.
        model: None before it is loaded and after it ended.
        num_leases: Requests that use it.
        error: Why it could not be loaded; "" where it could.
        retry_at: Time of the pool's clock from when loading is tried again, in seconds.
    """

    version: int
    state: State = State.LOADING
    model: SavedModel | None = None
    num_leases: int = 0
    error: str = ""
    retry_at: float = 0.0

    def retire(self) -> None:
        """Take no new requests; those that run keep the model."""
        if self.state is State.AVAILABLE:
            self.state = State.UNLOADING

    def end_if_unused(self) -> bool:
        """Let go of a retired model without requests; return whether that was done now."""
        if self.state is not State.UNLOADING or self.num_leases:
            return False
        self.state = State.END
        self.model = None
        return True


class VersionPool:
    """The versions of one model.

    Args:
        name: The model's name in requests.
        directory: Folder of numbered versions; may be empty or missing at first.
        labels: Label -> version.
        load: Loads a version from its folder.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        labels: Mapping[str, int],
        load: Callable[[Path, int], SavedModel],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._directory = directory
        self._labels = dict(labels)
        self._load = load
        self._clock = clock
        self._lock = threading.Lock()
        self._refreshing = threading.Lock()
        self._entries: dict[int, VersionEntry] = {}
        self._is_starting = True

    @property
    def newest(self) -> int | None:
        """Return the version that requests without a version get, None where there is none."""
        with self._lock:
            return self._newest()

    def refresh(self) -> None:
        """Load what is new in the folder, and let go of what is not served any more.

        The newest version that loads is served. What cannot be loaded is tried again after a
        minute, an incomplete copy at once. Where nothing in the folder loads, what is served
        stays: an empty folder is more likely a mistake than a wish.
        """
        with self._refreshing:
            folders = version_folders(self._directory)
            served = next(
                (v for v in reversed(folders) if self._make_available(v, folders[v])), None
            )
            labelled = {version for version in self._labels.values() if version in folders}
            for version in sorted(labelled):
                self._make_available(version, folders[version])
            with self._lock:
                self._is_starting = False
                if served is not None:
                    for version, entry in self._entries.items():
                        if version not in {served, *labelled}:
                            entry.retire()
            self._end_unused()

    @contextlib.contextmanager
    def lease(self, name: str, version: int | None, label: str | None) -> Iterator[SavedModel]:
        """Hold a version for the length of a request.

        Raises:
            ServingError: No such model, version or label is served, or it is still loading.
        """
        number = self.resolve(name, version, label)
        with self._lock:
            number = self._newest() if number is None else number
            entry = self._entries.get(number) if number is not None else None
            if name != self.name or entry is None or entry.state is not State.AVAILABLE:
                if name == self.name and self._is_starting:
                    raise ServingError(
                        503, f"the model {name} is still loading; try again", _RETRY_AFTER_S
                    )
                wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
                raise not_found(f"Servable not found for request: {wanted}")
            model = entry.model
            assert model is not None  # it is available
            entry.num_leases += 1
        try:
            yield model
        finally:
            with self._lock:
                entry.num_leases -= 1

    def resolve(self, name: str, version: int | None, label: str | None) -> int | None:
        """Return the version that a request names by number or label, None for the newest.

        Raises:
            ServingError: The label is unknown.
        """
        if label is None:
            return version
        if name != self.name or label not in self._labels:
            raise invalid_argument(f"Unrecognized servable version label: {label[:80]}")
        return self._labels[label]

    def states(self) -> list[VersionEntry]:
        """Return copies of the versions that are or were served, newest first."""
        with self._lock:
            return [
                VersionEntry(entry.version, entry.state, error=entry.error)
                for _, entry in sorted(self._entries.items(), reverse=True)
            ]

    def _newest(self) -> int | None:
        available = [v for v, e in self._entries.items() if e.state is State.AVAILABLE]
        return max(available, default=None)

    def _make_available(self, version: int, folder: Path) -> bool:
        """Load a version where it is not; return whether requests can have it."""
        with self._lock:
            entry = self._entries.get(version)
            if entry is not None and entry.state is State.UNLOADING:
                entry.state = State.AVAILABLE  # wanted again before it was let go of
            if entry is not None and entry.state is State.AVAILABLE:
                return True
            if entry is not None and entry.error and self._clock() < entry.retry_at:
                return False
        if not is_complete(folder):
            self._fail(version, f"no {SAVED_MODEL_FILE} in {folder}", retry_at=0.0)
            return False
        with self._lock:
            entry = self._entries[version] = VersionEntry(version)
        log.info("loading version %d of %s", version, self.name)
        try:
            model = self._load(folder, version)
        except Exception as error:
            # Whatever a model file does must not end a server that has another one.
            self._fail(version, f"{type(error).__name__}: {error}", self._clock() + _RETRY_S)
            return False
        with self._lock:
            entry.model = model
            entry.state = State.AVAILABLE
        log.info("serving version %d of %s", version, self.name)
        return True

    def _fail(self, version: int, error: str, retry_at: float) -> None:
        with self._lock:
            before = self._entries.get(version)
            self._entries[version] = VersionEntry(
                version, State.END, error=error, retry_at=retry_at
            )
        if before is None or before.error != error:
            log.error("version %d of %s cannot be loaded: %s", version, self.name, error)

    def _end_unused(self) -> None:
        with self._lock:
            ended = [entry.version for entry in self._entries.values() if entry.end_if_unused()]
        if ended:
            gc.collect()  # a loaded model is full of cycles
            log.info("let go of version %s of %s", ", ".join(map(str, ended)), self.name)
