"""Whether nuisance features alone separate the images of two splits (adversarial validation).

A classifier learns from nuisance features alone which split an image is of. An area of 0.5 means
that it cannot separate them: figures on validation then predict those on the other split. An area
near 1 means that the other split was made differently, as by another hospital, and that figures on
validation promise nothing about it. Each class is compared separately: otherwise a different share
of pneumonia would look like a different way of making images.

Nothing is trained, tuned or chosen by what is found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from contract import features
from contract.facts import Measured
from evaluation.resampling import create_resampler, percentile_interval, weighted_areas
from evaluation.slice_metrics import Record

REPORT_FILE = "split_differences.json"
COMPARED = ((features.TRAIN, features.VALIDATION), (features.TRAIN, features.TEST))
MIN_PATIENTS = 30  # of a class, in each of the two splits
_NUM_FOLDS = 5
_NUM_RESAMPLES = 1000
_SEED = 0


class SplitDifference(Record):
    """How well images of one class can be separated by split.

    Attributes:
        first: A split.
        second: The other one.
        label: The class, one of `features.LABELS`.
        n_first: Its images in the first split.
        n_second: In the second one.
        auc: Cross-validated area under the ROC curve, folds by patient; None with fewer than
            `MIN_PATIENTS` patients in a split. Below 0.5 is chance, too.
        low: Lower 95% bound, by bootstrap over patients.
        high: Upper 95% bound.
        leading_feature: The feature that alone differs the most; "" where `auc` is None.
        leading_auc: Its area, turned to be at least 0.5.
        strong: Whether `auc` reaches the configured warning.
    """

    first: str
    second: str
    label: str
    n_first: int
    n_second: int
    auc: float | None = None
    low: float | None = None
    high: float | None = None
    leading_feature: str = ""
    leading_auc: float | None = None
    strong: bool = False


class SplitDifferences(Record):
    """All comparisons of a run.

    Attributes:
        warning_auc: Smallest area of a strong difference.
        differences: By pair of splits, then by class.
    """

    warning_auc: float
    differences: tuple[SplitDifference, ...]

    def write(self, folder: Path) -> None:
        """Write the report as `REPORT_FILE` into an existing folder."""
        text = self.model_dump_json(indent=2) + "\n"
        (folder / REPORT_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> SplitDifferences:
        """Read what `write` wrote."""
        return cls.model_validate_json((folder / REPORT_FILE).read_bytes())


def compare_splits(splits: Mapping[str, Measured], warning_auc: float) -> SplitDifferences:
    """Compare `train` with `validation` and with `test`, class by class.

    Args:
        splits: By name; those of `features.SPLITS`.
        warning_auc: Smallest area of a strong difference, in [0, 1].
    """
    return SplitDifferences(
        warning_auc=warning_auc,
        differences=tuple(
            _compare((first, second), (splits[first], splits[second]), label, warning_auc)
            for first, second in COMPARED
            for label in range(len(features.LABELS))
        ),
    )


def describe(difference: SplitDifference) -> str:
    """Return a strong difference as one sentence for people."""
    return (
        f"The {difference.label} images of {difference.first} and {difference.second} can be "
        "distinguished without looking at lungs, with AUC "
        f"{difference.auc:.3f} [{difference.low:.3f}, "
        f"{difference.high:.3f}], most easily by {difference.leading_feature.replace('_', ' ')}: "
        f"figures on validation promise little about {difference.second}."
    )


def _compare(
    names: tuple[str, str], pair: tuple[Measured, Measured], label: int, warning_auc: float
) -> SplitDifference:
    # Imported here: what only reads the record need not wait for it.
    from sklearn.metrics import roc_auc_score

    chosen: list[list[int]] = [
        np.flatnonzero(measured.labels == label).tolist() for measured in pair
    ]
    patients = [
        [measured.patient_ids[index] for index in indices]
        for measured, indices in zip(pair, chosen, strict=True)
    ]
    counts = SplitDifference(
        first=names[0],
        second=names[1],
        label=features.LABELS[label],
        n_first=len(chosen[0]),
        n_second=len(chosen[1]),
    )
    if min(len(set(each)) for each in patients) < MIN_PATIENTS:
        return counts
    columns = list(pair[0].statistics[0])
    table = np.array(
        [
            [measured.statistics[index][name] for name in columns]
            for measured, indices in zip(pair, chosen, strict=True)
            for index in indices
        ]
    )
    is_second = np.repeat([0, 1], [len(indices) for indices in chosen])
    owners = [*patients[0], *patients[1]]
    scores = _out_of_fold(table, is_second, owners)
    resampler = create_resampler(is_second, owners, _NUM_RESAMPLES, _SEED)
    drawn = [weighted_areas(is_second == 1, scores, weights) for weights in resampler.weights()]
    low, high = percentile_interval(np.concatenate(drawn))
    auc = float(roc_auc_score(is_second, scores))
    alone = [float(roc_auc_score(is_second, column)) for column in table.T]
    turned = [max(area, 1.0 - area) for area in alone]
    leading = int(np.argmax(turned))
    return counts.model_copy(
        update={
            "auc": auc,
            "low": float(low),
            "high": float(high),
            "leading_feature": str(columns[leading]),
            "leading_auc": turned[leading],
            "strong": auc >= warning_auc,
        }
    )


def _out_of_fold(
    table: npt.NDArray[np.float64], is_second: npt.NDArray[np.int64], owners: Sequence[str]
) -> npt.NDArray[np.float64]:
    """Return each image's score by a classifier that has not seen its patient, float64 [n]."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, QuantileTransformer

    scores = np.zeros(len(is_second))
    folds = StratifiedGroupKFold(_NUM_FOLDS, shuffle=True, random_state=_SEED)
    for fitted, held_out in folds.split(table, is_second, owners):
        # Ranks bring all features to one scale, outliers included; squares and products let it
        # see that a feature is more or less spread, or goes along with another one. Boosted trees
        # found no more on the public set, and took twenty times as long.
        classifier = make_pipeline(
            QuantileTransformer(n_quantiles=min(100, len(fitted)), random_state=_SEED),
            PolynomialFeatures(2, include_bias=False),
            LogisticRegression(C=1.0, class_weight="balanced", solver="newton-cholesky"),
        )
        classifier.fit(table[fitted], is_second[fitted])
        scores[held_out] = classifier.predict_proba(table[held_out])[:, 1]
    return scores
