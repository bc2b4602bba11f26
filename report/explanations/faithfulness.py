"""Whether an explanation says what the network looks at: deletion and insertion.

After Petsiuk et al. 2018 (RISE): the patches that are said to matter most are blurred first, and
the answer should weaken early; they are shown first in the blurred image, and it should
strengthen early. Both are set against the same patches in random orders, without which they
cannot be judged.

RISE follows the probability of the answer. Here it is the log-odds: a sure network's probability
stays at 1.000 while its evidence goes, so that all orders would look alike. The area under a curve
of log-odds has no bounds; as the curve is over shares of the image from 0 to 1, the area is the
mean log-odds along it, and what counts is how many log-odds it is below (deletion) or above
(insertion) the random orders' mean. All orders start at the image and end at the blurred copy, so
that the difference does not depend on what the blurred copy's answer is, nor on whether blurring
weakens the answer at all.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter

from report.explanations.log_odds import LogOdds

Verdict = Literal["faithful", "partly faithful", "not faithful", "inconclusive"]

# Better than all of these happens by chance once in twenty times.
NUM_RANDOM_ORDERS = 19
NUM_STEPS = 16  # of each curve
# Of the image's side: RISE blurs 224 px with a standard deviation of about a twentieth.
_BLUR_FRACTION = 0.05
# Of log-odds. Where the answer moves by less, whatever is blurred, there is nothing for an order to
# find. Around a probability of one half it is a move of 0.1; the same evidence moves a sure answer
# by a millionth, which must count as much.
SMALLEST_MOVE = 0.4


@dataclasses.dataclass(frozen=True)
class Faithfulness:
    """Curves of one explanation.

    Attributes:
        deleted_shares: float64 [k + 1] of the image's area that was blurred, from 0 to 1.
        deletion: float64 [k + 1], the log-odds of the answer.
        inserted_shares: float64 [k + 1] of the area that was shown, from 0 to 1.
        insertion: float64 [k + 1].
        random_areas: float64 [orders], areas under the deletion curves of random orders. To delete
            in one order is to insert in the opposite one, so they serve for insertion, too.
        random_mean: float64 [k + 1], the mean of these curves over the shares j / k.
    """

    deleted_shares: np.ndarray
    deletion: np.ndarray
    inserted_shares: np.ndarray
    insertion: np.ndarray
    random_areas: np.ndarray
    random_mean: np.ndarray

    @property
    def deletion_area(self) -> float:
        """The mean log-odds of the answer during deletion; a faithful explanation's is low."""
        return _area(self.deleted_shares, self.deletion)

    @property
    def insertion_area(self) -> float:
        """The mean log-odds of the answer during insertion; a faithful explanation's is high."""
        return _area(self.inserted_shares, self.insertion)

    @property
    def deletion_gain(self) -> float:
        """How many log-odds deletion is below the mean of random orders; good is above 0."""
        return float(self.random_areas.mean()) - self.deletion_area

    @property
    def insertion_gain(self) -> float:
        """How many log-odds insertion is above the mean of random orders; good is above 0."""
        return self.insertion_area - float(self.random_areas.mean())

    @property
    def verdict(self) -> Verdict:
        """Whether the order beats every random one, in both, in one of them or in none."""
        values = np.concatenate([self.deletion, self.insertion, self.random_mean])
        if np.ptp(values) < SMALLEST_MOVE:
            return "inconclusive"
        deletes = self.deletion_area < float(self.random_areas.min())
        inserts = self.insertion_area > float(self.random_areas.max())
        if deletes and inserts:
            return "faithful"
        return "partly faithful" if deletes or inserts else "not faithful"


@dataclasses.dataclass(frozen=True)
class FaithfulnessCheck:
    """What the orders of one image's patches are judged with.

    Attributes:
        answer: uint8 [n, s, s, 1] -> log-odds of what the network answered for the image, [n].
        image: uint8 [s, s, 1].
        baseline: uint8 [s, s, 1], the same without detail.
        regions: int64 [s, s], its patches.
        random_order: int64 [regions], the order of patches of equal importance.
        random_shares: float64 [orders, k + 1], areas that were blurred in random orders.
        random_curves: float64 [orders, k + 1], the log-odds then.
    """

    answer: LogOdds
    image: np.ndarray
    baseline: np.ndarray
    regions: np.ndarray
    random_order: np.ndarray
    random_shares: np.ndarray
    random_curves: np.ndarray

    @classmethod
    def prepare(
        cls,
        answer: LogOdds,
        image: np.ndarray,
        regions: np.ndarray,
        seed: int,
    ) -> FaithfulnessCheck:
        """Ask for the random orders, which all explanations of an image share."""
        generator = np.random.default_rng(seed)
        num_regions = int(regions.max()) + 1
        baseline = blurred(image)
        orders = [generator.permutation(num_regions) for _ in range(NUM_RANDOM_ORDERS)]
        shares, values = zip(
            *(_deletion_curve(answer, image, baseline, regions, order) for order in orders),
            strict=True,
        )
        return cls(
            answer=answer,
            image=image,
            baseline=baseline,
            regions=regions,
            random_order=generator.permutation(num_regions),
            random_shares=np.stack(shares),
            random_curves=np.stack(values),
        )

    def judge(self, importance: np.ndarray) -> Faithfulness:
        """Delete and insert by importance.

        Args:
            importance: float [regions], high where a patch speaks for the answer.
        """
        order = np.lexsort((self.random_order, -importance))
        deleted_shares, deletion = self._curve(order)
        # The blurred image with the most important shown is the image with the rest deleted.
        kept_shares, insertion = self._curve(order[::-1])
        steps = np.linspace(0.0, 1.0, self.random_curves.shape[1])
        return Faithfulness(
            deleted_shares=deleted_shares,
            deletion=deletion,
            inserted_shares=1.0 - kept_shares[::-1],
            insertion=insertion[::-1],
            random_areas=np.array(
                [
                    _area(shares, values)
                    for shares, values in zip(self.random_shares, self.random_curves, strict=True)
                ]
            ),
            random_mean=np.mean(
                [
                    np.interp(steps, shares, values)
                    for shares, values in zip(self.random_shares, self.random_curves, strict=True)
                ],
                axis=0,
            ),
        )

    def _curve(self, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _deletion_curve(self.answer, self.image, self.baseline, self.regions, order)


def blurred(image: np.ndarray) -> np.ndarray:
    """Return the baseline: uint8 [s, s, 1] without what is finer than a twentieth of the side."""
    sigma = _BLUR_FRACTION * image.shape[0]
    soft = gaussian_filter(image[..., 0].astype(np.float64), sigma, mode="nearest")
    return np.clip(np.round(soft), 0, 255).astype(np.uint8)[..., np.newaxis]


def _deletion_curve(
    answer: LogOdds,
    image: np.ndarray,
    baseline: np.ndarray,
    regions: np.ndarray,
    order: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the blurred shares of the area and the log-odds, as patches go in order."""
    num_regions = len(order)
    places = np.empty(num_regions, np.int64)
    places[order] = np.arange(num_regions)
    place_of_pixel = places[regions][..., np.newaxis]
    num_steps = min(NUM_STEPS, num_regions)
    gone = np.round(np.linspace(0, num_regions, num_steps + 1)).astype(np.int64)
    masks = place_of_pixel[np.newaxis] < gone[:, np.newaxis, np.newaxis, np.newaxis]
    shares = masks.mean(axis=(1, 2, 3))
    values = answer(np.where(masks, baseline, image))
    return shares, values.astype(np.float64)


def _area(shares: np.ndarray, values: np.ndarray) -> float:
    return float(np.trapezoid(values, shares))
