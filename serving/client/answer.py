"""TensorFlow Serving's REST form: the body of a request, and what its answers say."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from typing import Literal, Self

import pydantic

from contract import features
from serving.client.images import ReadyImage
from serving.client.outcomes import Prediction, ServerUnavailableError

_MAX_MESSAGE_CHARACTERS = 300
# TensorFlow Serving quotes what it could not read, which may be an image.
_LONG_RUN = re.compile(r"[A-Za-z0-9+/=_-]{48,}")
# Models that were exported before cases were referred answer none of these.
_OF_REFERRAL = (features.DECISION, features.FAMILIARITY, features.FAMILIARITY_THRESHOLD)


class _Row(pydantic.BaseModel):
    """One entry of `predictions`; further outputs are ignored."""

    model_config = pydantic.ConfigDict(frozen=True, strict=True)

    probability: float = pydantic.Field(ge=0.0, le=1.0)
    label: Literal["normal", "pneumonia"]
    threshold: float = pydantic.Field(ge=0.0, le=1.0)
    decision: Literal["normal", "pneumonia", "refer"] | None = None
    familiarity: float | None = pydantic.Field(None, gt=0.0, le=1.0)
    familiarity_threshold: float | None = pydantic.Field(None, ge=0.0, le=1.0)

    @pydantic.model_validator(mode="after")
    def _is_one_decision(self) -> Self:
        given = self.model_fields_set.intersection(_OF_REFERRAL)
        if not given:
            return self
        if self.decision is None or self.familiarity is None or self.familiarity_threshold is None:
            raise ValueError(f"expected all of {', '.join(_OF_REFERRAL)}, got {sorted(given)}")
        if self.decision not in (self.label, features.REFER):
            raise ValueError(
                f"expected a decision that is the label {self.label} or {features.REFER}, "
                f"got {self.decision}"
            )
        unfamiliar = features.is_unfamiliar(self.familiarity, self.familiarity_threshold)
        if unfamiliar and self.decision != features.REFER:
            raise ValueError(
                f"expected the decision {features.REFER} for an unfamiliar image, "
                f"got {self.decision}"
            )
        return self


class _Answer(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, strict=True)

    predictions: list[_Row]


def request_body(images: Sequence[ReadyImage]) -> bytes:
    """Return the JSON that asks for all `images`, in row form, with the input by name."""
    instances = [
        {features.IMAGE_BYTES: {"b64": base64.b64encode(image.encoded).decode("ascii")}}
        for image in images
    ]
    body = {"signature_name": features.SERVING_SIGNATURE, "instances": instances}
    return json.dumps(body).encode("ascii")


def read_predictions(body: bytes, images: Sequence[ReadyImage]) -> list[Prediction]:
    """Read the answer to `request_body(images)`.

    Raises:
        ServerUnavailableError: It is not an answer of this model: another one is served there.
    """
    try:
        rows = _Answer.model_validate_json(body).predictions
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise ServerUnavailableError(
            f"expected predictions with probability, label and threshold, got at {where}: "
            f"{first['msg']}; check that --url and --model lead to this pipeline's model"
        ) from error
    if len(rows) != len(images):
        raise ServerUnavailableError(
            f"expected {len(images)} predictions, got {len(rows)}; "
            "check that --url and --model lead to this pipeline's model"
        )
    return [
        Prediction(
            name=image.name,
            probability=row.probability,
            label=row.label,
            threshold=row.threshold,
            decision=row.decision or row.label,
            familiarity=row.familiarity,
            familiarity_threshold=row.familiarity_threshold,
        )
        for image, row in zip(images, rows, strict=True)
    ]


def error_message(body: bytes) -> str:
    """Return what a server says of its error, on one short line without any image's content."""
    text = body.decode("utf-8", "replace")
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict) and isinstance(parsed.get("error"), str):
        text = parsed["error"]
    else:
        # A proxy's page of HTML, mostly.
        text = re.sub(r"<[^>]*>", " ", text)
    text = " ".join(_LONG_RUN.sub("...", text).split())
    if len(text) > _MAX_MESSAGE_CHARACTERS:
        text = text[:_MAX_MESSAGE_CHARACTERS] + "..."
    return text or "no message"
