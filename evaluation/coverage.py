"""How much a model decides, how much it leaves to a radiologist, and how good it is on the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import NonNegativeInt

from contract import features
from evaluation.slice_metrics import (
    Estimate,
    Record,
    SliceMetrics,
    proportion,
    slice_metrics_from_counts,
    slice_name,
)

if TYPE_CHECKING:  # it brings TensorFlow
    from evaluation.referral import Referral

DECIDED_SLICE = slice_name(features.CASE, features.DECIDED)
REFERRED_SLICE = slice_name(features.CASE, features.REFERRED)
_NOTHING = slice_metrics_from_counts(
    tp=0, fp=0, tn=0, fn=0, auc=None, mean_probability=None, brier=None, log_loss=None
)


class Coverage(Record):
    """What a model decides on one split.

    Attributes:
        n: Images.
        num_unfamiliar: Of these, referred because they are unlike the training images; None where
            only the sum of both reasons is known.
        num_uncertain: Of the familiar ones, referred because their score is uncertain; likewise.
        share: Share of images that are decided, Wilson interval; undefined without images.
        decided: Figures of these.
    """

    n: NonNegativeInt
    num_unfamiliar: NonNegativeInt | None
    num_uncertain: NonNegativeInt | None
    share: Estimate
    decided: SliceMetrics


def make_coverage(
    n: int,
    decided: SliceMetrics,
    *,
    num_unfamiliar: int | None = None,
    num_uncertain: int | None = None,
) -> Coverage:
    """Return a coverage with the share and its interval worked out; see `Coverage`."""
    return Coverage(
        n=n,
        num_unfamiliar=num_unfamiliar,
        num_uncertain=num_uncertain,
        share=proportion(decided.n, n),
        decided=decided,
    )


def coverage_on_validation(referral: Referral) -> Coverage:
    """Return the coverage that the Trainer measured when it chose what to refer."""
    return make_coverage(
        referral.num_cases,
        referral.decided,
        num_unfamiliar=referral.num_unfamiliar,
        num_uncertain=referral.num_uncertain,
    )


def coverage_of_slices(slices: Mapping[str, SliceMetrics]) -> Coverage | None:
    """Return the coverage by TFMA's slices of decided and referred images.

    Args:
        slices: Figures by slice name.

    Returns:
        None where there is neither slice: the evaluation was of a model that refers nothing, or
        was not sliced by it.
    """
    decided, referred = slices.get(DECIDED_SLICE), slices.get(REFERRED_SLICE)
    if decided is None and referred is None:
        return None
    num_referred = 0 if referred is None else referred.n
    found = decided or _NOTHING
    return make_coverage(found.n + num_referred, found)
