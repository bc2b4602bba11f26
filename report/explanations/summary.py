"""What the faithfulness check says of all explained images together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from report.explanations.explanation import Explanation
from report.explanations.faithfulness import NUM_RANDOM_ORDERS, SMALLEST_MOVE, Faithfulness
from report.page.parts import Cell, Table, Text

Explained = Mapping[str, Sequence[Explanation]]
"""Explanations of the images by the candidate's name."""


def faithfulness_table(explained: Explained) -> Table:
    """Tabulate mean gains over random orders, and verdicts, by candidate and explanation."""
    rows = []
    for candidate, explanations in explained.items():
        for method, checks in _by_method(explanations).items():
            verdicts = Counter(check.verdict for check in checks)
            rows.append(
                (
                    Cell(candidate, method),
                    f"{np.mean([check.deletion_gain for check in checks]):+.2f}",
                    f"{np.mean([check.insertion_gain for check in checks]):+.2f}",
                    _share(verdicts["faithful"], checks),
                    _share(verdicts["partly faithful"], checks),
                    _share(verdicts["not faithful"], checks),
                    _share(verdicts["inconclusive"], checks),
                )
            )
    return Table(
        "Mean gains in log-odds: how far the answer is below that of random orders during "
        "deletion, and above it during insertion (above 0 is better than random); and the number "
        "of images by verdict",
        ("Candidate", "Deletion", "Insertion", "Faithful", "Partly", "Not", "Inconclusive"),
        tuple(rows),
    )


def faithfulness_in_words(explained: Explained) -> Text:
    """Say how far the pictures can be believed."""
    sentences, tone = [], "good"
    for candidate, explanations in explained.items():
        for method, checks in _by_method(explanations).items():
            verdicts = Counter(check.verdict for check in checks)
            judged = len(checks) - verdicts["inconclusive"]
            if judged == 0:
                tone = "warning"
                sentences.append(
                    f"{method} of {candidate} is inconclusive for every image: whatever is "
                    f"blurred, the answer moves by less than {SMALLEST_MOVE:g} log-odds."
                )
                continue
            if verdicts["faithful"] < judged:
                tone = "warning"
            sentence = (
                f"{method} of {candidate} is faithful for {verdicts['faithful']} of {judged} images"
            )
            if verdicts["inconclusive"]:
                sentence += f", and inconclusive for {verdicts['inconclusive']} more"
            sentences.append(f"{sentence}.")
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
