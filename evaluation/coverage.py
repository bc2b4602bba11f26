"""How much a model decides, how much it leaves to a radiologist, and how good it is on the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeInt

from contract import features
from evaluation.referral import Referral
from evaluation.slice_metrics import (
    Estimate,
    Record,
    SliceMetrics,
    proportion,
    slice_metrics_from_counts,
    slice_name,
)

DECIDED_SLICE = slice_name(features.CASE, features.DECIDED)
REFERRED_SLICE = slice_name(features.CASE, features.REFERRED)
_NOTHING = slice_metrics_from_counts(
    tp=0, fp=0, tn=0, fn=0, auc=None, mean_probability=None, brier=None, log_loss=None
)


class Coverage(Record):
    """What a model decides on one split, or on one external set.

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

    @property
    def referred(self) -> Estimate:
        """Share of images that are referred, Wilson interval; undefined without images."""
        return proportion(self.n - self.decided.n, self.n)

    @property
    def unfamiliar(self) -> Estimate | None:
        """Share of images that are referred as unlike the training images, where it is known."""
        return None if self.num_unfamiliar is None else proportion(self.num_unfamiliar, self.n)


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


def coverage_of_verdicts(
    labels: npt.ArrayLike, verdicts: Sequence[str], unfamiliar: npt.ArrayLike | None
) -> Coverage:
    """Return what a model's own decisions leave to a radiologist.

    AUC and calibration are undefined here: they are those of all images.

    Args:
        labels: 0 or 1, [n].
        verdicts: `normal`, `pneumonia` or `refer`, [n].
        unfamiliar: Which images the model finds unlike its training images, bool [n]; None where
            it does not say.
    """
    said = np.asarray(verdicts)
    is_ill = np.asarray(labels) == 1
    says_ill, says_normal = said == features.PNEUMONIA, said == features.NORMAL
    is_referred = said == features.REFER
    num_unfamiliar = num_uncertain = None
    if unfamiliar is not None:
        num_unfamiliar = int(np.sum(is_referred & np.asarray(unfamiliar)))
        num_uncertain = int(np.sum(is_referred)) - num_unfamiliar
    decided = slice_metrics_from_counts(
        tp=int(np.sum(is_ill & says_ill)),
        fp=int(np.sum(~is_ill & says_ill)),
        tn=int(np.sum(~is_ill & says_normal)),
        fn=int(np.sum(is_ill & says_normal)),
        auc=None,
        mean_probability=None,
        brier=None,
        log_loss=None,
    )
    return make_coverage(
        len(said), decided, num_unfamiliar=num_unfamiliar, num_uncertain=num_uncertain
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
