"""Whether an explanation says what the network looks at: deletion and insertion.

After Petsiuk et al. 2018 (RISE): the patches that are said to matter most are blurred first, and
the probability of the answer should fall early; they are shown first in the blurred image, and it
should rise early. Both areas are set against those of the same patches in random orders, without
which they cannot be judged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter

Verdict = Literal["faithful", "partly faithful", "not faithful", "cannot be told"]

# Better than all of these happens by chance once in twenty times.
NUM_RANDOM_ORDERS = 19
NUM_STEPS = 16  # of each curve
# Of the image's side: RISE blurs 224 px with a standard deviation of about a twentieth.
_BLUR_FRACTION = 0.05
# Where the probability moves by less, whatever is blurred, no order can be told from another.
_SMALLEST_MOVE = 0.1


@dataclasses.dataclass(frozen=True)
class Faithfulness:
    """Curves of one explanation.

    Attributes:
        deleted_shares: float64 [k + 1] of the image's area that was blurred, from 0 to 1.
        deletion: float64 [k + 1], the probability of the answer.
        inserted_shares: float64 [k + 1] of the area that was shown, from 0 to 1.
        insertion: float64 [k + 1].
        random_areas: float64 [orders], areas under the deletion curves of random orders. To delete
            in one order is to insert in the opposite one, so they stand for insertion, too.
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
        """The area under the deletion curve, in [0, 1]; a faithful explanation's is low."""
        return _area(self.deleted_shares, self.deletion)

    @property
    def insertion_area(self) -> float:
        """The area under the insertion curve, in [0, 1]; a faithful explanation's is high."""
        return _area(self.inserted_shares, self.insertion)

    @property
    def verdict(self) -> Verdict:
        """Whether the order beats every random one, in both, in one of them or in none."""
        values = np.concatenate([self.deletion, self.insertion, self.random_mean])
        if np.ptp(values) < _SMALLEST_MOVE:
            return "cannot be told"
        deletes = self.deletion_area < float(self.random_areas.min())
        inserts = self.insertion_area > float(self.random_areas.max())
        if deletes and inserts:
            return "faithful"
        return "partly faithful" if deletes or inserts else "not faithful"


@dataclasses.dataclass(frozen=True)
class FaithfulnessCheck:
    """What the orders of one image's patches are judged with.

    Attributes:
        answer: uint8 [n, s, s, 1] -> probability of what the network answered, [n].
        image: uint8 [s, s, 1].
        baseline: uint8 [s, s, 1], the same without detail.
        regions: int64 [s, s], its patches.
        random_order: int64 [regions], the order of patches of equal importance.
        random_shares: float64 [orders, k + 1], areas that were blurred in random orders.
        random_curves: float64 [orders, k + 1], the probabilities then.
    """

    answer: Callable[[np.ndarray], np.ndarray]
    image: np.ndarray
    baseline: np.ndarray
    regions: np.ndarray
    random_order: np.ndarray
    random_shares: np.ndarray
    random_curves: np.ndarray

    @classmethod
    def prepare(
        cls,
        answer: Callable[[np.ndarray], np.ndarray],
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
    answer: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    baseline: np.ndarray,
    regions: np.ndarray,
    order: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the blurred shares of the area and the probabilities, as patches go in order."""
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
