"""From a source to sharded TFRecords and a dataset card, by a Beam pipeline."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import threading
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from contract import features
from contract.errors import InputError
from contract.facts import ImageFacts, Rejection, ShardReport
from contract.progress import report_progress
from contract.settings import DataSettings
from ingestion.dataset_card import JSON_NAME, DatasetCard, make_card, read_card, write_card
from ingestion.duplicates import find_duplicates
from ingestion.fingerprint import fingerprint_source
from ingestion.records import Source
from ingestion.shards import (
    PLANS,
    REPORTS,
    ShardPlan,
    load_plan,
    plan_shards,
    save_plan,
    without,
    write_shard,
)
from ingestion.splits import assign_splits
from ingestion.walking import is_leftover

_REASONS_NAMED = 5
_WORK = "work"
_REMOVALS = 5  # of a folder that somebody still writes into

STAGE = "Converting images"
_UNIT = "image"
_REPORT_EVERY_S = 1.0

_RUNNING: dict[str, ProgressCounter] = {}


def convert(
    source: Source,
    settings: DataSettings,
    output_dir: Path,
    beam_pipeline_args: Sequence[str],
    *,
    filled_splits: Sequence[str] = features.SPLITS,
) -> DatasetCard:
    """Convert a source into `{train,validation,test}/part-*.tfrecord.gz` and a dataset card.

    The folder appears complete or not at all, and an existing one that was made
    from the same source, settings and code is taken as it is. Records and
    their order do not depend on the runner or on the number of workers.

    On a cluster, workers read the source and write the shards themselves, so
    both folders must be on a volume that all of them mount under the same path.
    Progress is then reported at the start and the end only; workers in this
    process report it all along.

    Args:
        source: What to convert.
        settings: Splits, shards, and what is tolerated.
        output_dir: The conversion's folder; made with its parents, replaced if
            it holds an older conversion.
        beam_pipeline_args: Arguments for Beam, e.g. "--runner=...".
        filled_splits: The splits that must hold images.

    Returns:
        The card, as written to `output_dir`.

    Raises:
        InputError: Too many images are unreadable, equal images are in
            different splits, a split is left empty, a patient of the source's
            test split is elsewhere too, or `output_dir` cannot be written.

    Example:
        >>> from contract.settings import SyntheticSettings
        >>> from ingestion.open_source import open_source
        >>> from ingestion.synthetic import write_synthetic_set
        >>> settings = DataSettings(synthetic=SyntheticSettings(num_images=60))
        >>> drawn = write_synthetic_set(Path("drawn"), settings.synthetic)
        >>> source = open_source(str(drawn), Path("work"), settings)
        >>> card = convert(source, settings, Path("records"), [])
        >>> card.synthetic, sorted(card.splits)
        (True, ['test', 'train', 'validation'])
    """
    fingerprint = fingerprint_source(source, settings)
    finished = finished_card(output_dir, fingerprint)
    if finished is not None:
        return finished
    plans = plan_shards(source.images, assign_splits(source.images, settings), settings.num_shards)
    try:
        work_dir = prepare_work(output_dir)
        first = work_dir / "first"
        _write_shards(plans, first, settings.max_image_pixels, beam_pipeline_args)
        places = {plan.name: first for plan in plans}
        images, rejected = _read_reports(plans, places)
        _check_rejected(rejected, len(source.images), settings.max_rejected_fraction)
        duplicates = find_duplicates(images, settings.cross_split_duplicates)
        if duplicates.dropped:
            # Rare, so the shards in question are simply written again; elsewhere, since a worker
            # that was thought lost may still be at work on the first ones.
            plans, changed = without(plans, frozenset(duplicates.dropped))
            second = work_dir / "second"
            _write_shards(changed, second, settings.max_image_pixels, beam_pipeline_args)
            places |= {plan.name: second for plan in changed}
            images, rejected = _read_reports(plans, places)
        _check_splits(images, filled_splits)
        complete = _collect(places, work_dir / "complete")
        files = {plan.name: (complete / plan.name).stat().st_size for plan in plans}
        card = make_card(source, settings, fingerprint, images, rejected, duplicates, files)
        write_card(card, complete)
        publish(complete, output_dir)
    finally:
        remove_leftovers(output_dir)
    return card


class _WriteShard(beam.DoFn):
    """Write one shard; the facts go through the shared folder, beside the shard."""

    def __init__(self, folder: Path, max_image_pixels: int, counter_name: str) -> None:
        self._folder = folder
        self._max_image_pixels = max_image_pixels
        self._counter_name = counter_name

    def process(self, plan_name: str) -> None:
        write_shard(
            load_plan(self._folder, plan_name),
            self._folder,
            self._max_image_pixels,
            on_image=lambda: count_one(self._counter_name),
        )


def _write_shards(
    plans: Sequence[ShardPlan], folder: Path, max_image_pixels: int, args: Sequence[str]
) -> None:
    for each in (*features.SPLITS, PLANS, REPORTS):
        (folder / each).mkdir(parents=True)
    total = sum(len(plan.images) for plan in plans)
    if not total:
        return
    # Plans reach the workers through the shared folder: Beam would copy them several times.
    for plan in plans:
        save_plan(plan, folder)
    counter_name = uuid.uuid4().hex
    with (
        ProgressCounter(counter_name, total),
        beam.Pipeline(options=PipelineOptions(list(args))) as pipeline,
    ):
        # Create spreads its elements over the workers by itself.
        _ = (
            pipeline
            | "Shards" >> beam.Create([plan.plan_name for plan in plans])
            | "Write" >> beam.ParDo(_WriteShard(folder.absolute(), max_image_pixels, counter_name))
        )


def _read_reports(
    plans: Sequence[ShardPlan], places: Mapping[str, Path]
) -> tuple[list[ImageFacts], list[Rejection]]:
    images: list[ImageFacts] = []
    rejected: list[Rejection] = []
    for plan in plans:
        path = places[plan.name] / plan.report_name
        report = ShardReport.model_validate_json(path.read_bytes())
        images += report.images
        rejected += report.rejected
    return images, sorted(rejected, key=lambda rejection: rejection.image_id)


def _collect(places: Mapping[str, Path], complete: Path) -> Path:
    """Move the shards into a folder that holds nothing else, and return it.

    Workers that were killed, or lost from sight, leave parts of shards beside the whole ones, and
    may go on doing so. What is in them are patients' images.

    Args:
        places: The folder that each shard is in, by the shard's name.
        complete: The folder to make.
    """
    for split in features.SPLITS:
        (complete / split).mkdir(parents=True)
    for name, folder in places.items():
        os.replace(folder / name, complete / name)
    return complete


def _check_rejected(
    rejected: Sequence[Rejection], num_images: int, max_rejected_fraction: float
) -> None:
    fraction = len(rejected) / num_images
    if fraction <= max_rejected_fraction:
        return
    reasons = "; ".join(f"{r.image_id}: {r.reason}" for r in rejected[:_REASONS_NAMED])
    more = len(rejected) - _REASONS_NAMED
    raise InputError(
        f"expected at most {max_rejected_fraction:.2%} unreadable images, got {len(rejected)} of "
        f"{num_images} ({fraction:.2%}): {reasons}{f'; and {more} more' if more > 0 else ''}; "
        "repair or remove these files, or raise data.max_rejected_fraction"
    )


def _check_splits(images: Collection[ImageFacts], expected: Sequence[str]) -> None:
    filled = {image.split for image in images}
    empty = [split for split in expected if split not in filled]
    if empty:
        raise InputError(
            f"expected images in each of {', '.join(expected)}, got none in "
            f"{' and '.join(empty)} ({len(images)} images of "
            f"{len({image.patient_id for image in images})} patients in all); add patients, or "
            "change data.validation_fraction, data.test_fraction or data.split_salt"
        )


def finished_card(output_dir: Path, fingerprint: str) -> DatasetCard | None:
    """Return the card of a complete conversion with this fingerprint, or None."""
    try:
        card = read_card(output_dir)
    except (OSError, ValueError):  # None yet, or one of an older version: convert again.
        return None
    if card.fingerprint != fingerprint:
        return None
    for name, num_bytes in card.files.items():
        path = output_dir / name
        if not path.is_file() or path.stat().st_size != num_bytes:
            return None
    known = {output_dir / name for name in card.files}
    for split in features.SPLITS:
        if set((output_dir / split).glob("*")) - known:
            return None
    return card


def prepare_work(output_dir: Path) -> Path:
    """Make an empty folder beside `output_dir` to write into, and return it.

    It has a name that no folder had before: workers of an interrupted conversion that a cluster
    still runs cannot write into it. What that conversion left is thrown away.

    Raises:
        InputError: The place cannot be written, or `output_dir` holds files of somebody else.
    """
    work_dir = _beside(output_dir, f"{_WORK}-{uuid.uuid4().hex}")
    try:
        if output_dir.exists():
            _check_ours(output_dir)
        remove_leftovers(output_dir)
        work_dir.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"expected a folder that can be written, got {output_dir}: "
            f"{error.strerror or error}; choose another output folder, or fix its permissions"
        ) from error
    return work_dir


def remove_leftovers(output_dir: Path) -> None:
    """Remove what conversions into `output_dir` have left beside it, which holds images.

    Raises:
        OSError: It cannot be removed.
    """
    for word in (f"{_WORK}-*", "partial"):  # the second one by earlier versions
        for folder in output_dir.parent.glob(f".{glob.escape(output_dir.name)}.{word}"):
            _remove(folder)


def _remove(folder: Path) -> None:
    for attempt in range(_REMOVALS):
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:  # A worker's own file, renamed meanwhile.
            if not folder.exists():
                return
        except OSError as error:
            # A worker that goes on after its job has ended has put something there meanwhile.
            if error.errno != errno.ENOTEMPTY or attempt == _REMOVALS - 1:
                raise
        else:
            return


def publish(complete: Path, output_dir: Path) -> None:
    """Put a complete folder into the place of `output_dir`."""
    old = _beside(output_dir, "old")
    if old.exists():
        shutil.rmtree(old)
    if output_dir.exists():
        os.replace(output_dir, old)
    os.replace(complete, output_dir)
    if old.exists():
        shutil.rmtree(old)


def _beside(output_dir: Path, word: str) -> Path:
    return output_dir.with_name(f".{output_dir.name}.{word}")


def _check_ours(output_dir: Path) -> None:
    others = any(not is_leftover(path.name) for path in output_dir.iterdir())
    if others and not (output_dir / JSON_NAME).is_file():
        raise InputError(
            f"expected an empty folder or an earlier conversion, got {output_dir} with other "
            "files in it, which a conversion would replace; choose another output folder"
        )


class ProgressCounter:
    """A counter that reports at most once a percent, and at least once a second while it moves.

    Beam copies what it sends to its workers, so workers find the counter by
    name. Workers in other processes or on other machines find none, and then
    only the start and the end of the work are reported.
    """

    def __init__(self, name: str, total: int) -> None:
        self._name = name
        self._total = total
        self._done = 0
        self._told_done = 0
        self._told_at_s = time.monotonic()
        self._lock = threading.Lock()

    def __enter__(self) -> ProgressCounter:
        _RUNNING[self._name] = self
        report_progress(STAGE, 0, self._total, _UNIT)
        return self

    def __exit__(self, error_type: type[BaseException] | None, *unused: object) -> None:
        del _RUNNING[self._name]
        if error_type is None and self._told_done < self._total:
            report_progress(STAGE, self._total, self._total, _UNIT)

    def add_one(self) -> None:
        """Count one more image."""
        with self._lock:
            self._done = min(self._done + 1, self._total)
            now_s = time.monotonic()
            if (
                self._done < self._total
                and (self._done - self._told_done) * 100 < self._total
                and now_s - self._told_at_s < _REPORT_EVERY_S
            ):
                return
            self._told_done, self._told_at_s = self._done, now_s
            report_progress(STAGE, self._done, self._total, _UNIT)


def count_one(name: str) -> None:
    """Count one image for the counter called `name`, if it lives in this process."""
    counter = _RUNNING.get(name)
    if counter is not None:
        counter.add_one()
