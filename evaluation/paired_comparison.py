"""Two models on the same images: who is right where the other is wrong."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from evaluation.intervals import wilson_interval


@dataclasses.dataclass(frozen=True)
class PairedComparison:
    """Counts of n images by whose decision was right, and what follows from them.

    Attributes:
        both: Both models are right.
        only_new: Only the new model is.
        only_old: Only the old model is.
        neither: Both are wrong.
    """

    both: int
    only_new: int
    only_old: int
    neither: int

    @property
    def n(self) -> int:
        """Number of images."""
        return self.both + self.only_new + self.only_old + self.neither

    @property
    def difference(self) -> float | None:
        """Share of right decisions, new minus old, in [-1, 1]; None without images."""
        return (self.only_new - self.only_old) / self.n if self.n else None

    @property
    def p_value(self) -> float | None:
        """Two-sided exact p-value of McNemar's test; None without images.

        Where both models are equally good, an image on which they differ is as likely to favour
        one as the other: the smaller of the two counts is binomial with one half.

        Source: Q. McNemar, Psychometrika 12 (1947), 153-157, in its exact form.
        """
        if not self.n:
            return None
        discordant = self.only_new + self.only_old
        return float(binomtest(self.only_new, discordant, 0.5).pvalue) if discordant else 1.0

    @property
    def interval(self) -> tuple[float, float] | None:
        """95% interval of the difference, in [-1, 1]; None without images.

        Both shares' Wilson intervals, put together under their correlation. Unlike the textbook
        interval it stays within [-1, 1] and has a width where no image is discordant.

        Source: R. G. Newcombe, "Improved confidence intervals for the difference between binomial
        proportions based on paired data", Statistics in Medicine 17 (1998), 2635-2650, method 10.
        """
        difference = self.difference
        new = wilson_interval(self.both + self.only_new, self.n)
        old = wilson_interval(self.both + self.only_old, self.n)
        if difference is None or new is None or old is None:
            return None
        new_share = (self.both + self.only_new) / self.n
        old_share = (self.both + self.only_old) / self.n
        phi = self._correlation()
        below = _distance(new_share - new[0], old[1] - old_share, phi)
        above = _distance(new[1] - new_share, old_share - old[0], phi)
        return max(-1.0, difference - below), min(1.0, difference + above)

    def _correlation(self) -> float:
        """Return phi, with Newcombe's correction for continuity where it is positive."""
        product = self.both * self.neither - self.only_new * self.only_old
        margins = (
            (self.both + self.only_new)
            * (self.only_old + self.neither)
            * (self.both + self.only_old)
            * (self.only_new + self.neither)
        )
        if not margins:
            return 0.0
        corrected = max(0.0, product - self.n / 2.0) if product > 0 else float(product)
        return corrected / math.sqrt(margins)


def compare_decisions(new_right: npt.ArrayLike, old_right: npt.ArrayLike) -> PairedComparison:
    """Count the agreements of two models.

    Args:
        new_right: bool [n], whether the new model's decision on each image was right.
        old_right: bool [n], the same of the old model.

    Raises:
        ValueError: The shapes differ.
    """
    new, old = np.asarray(new_right, dtype=bool), np.asarray(old_right, dtype=bool)
    if new.shape != old.shape:
        raise ValueError(f"expected as many decisions of both, got {new.shape} and {old.shape}")
    return PairedComparison(
        both=int(np.sum(new & old)),
        only_new=int(np.sum(new & ~old)),
        only_old=int(np.sum(~new & old)),
        neither=int(np.sum(~new & ~old)),
    )


def _distance(first: float, second: float, phi: float) -> float:
    # Not below 0 but for rounding: |phi| is at most 1.
    return math.sqrt(max(0.0, first * first - 2.0 * phi * first * second + second * second))
