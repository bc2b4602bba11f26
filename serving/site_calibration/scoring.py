"""A model's probabilities for a site's images, by the signature that clients ask."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import tensorflow as tf
from pydantic import BaseModel, ConfigDict

from contract import features
from contract.errors import InputError
from models.session_model import SessionModel
from serving.bisection import answer_each
from serving.client.images import ReadyImage, prepare_image
from serving.site_calibration.site_images import SiteImage


class LeftOut(BaseModel):
    """A file that was not scored, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    reason: str


@dataclasses.dataclass(frozen=True)
class ScoredImages:
    """What a model says of a site.

    Attributes:
        images: Those that were scored.
        probabilities: float32 [n], of pneumonia, in [0, 1].
        num_unfamiliar: Of the scored ones, those that the model refers because they are unlike its
            training images; None where it does not measure that.
        left_out: The others.
        images_sha256: Digest of the scored images' content, in any order.
    """

    images: tuple[SiteImage, ...]
    probabilities: np.ndarray
    num_unfamiliar: int | None
    left_out: tuple[LeftOut, ...]
    images_sha256: str


@dataclasses.dataclass(frozen=True, slots=True)
class _Prepared:
    image: SiteImage
    encoded: bytes


class _Scoring:
    """Collects answers, batch by batch."""

    def __init__(self, model: SessionModel) -> None:
        self._model = model
        self.scored: list[tuple[SiteImage, float]] = []
        self.left_out: list[LeftOut] = []
        self.num_unfamiliar: int | None = None

    def score(self, batch: Sequence[_Prepared]) -> None:
        """Ask the model about a batch; leave out what it refuses."""
        outcomes = answer_each(batch, self._ask, tf.errors.InvalidArgumentError)
        for prepared, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, tf.errors.InvalidArgumentError):
                left_out = LeftOut(name=prepared.image.name, reason="the model cannot decode it")
                self.left_out.append(left_out)
                continue
            probability, is_unfamiliar = outcome
            if is_unfamiliar is not None:
                self.num_unfamiliar = (self.num_unfamiliar or 0) + is_unfamiliar
            self.scored.append((prepared.image, probability))

    def _ask(self, batch: Sequence[_Prepared]) -> list[tuple[float, bool | None]]:
        """Return each image's probability, and whether it is unfamiliar where the model says."""
        answer = self._model.run(
            features.SERVING_SIGNATURE, {features.IMAGE_BYTES: [each.encoded for each in batch]}
        )
        is_unfamiliar: Sequence[bool | None] = [None] * len(batch)
        if features.FAMILIARITY in answer:
            is_unfamiliar = features.is_unfamiliar(
                answer[features.FAMILIARITY], answer[features.FAMILIARITY_THRESHOLD]
            ).tolist()
        probabilities = map(float, answer[features.PROBABILITY])
        return list(zip(probabilities, is_unfamiliar, strict=True))


def score_images(
    model: SessionModel, images: Iterable[SiteImage], max_image_pixels: int, batch_size: int
) -> ScoredImages:
    """Score images; what cannot be used is listed, and ends nothing.

    A file with the content of an earlier one is left out: it would count twice.

    Args:
        model: Has the signature `serving_default`.
        images: The site's.
        max_image_pixels: Largest allowed height x width.
        batch_size: Images per request.

    Raises:
        InputError: The model has no such signature, or no image could be scored.
    """
    if features.SERVING_SIGNATURE not in model.signatures:
        raise InputError(
            f"expected a model with the signature {features.SERVING_SIGNATURE}, got "
            f"{', '.join(model.signatures) or 'none'}; give one that this pipeline exported"
        )
    scoring, digests = _Scoring(model), list[str]()
    batch: list[_Prepared] = []
    for prepared in _prepare(images, max_image_pixels, scoring.left_out, digests):
        batch.append(prepared)
        if len(batch) == batch_size:
            scoring.score(batch)
            batch = []
    scoring.score(batch)
    if not scoring.scored:
        reasons = "; ".join(f"{each.name}: {each.reason}" for each in scoring.left_out[:3])
        raise InputError(
            f"expected images that can be scored, got none of {len(scoring.left_out)} ({reasons}); "
            "give JPEG, PNG or DICOM files"
        )
    return ScoredImages(
        images=tuple(image for image, _ in scoring.scored),
        probabilities=np.array([probability for _, probability in scoring.scored], np.float32),
        num_unfamiliar=scoring.num_unfamiliar,
        left_out=tuple(scoring.left_out),
        images_sha256=hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest(),
    )


def _prepare(
    images: Iterable[SiteImage],
    max_image_pixels: int,
    left_out: list[LeftOut],
    digests: list[str],
) -> Iterator[_Prepared]:
    first_of: dict[str, SiteImage] = {}
    for image in images:
        ready = prepare_image(image.name, image.path, max_image_pixels)
        if not isinstance(ready, ReadyImage):
            left_out.append(LeftOut(name=image.name, reason=ready.reason))
            continue
        digest = hashlib.sha256(ready.encoded).hexdigest()
        first = first_of.setdefault(digest, image)
        if first is not image:
            other = "" if first.label == image.label else ", which is labelled otherwise"
            left_out.append(LeftOut(name=image.name, reason=f"same content as {first.name}{other}"))
            continue
        digests.append(digest)
        yield _Prepared(image, ready.encoded)
