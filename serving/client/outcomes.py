"""What the client says of an image, and the errors it raises."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal, TypeAlias

from contract import features

# `image`: it cannot be used as it is; `refused`: the server would not judge it; `server`: the
# server could not be used.
FailureKind = Literal["image", "refused", "server"]
ReferReason = Literal["unfamiliar_image", "uncertain_score"]
UNFAMILIAR_IMAGE: ReferReason = "unfamiliar_image"
UNCERTAIN_SCORE: ReferReason = "uncertain_score"


@dataclasses.dataclass(frozen=True, slots=True)
class Prediction:
    """The model's answer on one image.

    Attributes:
        name: The path as it was given, or "image N", counted from 1, for bytes.
        probability: Of pneumonia, in [0, 1].
        label: Which side of the operating point it is on, one of `contract.features.LABELS`.
        threshold: The operating point, in [0, 1]: pneumonia at or above it.
        decision: `label`, or `contract.features.REFER`: a radiologist must decide. Always `label`
            from a model that refers nobody.
        familiarity: Share of known images that are at least as unusual, in (0, 1]; None from a
            model that does not measure it.
        familiarity_threshold: An image is unfamiliar below it, in [0, 1]; None as `familiarity`.
    """

    name: str
    probability: float
    label: str
    threshold: float
    decision: str
    familiarity: float | None = None
    familiarity_threshold: float | None = None

    @property
    def refer_reason(self) -> ReferReason | None:
        """Why the case is referred; None where it is decided.

        An image that is unfamiliar is referred for that, whatever its score.
        """
        if self.decision != features.REFER:
            return None
        if self.familiarity is None or self.familiarity_threshold is None:
            return UNCERTAIN_SCORE
        is_unfamiliar = features.is_unfamiliar(self.familiarity, self.familiarity_threshold)
        return UNFAMILIAR_IMAGE if is_unfamiliar else UNCERTAIN_SCORE


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """Why one image has no answer.

    Attributes:
        name: As in `Prediction`.
        kind: Whose fault it is.
        reason: One line for a person.
    """

    name: str
    kind: FailureKind
    reason: str


Outcome: TypeAlias = Prediction | Failure


class UnansweredError(Exception):
    """Some images have no answer.

    Attributes:
        outcomes: Those of all images, in their order: what was answered is not lost.
    """

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self.outcomes = tuple(outcomes)
        failures = [each for each in outcomes if isinstance(each, Failure)]
        first = failures[0]
        super().__init__(
            f"{len(failures)} of {len(outcomes)} images have no answer, first {first.name}: "
            f"{first.reason}; see `outcomes` for all, or use Client.predict_each"
        )


class RefusedRequestError(Exception):
    """The server answered that it does not judge these images; the message is its own."""


class ServerUnavailableError(Exception):
    """The server cannot be used, now or at all: sending other images would not help."""
