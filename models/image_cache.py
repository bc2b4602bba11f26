"""Where Tuner and Trainer keep the images: in memory, in a temporary folder, or nowhere."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import logging
import os
import re
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from contract import features
from contract.settings import STATISTICS_KEY, CandidateRun
from models.class_counts import read_class_counts
from models.input_data import Split, count_classes, find_files, is_whole, load_split
from models.streamed_split import open_stream

if TYPE_CHECKING:  # it brings all of TFX
    from tfx.components.trainer.fn_args_utils import FnArgs

Cache = Literal["memory", "disk", "none"]

_PREFIX = "pneumonia-training-images-"
_LOCK = "lock"
# Limit, use and statistics of a container's memory: control groups of version 2, then 1. Files that
# were read count as used, and are dropped when memory is needed.
_CGROUPS = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        "total_inactive_file",
    ),
)

_LOGGER = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Splits:
    """The splits that a candidate is trained and judged on.

    Attributes:
        train: The training split.
        validation: The validation split.
        cache: Where their images are.
        folder: What holds them on disk, as long as somebody holds this; None elsewhere.
    """

    train: Split
    validation: Split
    cache: Cache
    folder: CacheFolder | None = None

    def close(self) -> None:
        """Remove what is on disk; the splits cannot be read after that."""
        if self.folder is not None:
            self.folder.remove()


def open_splits(run: CandidateRun, fn_args: FnArgs) -> Splits:
    """Open both splits as `training.cache` says.

    Args:
        run: The candidate.
        fn_args: The splits' files; under `STATISTICS_KEY` of its `custom_config`, StatisticsGen's
            output, which has the number of images of each class. Without it they are counted,
            which reads all records.

    Raises:
        ValueError: A split is empty, or the statistics are of other records.
    """
    setting = run.candidate.training.cache
    statistics = fn_args.custom_config.get(STATISTICS_KEY)
    train_counts, validation_counts = (
        count_classes(find_files(files))
        if statistics is None
        else read_class_counts(Path(statistics), split)
        for split, files in (
            (features.TRAIN, fn_args.train_files),
            (features.VALIDATION, fn_args.eval_files),
        )
    )
    num_images = sum(train_counts) + sum(validation_counts)
    cache: Cache
    if setting == "auto":
        cache = "memory" if fits_memory(run, num_images, free_memory_bytes()) else "none"
    else:
        cache = setting
    _LOGGER.info(
        "%s: %d images to train on, %d to validate on, cache: %s",
        run.name,
        sum(train_counts),
        sum(validation_counts),
        cache,
    )
    if cache == "memory":
        return Splits(
            load_split(fn_args.train_files, run.image_size_px, sum(train_counts)),
            load_split(fn_args.eval_files, run.image_size_px, sum(validation_counts)),
            cache,
        )
    folder = CacheFolder() if cache == "disk" else None
    path = None if folder is None else folder.path
    return Splits(
        open_stream(fn_args.train_files, run.image_size_px, train_counts, path),
        open_stream(fn_args.eval_files, run.image_size_px, validation_counts, path),
        cache,
        folder,
    )


def fits_memory(run: CandidateRun, num_images: int, free_bytes: int) -> bool:
    """Return whether images fit the share of the free memory that the settings give them.

    Args:
        run: The candidate.
        num_images: Of both splits.
        free_bytes: See `free_memory_bytes`.
    """
    # As an array; as the candidate sees them, where that differs; and the most that TensorFlow was
    # seen to hold of them on top: its tensor, a copy in the data set that is iterated over, and
    # another while either is made.
    num_bytes = 4 * run.input_size_px**2
    if not is_whole(run.candidate, run.image_size_px):
        num_bytes += run.image_size_px**2
    return num_images * num_bytes <= run.candidate.training.memory_fraction * free_bytes


def free_memory_bytes(root: Path = Path("/")) -> int:
    """Return how much memory this process may still take, by its machine and its container.

    Args:
        root: Of the file system, unless a test says so.

    Raises:
        RuntimeError: The system is not Linux.
    """
    facts = root / "proc" / "meminfo"
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", facts.read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(
            f"Expected the line MemAvailable in {facts}, got none: run on Linux 3.14 or newer."
        )
    free = int(found[1]) * 1024
    for limit, use, statistics, dropped in _CGROUPS:
        group = root / "sys" / "fs" / "cgroup"
        if not (group / limit).is_file() or (text := (group / limit).read_text().strip()) == "max":
            continue
        files = re.search(rf"^{dropped} (\d+)$", (group / statistics).read_text(), re.MULTILINE)
        used = int((group / use).read_text()) - (int(files[1]) if files else 0)
        free = min(free, max(0, int(text) - used))
    return free


class CacheFolder:
    """A temporary folder, removed with its last reference, at the latest when the process ends.

    A process that is killed leaves it, with patients' images in it: the next one on the machine
    that makes such a folder removes it. Who uses one holds a lock in it.
    """

    def __init__(self) -> None:
        remove_left_over_folders()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = (self.path / f"{_LOCK}.new").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Renamed only now: nobody sees the lock's name unlocked while this process lives.
        (self.path / f"{_LOCK}.new").rename(self.path / _LOCK)
        self._remove = weakref.finalize(self, _remove_folder, self.path, lock)

    def remove(self) -> None:
        """Delete the folder now."""
        self._remove()


def remove_left_over_folders() -> None:
    """Delete the folders of this user's processes that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            continue
        with contextlib.suppress(FileNotFoundError, BlockingIOError):
            lock = (folder / _LOCK).open("r+")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                raise
            _LOGGER.warning("Removing %s, which a process that was killed has left", folder)
            _remove_folder(folder, lock)


def _remove_folder(folder: Path, lock: IO[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.close()
    if folder.exists():
        _LOGGER.warning("%s holds images, and could not be removed: delete it", folder)
