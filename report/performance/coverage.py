"""What the model decides and what it leaves to a radiologist, in words and as a table."""

from __future__ import annotations

from collections.abc import Mapping

from evaluation.coverage import Coverage
from evaluation.referral import Referral
from report.page.estimate_cells import UNDEFINED, estimate_cell
from report.page.parts import Table


def referral_in_words(referral: Referral) -> str:
    """Say which images are referred, and for which stated errors."""
    settings, band = referral.settings, referral.band
    missed, false_alarms = settings.max_missed_fraction, settings.max_false_alarm_fraction
    errors = (
        f"at most {_percent(missed)} of pneumonias may be called normal, and at most "
        f"{_percent(false_alarms)} of normal images pneumonia (0%: no bound)"
    )
    parts = []
    if missed == 0.0 and false_alarms == 0.0:
        parts.append("No probability is uncertain: the bounds on errors are switched off.")
    elif band.low < band.high:
        upper = "" if band.high > 1.0 else f" and less than {band.high:.6g}"
        parts.append(f"A probability of at least {band.low:.6g}{upper} is uncertain: {errors}.")
    else:
        parts.append(f"No probability is uncertain: the threshold alone is enough that {errors}.")
    unfamiliar = settings.max_unfamiliar_fraction
    if unfamiliar == 0.0:
        parts.append("No image is unfamiliar: that bound is switched off.")
    else:
        parts.append(
            f"An image is unfamiliar if fewer than {_percent(unfamiliar)} of the validation images "
            "are as unlike the training images as it is."
        )
    return " ".join(parts)


def _percent(fraction: float) -> str:
    return f"{100.0 * fraction:g}%"


def coverage_table(coverages: Mapping[str, Coverage]) -> Table:
    """Return one split a line: what is decided, why the rest is not, and how good it is."""
    return Table(
        "What the model decides, with 95% Wilson intervals, and why it refers the rest to a "
        "radiologist. An image that is unlike the training images is counted there, whatever its "
        "score.",
        (
            "Split",
            "n",
            "Decided",
            "Unlike training",
            "Uncertain score",
            "Sensitivity of the decided",
            "Specificity of the decided",
        ),
        tuple(
            (
                name,
                f"{each.n:,}",
                estimate_cell(each.share, each.decided.n),
                _count(each.num_unfamiliar),
                _count(each.num_uncertain),
                estimate_cell(each.decided.recall, each.decided.positives),
                estimate_cell(each.decided.specificity, each.decided.n - each.decided.positives),
            )
            for name, each in coverages.items()
        ),
    )


def _count(number: int | None) -> str:
    return UNDEFINED if number is None else f"{number:,}"
