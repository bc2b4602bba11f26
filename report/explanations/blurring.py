"""What a model answers when an image is blurred: whether it needs the detail that people read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from evaluation.slice_metrics import Estimate, proportion
from report.explanations.faithfulness import blurred
from report.explanations.log_odds import LogOdds
from report.page.estimate_cells import estimate_cell
from report.page.parts import Cell, Table, Text

# The share of images at which a finding becomes a warning.
_MANY = 0.5


@dataclasses.dataclass(frozen=True)
class BlurredAnswers:
    """Answers for images of one kind, and for their blurred copies.

    Attributes:
        kind: `Hits`, for one.
        num_images: How many there are on the test split; n of them were judged.
        log_odds: float64 [n], of pneumonia.
        blurred_log_odds: float64 [n], the same of the blurred copies.
        threshold_log_odds: At or above it an image is called pneumonia.
    """

    kind: str
    num_images: int
    log_odds: np.ndarray
    blurred_log_odds: np.ndarray
    threshold_log_odds: float

    @property
    def num_called(self) -> int:
        """How many blurred copies are called pneumonia."""
        return int(np.sum(self.blurred_log_odds >= self.threshold_log_odds))

    @property
    def share_called(self) -> Estimate:
        """Their share, with Wilson's interval."""
        return proportion(self.num_called, len(self.blurred_log_odds))


def ask_blurred(
    log_odds: LogOdds,
    images: np.ndarray,
    kind: str,
    num_images: int,
    threshold_log_odds: float,
) -> BlurredAnswers:
    """Ask a model for images, and for the same without what is finer than a twentieth of the side.

    Args:
        log_odds: The model.
        images: uint8 [n, s, s, 1], as Transform makes them.
        kind: What they have in common.
        num_images: How many such images there are in all.
        threshold_log_odds: Where the model calls an image pneumonia.
    """
    if len(images) == 0:
        nothing = np.empty(0)
        return BlurredAnswers(kind, num_images, nothing, nothing, threshold_log_odds)
    copies = np.stack([blurred(image) for image in images])
    return BlurredAnswers(kind, num_images, log_odds(images), log_odds(copies), threshold_log_odds)


def blurring_table(answers: Sequence[BlurredAnswers]) -> Table:
    """Tabulate by kind how many blurred copies are called pneumonia, and the log-odds."""
    return Table(
        "Answers of the selected model to images of the test split and to their blurred copies; "
        "shares with Wilson's 95% intervals, log-odds as medians",
        ("Images", "n", "Called pneumonia when blurred", "Log-odds as they are", "Blurred"),
        tuple(
            (
                Cell(each.kind, _of_how_many(each)),
                f"{len(each.log_odds):,}",
                estimate_cell(each.share_called),
                _median(each.log_odds),
                _median(each.blurred_log_odds),
            )
            for each in answers
        ),
    )


def blurring_in_words(hits: BlurredAnswers, correct_normals: BlurredAnswers) -> Text:
    """Say whether the model needs detail, and whether blur alone looks like pneumonia to it.

    Args:
        hits: Pneumonia that the model finds.
        correct_normals: Normal images that it calls so: the control. A large opacity may outlast
            the blur, so that a hit that stays proves little on its own.
    """
    sentences = [
        "Each image was blurred until nothing finer than a twentieth of its side was left: no "
        "vessel, no airway, no edge of a rib."
    ]
    if hits.share_called.value is None:
        sentences.append("The model finds no pneumonia on this split, so no hit could be blurred.")
    else:
        sentences.append(
            f"Of {len(hits.log_odds):,} images of pneumonia that the model finds, it still calls "
            f"{hits.num_called:,} pneumonia when they are blurred."
        )
    if correct_normals.share_called.value is None:
        sentences.append("No normal image is called normal, so there is nothing to compare with.")
    else:
        sentences.append(
            f"Of {len(correct_normals.log_odds):,} normal images that it calls normal, it calls "
            f"{correct_normals.num_called:,} pneumonia when they are blurred."
        )
    stays = (hits.share_called.value or 0.0) >= _MANY
    turns = (correct_normals.share_called.value or 0.0) >= _MANY
    if turns:
        sentences.append(
            "Blur alone looks like pneumonia to this model: a shortcut. Expect false alarms on "
            "images that are less sharp than the normal ones it was trained on."
        )
    elif stays:
        sentences.append(
            "Most hits do not need detail: they rest on what outlasts the blur, such as large "
            "opacities, brightness and framing. Normal images mostly stay normal, so blur alone "
            "is not what the model takes for pneumonia."
        )
    return Text(" ".join(sentences), "warning" if turns or stays else "plain")


def _of_how_many(answers: BlurredAnswers) -> str:
    n = len(answers.log_odds)
    return "all" if n == answers.num_images else f"drawn from {answers.num_images:,}"


def _median(values: np.ndarray) -> str:
    return f"{np.median(values):+.1f}" if len(values) else "–"
