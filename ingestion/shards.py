"""Which image goes into which TFRecord file, and the writing of one such file.

A shard is the unit of work: images are read, verified and written one by one,
so a worker holds a single image in memory, and neither the content nor the
order of records depends on how many workers there are.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from contract import features
from contract.errors import RejectedImageError
from contract.facts import ImageFacts, Rejection, ShardReport
from ingestion.images import DecodedImage, read_image
from ingestion.records import SourceImage
from ingestion.tfrecord_file import encode_example, write_gzip_records

PLANS = "plans"  # folder of the shards' plans, beside the splits' folders
REPORTS = "reports"  # folder of the shards' reports


@dataclasses.dataclass(frozen=True, slots=True)
class ShardPlan:
    """The content of one TFRecord file."""

    split: str
    index: int
    num_shards: int
    images: tuple[SourceImage, ...]

    @property
    def name(self) -> str:
        """The file's name relative to the conversion's folder."""
        return f"{self.split}/part-{self.index:05d}-of-{self.num_shards:05d}.tfrecord.gz"

    @property
    def plan_name(self) -> str:
        """Where the plan is kept, relative to the same folder."""
        return f"{PLANS}/{self.split}-{self.index:05d}.json"

    @property
    def report_name(self) -> str:
        """Where the shard's facts go, relative to the same folder."""
        return f"{REPORTS}/{self.split}-{self.index:05d}.json"


def plan_shards(
    images: Sequence[SourceImage], splits: Sequence[str], num_shards: int
) -> list[ShardPlan]:
    """Divide images into shards.

    Within a split, images are ordered by a hash of their ids, which mixes
    classes and patients, and dealt out to the shards in turn.

    Args:
        images: All images.
        splits: The split of each of them.
        num_shards: Files per split; fewer where a split has fewer images, so
            that no file is planned empty.
    """
    plans = []
    for split in features.SPLITS:
        members = [image for image, its in zip(images, splits, strict=True) if its == split]
        members.sort(key=lambda image: hashlib.sha256(image.image_id.encode()).digest())
        count = min(num_shards, len(members))
        plans += [
            ShardPlan(split, index, count, tuple(members[index::count])) for index in range(count)
        ]
    return plans


def without(
    plans: Sequence[ShardPlan], image_ids: Collection[str]
) -> tuple[list[ShardPlan], list[ShardPlan]]:
    """Return all plans without these images, and those among them that changed."""
    reduced, changed = [], []
    for plan in plans:
        kept = tuple(image for image in plan.images if image.image_id not in image_ids)
        if len(kept) < len(plan.images):
            plan = dataclasses.replace(plan, images=kept)
            changed.append(plan)
        reduced.append(plan)
    return reduced, changed


def save_plan(plan: ShardPlan, folder: Path) -> None:
    """Keep a plan under its name in `folder`, for the worker that will carry it out.

    Places become absolute: a worker may be in another folder than this process.
    """
    images = [
        (str(image.path.absolute()), *dataclasses.astuple(image)[1:]) for image in plan.images
    ]
    text = json.dumps([plan.split, plan.index, plan.num_shards, images])
    (folder / plan.plan_name).write_text(text, encoding="utf-8")


def load_plan(folder: Path, plan_name: str) -> ShardPlan:
    """Return the plan that `save_plan` kept."""
    split, index, num_shards, images = json.loads((folder / plan_name).read_text("utf-8"))
    return ShardPlan(split, index, num_shards, tuple(SourceImage(*image) for image in images))


def image_to_example(image: SourceImage, decoded: DecodedImage) -> bytes:
    """Return the serialised `tf.train.Example` of one image, as `contract.features` defines it."""
    return encode_example(
        {
            features.IMAGE_BYTES: decoded.encoded,
            features.IMAGE_ID: image.image_id.encode(),
            features.HEIGHT: decoded.height,
            features.WIDTH: decoded.width,
            features.SIZE_GROUP: features.size_group(decoded.height, decoded.width).encode(),
            features.SHARPNESS_GROUP: features.sharpness_group(decoded.mean_gradient).encode(),
            features.LABEL: image.label,
            features.SUBTYPE: image.subtype.encode(),
            features.PATIENT_ID: image.patient_id.encode(),
            features.SOURCE_SPLIT: image.source_split.encode(),
            features.PIXEL_SHA256: decoded.pixel_sha256.encode(),
        }
    )


def write_shard(
    plan: ShardPlan, folder: Path, max_image_pixels: int, on_image: Callable[[], None]
) -> None:
    """Write a shard's records, and beside them a `ShardReport`, under `folder`.

    Unreadable images are left out of the records and listed in the report. A
    file appears under its name only when complete, so a repeated attempt is safe.

    Args:
        plan: What to write.
        folder: The conversion's folder, in which the plan's folders exist.
        max_image_pixels: As for `read_image`.
        on_image: Called once after each image.
    """
    found: list[ImageFacts] = []
    rejected: list[Rejection] = []

    def examples() -> Iterator[bytes]:
        for image in plan.images:
            try:
                decoded = read_image(image.path, max_image_pixels)
            except RejectedImageError as error:
                rejected.append(Rejection(image_id=image.image_id, reason=str(error)))
            else:
                found.append(_facts(image, decoded, plan.split))
                yield image_to_example(image, decoded)
            on_image()

    with _appearing(folder / plan.name) as attempt:
        write_gzip_records(attempt, examples())
    with _appearing(folder / plan.report_name) as attempt:
        text = ShardReport(images=tuple(found), rejected=tuple(rejected)).model_dump_json()
        attempt.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """Give another path to write to, whose file then appears under `path`, or not at all.

    A process that is killed leaves the other file: `ingestion.conversion` never publishes one.
    """
    attempt = path.with_name(f"{path.name}.{uuid.uuid4().hex}.attempt")
    try:
        yield attempt
        os.replace(attempt, path)
    except BaseException:
        attempt.unlink(missing_ok=True)
        raise


def _facts(image: SourceImage, decoded: DecodedImage, split: str) -> ImageFacts:
    return ImageFacts(
        image_id=image.image_id,
        split=split,
        label=image.label,
        subtype=image.subtype,
        patient_id=image.patient_id,
        patient_known=image.patient_known,
        height=decoded.height,
        width=decoded.width,
        pixel_sha256=decoded.pixel_sha256,
    )
