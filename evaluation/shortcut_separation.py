"""How well each nuisance feature alone separates the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from evaluation.intervals import auc_interval
from evaluation.slice_metrics import Record

REPORT_FILE = "shortcuts.json"
Direction = Literal["higher_in_pneumonia", "lower_in_pneumonia", "none"]


class Shortcut(Record):
    """One nuisance feature.

    Attributes:
        name: The feature, e.g. "mean_absolute_gradient".
        auc: Area under the ROC curve with the feature as the score, turned to be at least 0.5.
        low: Lower 95% bound of it. Images count as independent, so with several images of a
            patient the interval is a little too narrow.
        high: Upper 95% bound.
        direction: Which class has the higher values.
        strong: Whether the area reaches the configured warning.
    """

    name: str
    auc: float
    low: float
    high: float
    direction: Direction
    strong: bool


class ShortcutReport(Record):
    """The audit of all nuisance features.

    Attributes:
        n: Images that were measured, of `train` and `validation`.
        positives: Images of pneumonia among them.
        warning_auc: Smallest area of a strong shortcut.
        shortcuts: The strongest first.
    """

    n: int
    positives: int
    warning_auc: float
    shortcuts: tuple[Shortcut, ...]

    @property
    def strong(self) -> tuple[Shortcut, ...]:
        """The shortcuts to warn of."""
        return tuple(shortcut for shortcut in self.shortcuts if shortcut.strong)

    def write(self, folder: Path) -> None:
        """Write the report as `REPORT_FILE` into an existing folder."""
        text = self.model_dump_json(indent=2) + "\n"
        (folder / REPORT_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> ShortcutReport:
        """Read what `write` wrote."""
        return cls.model_validate_json((folder / REPORT_FILE).read_bytes())


def find_shortcuts(
    statistics: Sequence[Mapping[str, float]], labels: npt.ArrayLike, warning_auc: float
) -> ShortcutReport:
    """Judge each feature by its area under the ROC curve.

    The area is the chance that a random pneumonia image has a higher value than a random normal
    one, ties counted half (J. A. Hanley, B. J. McNeil, Radiology 143 (1982), 29-36); where that
    is below one half, the feature is turned around.

    Args:
        statistics: Features by name, of each of n images; the same names for all.
        labels: [n], 0 (normal) or 1 (pneumonia), both present.
        warning_auc: Smallest area of a strong shortcut, in [0, 1].

    Raises:
        ValueError: A class is missing, or the lengths differ.
    """
    truth = np.asarray(labels)
    positives = int(np.sum(truth == 1))
    if not 0 < positives < len(truth) or len(statistics) != len(truth):
        raise ValueError(
            "expected images of both classes with a label each, got "
            f"{len(statistics)} images and {len(truth)} labels, {positives} of them pneumonia"
        )
    shortcuts = [
        _judge(name, [image[name] for image in statistics], truth, warning_auc)
        for name in statistics[0]
    ]
    shortcuts.sort(key=lambda shortcut: -shortcut.auc)
    return ShortcutReport(
        n=len(truth), positives=positives, warning_auc=warning_auc, shortcuts=tuple(shortcuts)
    )


def describe(shortcut: Shortcut) -> str:
    """Return a shortcut as one sentence for people."""
    return (
        f"Shortcut `{shortcut.name}`: alone it separates the classes with AUC "
        f"{shortcut.auc:.3f} [{shortcut.low:.3f}, {shortcut.high:.3f}] "
        f"({shortcut.direction.replace('_', ' ')}). A model that leans on it fails on images of "
        "another source, where it is distributed otherwise."
    )


def _judge(
    name: str, values: Sequence[float], truth: npt.NDArray[np.generic], warning_auc: float
) -> Shortcut:
    # Imported here: what only reads the record need not wait for it.
    from sklearn.metrics import roc_auc_score

    area = float(roc_auc_score(truth, values))
    turned = max(area, 1.0 - area)
    positives = int(np.sum(truth == 1))
    interval = auc_interval(turned, positives, len(truth) - positives)
    assert interval is not None  # both classes are there
    direction: Direction = "none"
    if area != 0.5:
        direction = "higher_in_pneumonia" if area > 0.5 else "lower_in_pneumonia"
    return Shortcut(
        name=name,
        auc=turned,
        low=interval[0],
        high=interval[1],
        direction=direction,
        strong=turned >= warning_auc and direction != "none",
    )
