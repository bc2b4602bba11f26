"""What a threshold does on parts of the source that were left out when it was chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from evaluation.slice_metrics import Estimate, Record, proportion

# Of one class: with fewer, a share says little (27 of 30 has the interval .74 to .97). The gate's
# `min_slice_positives` has the same default.
MIN_SITE_CASES = 30

Sites = Mapping[str, Sequence[str]]  # each image's group, [n], by scheme


class PseudoSite(Record):
    """One part of validation, treated as a hospital.

    Attributes:
        scheme: What the images are grouped by, e.g. "exposure".
        group: Which of its groups.
        positives: Images of pneumonia in it.
        negatives: Normal images in it.
        recall: At the operating point; undefined with fewer than 30 positives. Wilson interval.
        specificity: At the operating point; undefined with fewer than 30 normal images.
        held_out_threshold: What the same rule chooses without the group; None where it cannot.
        held_out_recall: Of that threshold on the group.
        held_out_specificity: Of that threshold on the group.
    """

    scheme: str
    group: str
    positives: int
    negatives: int
    recall: Estimate
    specificity: Estimate
    held_out_threshold: float | None = None
    held_out_recall: Estimate = Estimate()
    held_out_specificity: Estimate = Estimate()


def members_of_sites(sites: Sites) -> Iterator[tuple[str, str, npt.NDArray[np.bool_]]]:
    """Yield scheme, group and its members, bool [n]; schemes of a single group are left out."""
    for scheme, groups in sites.items():
        names = np.asarray(groups, dtype=str)
        different = sorted(set(groups))
        if len(different) > 1:
            for group in different:
                yield scheme, group, names == group


def judge_sites(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    threshold: float,
    sites: Sites,
    choose: Callable[[npt.NDArray[np.bool_]], float | None],
) -> tuple[PseudoSite, ...]:
    """Judge the operating point on every pseudo-site, and one that was chosen without it.

    Args:
        labels: [n], 0 or 1.
        probabilities: [n], in [0, 1].
        threshold: The operating point.
        sites: Each image's group, by scheme.
        choose: From the images to choose on, bool [n], to a threshold; None where there is none.

    Returns:
        The groups with at least `MIN_SITE_CASES` images of a class, by scheme and name.
    """
    truth = np.asarray(labels).astype(bool)
    scores = np.asarray(probabilities, dtype=np.float32)
    judged = []
    for scheme, group, members in members_of_sites(sites):
        positives, negatives = int(np.sum(members & truth)), int(np.sum(members & ~truth))
        if max(positives, negatives) < MIN_SITE_CASES:
            continue
        held_out = choose(~members)
        judged.append(
            PseudoSite(
                scheme=scheme,
                group=group,
                positives=positives,
                negatives=negatives,
                recall=_share(scores[members & truth] >= np.float32(threshold)),
                specificity=_share(scores[members & ~truth] < np.float32(threshold)),
                held_out_threshold=held_out,
                **(
                    {}
                    if held_out is None
                    else {
                        "held_out_recall": _share(scores[members & truth] >= np.float32(held_out)),
                        "held_out_specificity": _share(
                            scores[members & ~truth] < np.float32(held_out)
                        ),
                    }
                ),
            )
        )
    return tuple(judged)


def worst_site(sites: Sequence[PseudoSite], figure: str) -> PseudoSite | None:
    """Return the site of the lowest `recall`, `specificity` or held-out one; None without any."""
    defined = [site for site in sites if getattr(site, figure).value is not None]
    return min(defined, key=lambda site: getattr(site, figure).value, default=None)


def _share(right: npt.NDArray[np.bool_]) -> Estimate:
    if right.size < MIN_SITE_CASES:
        return Estimate()
    return proportion(int(right.sum()), right.size)
