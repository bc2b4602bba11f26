"""What the faithfulness check says of all explained images together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from components.report.parts import Cell, Table, Text
from models.explanations.explanation import Explanation
from models.explanations.faithfulness import NUM_RANDOM_ORDERS, Faithfulness

Explained = Mapping[str, Sequence[Explanation]]
"""Explanations of the images by the candidate's name."""


def faithfulness_table(explained: Explained) -> Table:
    """Tabulate mean areas and verdicts by candidate and explanation."""
    rows = []
    for candidate, explanations in explained.items():
        for method, checks in _by_method(explanations).items():
            told = Counter(check.verdict for check in checks)
            rows.append(
                (
                    Cell(candidate, method),
                    f"{np.mean([check.deletion_area for check in checks]):.3f}",
                    f"{np.mean([check.insertion_area for check in checks]):.3f}",
                    f"{np.mean([check.random_areas.mean() for check in checks]):.3f}",
                    _share(told["faithful"], checks),
                    _share(told["partly faithful"], checks),
                    _share(told["not faithful"], checks),
                    _share(told["cannot be told"], checks),
                )
            )
    return Table(
        "Mean areas under the curves of deletion (low is good) and insertion (high is good), the "
        "mean area of random orders, and the number of images by verdict",
        (
            "Candidate", "Deletion", "Insertion", "Random", "Faithful", "Partly", "Not",
            "Cannot be told",
        ),
        tuple(rows),
    )  # fmt: skip


def faithfulness_in_words(explained: Explained) -> Text:
    """Say how far the pictures can be believed."""
    sentences, tone = [], "good"
    for candidate, explanations in explained.items():
        for method, checks in _by_method(explanations).items():
            told = Counter(check.verdict for check in checks)
            judged = len(checks) - told["cannot be told"]
            if judged == 0:
                tone = "warning"
                sentences.append(
                    f"{method} of {candidate} cannot be judged: whatever is blurred, the answers "
                    "hardly change."
                )
                continue
            if told["faithful"] < judged:
                tone = "warning"
            sentences.append(
                f"{method} of {candidate} is faithful for {told['faithful']} of the {judged} "
                "images that it can be judged on."
            )
    sentences.append(
        f"Faithful means: better in both deletion and insertion than each of {NUM_RANDOM_ORDERS} "
        "random orders of the same superpixels."
    )
    return Text(" ".join(sentences), "good" if tone == "good" else "warning")


def _by_method(explanations: Sequence[Explanation]) -> dict[str, list[Faithfulness]]:
    found: dict[str, list[Faithfulness]] = {}
    for explanation in explanations:
        for method, check in explanation.checks.items():
            found.setdefault(method, []).append(check)
    return found


def _share(count: int, checks: Sequence[Faithfulness]) -> str:
    return f"{count} of {len(checks)}"
