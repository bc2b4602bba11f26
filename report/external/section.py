"""What the selected model does on sets from outside the training data."""

from __future__ import annotations

from functools import partial

from evaluation.external import ExternalSet
from evaluation.gate import EXTERNAL
from evaluation.slice_metrics import OVERALL, slice_name
from report.external.figures import measure_scores
from report.external.histograms import draw_scores
from report.external.tables import (
    TEST_SPLIT,
    figures_table,
    percentiles_table,
    referral_table,
)
from report.page.parts import Gallery, Group, Listing, Part, Section, Text, attempt
from report.sources import Sources

ANCHOR, TITLE = "outside", "Outside the training data"
_SHOWN = 20  # rejected images of a set, by name
_BASIS = (
    "The model was chosen, and its threshold set, before it was judged on these sets: nothing that "
    "is shown here was used for training, tuning, choice or threshold. It says more about the next "
    "hospital than the test split, which comes from where the training images came from."
)


def build(sources: Sources) -> Section:
    """Build the section; there is at least one set."""
    sets = sources.external
    return Section(
        ANCHOR,
        TITLE,
        (
            Text(_BASIS),
            attempt("What the gate made of them", lambda: _gate(sources)),
            *_seen(sets),
            attempt("The figures", lambda: figures_table(sets, sources.tfma.candidate[OVERALL])),
            attempt("What is referred", lambda: _referral(sets)),
            attempt("The distribution of the scores", lambda: _pictures(sources)),
            *(attempt(name, partial(_details, name, each)) for name, each in sets.items()),
        ),
    )


def _gate(sources: Sources) -> Part:
    judged = [
        name
        for name in sources.external
        if any(check.slice == slice_name(EXTERNAL, name) for check in sources.gate.checks)
    ]
    if not judged:
        return Text("The gate has no bounds for these sets: they decided nothing.")
    return Text(f"The gate has bounds for {', '.join(judged)}: see the verdict.")


def _seen(sets: dict[str, ExternalSet]) -> tuple[Part, ...]:
    return tuple(
        Text(
            f"Images of {name} with the pixels of an image of train or validation: "
            f"{each.num_seen:,}. To that extent this set is not outside the training data.",
            "warning",
        )
        for name, each in sets.items()
        if each.num_seen
    )


def _referral(sets: dict[str, ExternalSet]) -> Part:
    referrals = {name: each.referral for name, each in sets.items() if each.referral is not None}
    if not referrals:
        return Text("What is referred to a person was not measured: the model has no such output.")
    return referral_table(referrals)


def _pictures(sources: Sources) -> Part:
    test = sources.predictions
    return Gallery(
        (
            draw_scores(TEST_SPLIT, measure_scores(test), test.threshold),
            *(
                draw_scores(name, each.scores, each.threshold)
                for name, each in sources.external.items()
            ),
        )
    )


def _details(name: str, external: ExternalSet) -> Part:
    facts = [f"Source: {external.source}"]
    if external.synthetic:
        facts.append("Its images were drawn by a program: clinically, its figures mean nothing.")
    if external.num_images_without_patient:
        facts.append(
            f"The patient of {external.num_images_without_patient:,} images is not known; each "
            "counts as a patient."
        )
    facts += external.warnings
    facts += [f"Rejected: {each.image_id}: {each.reason}" for each in external.rejected[:_SHOWN]]
    if len(external.rejected) > _SHOWN:
        facts.append(f"{len(external.rejected) - _SHOWN:,} more images were rejected.")
    return Group(
        f"{name} in detail",
        (percentiles_table(external.scores), Listing(tuple(facts))),
        folded=True,
    )
