"""What the client says of an image, and the errors it raises."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal, TypeAlias

# `image`: it cannot be used as it is; `refused`: the server would not judge it; `server`: the
# server could not be asked.
FailureKind = Literal["image", "refused", "server"]


@dataclasses.dataclass(frozen=True, slots=True)
class Prediction:
    """The model's answer on one image.

    Attributes:
        name: The path as it was given, or "image N", counted from 1, for bytes.
        probability: Of pneumonia, in [0, 1].
        label: The decision at the model's operating point, one of `models.features.LABELS`.
        threshold: The operating point, in [0, 1]: pneumonia at or above it.
    """

    name: str
    probability: float
    label: str
    threshold: float


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
    """The server cannot be asked, now or at all: asking for other images would not help."""
