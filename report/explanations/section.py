"""The section on explanations: which parts of an image an answer depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from scipy.special import expit

from contract import features
from contract.progress import report_progress
from models.preprocessing import decode_transformed
from report.errors import find_outcomes, in_words
from report.explanations import pictures
from report.explanations.blurring import (
    BlurredAnswers,
    ask_blurred,
    blurring_in_words,
    blurring_table,
)
from report.explanations.explanation import (
    ExplainedCandidate,
    Explanation,
    best_single_candidates,
    explain,
)
from report.explanations.faithfulness import SMALLEST_MOVE, blurred
from report.explanations.feature_maps import early_feature_maps
from report.explanations.log_odds import LogOdds, load_log_odds, threshold_log_odds
from report.explanations.summary import faithfulness_in_words, faithfulness_table
from report.page.estimate_cells import format_log_odds, format_probability
from report.page.parts import Gallery, Group, Listing, Part, Section, Text, attempt
from report.served_predictions import read_image_bytes
from report.sources import Sources

ANCHOR, TITLE = "explanations", "Explanations"
_MIN_WIDTH_REM = 10.5  # three in a row of a column, two on a phone
_MAPS_WIDTH_REM = 16.0
_CAUTION = (
    "Explanations can mislead. They show what a network's answer depends on, not what a "
    "radiologist would look at, and not that the answer is right: a map on the lung may belong to "
    "a wrong answer, and a tidy map may have nothing to do with the network at all. Do not find or "
    "rule out pneumonia by these pictures. Each one is therefore checked, below."
)
_READING = Listing(
    (
        "Everything is measured in log-odds, the logarithm of p / (1 - p): 0 is a probability of "
        "0.5, +3 is 0.953, +7 is 0.999. Beyond that a probability would read 1.000 whatever "
        "happens.",
        "LIME greys out random superpixels and fits a linear model to the answers; its fit (R²) "
        "says how far the answer is a sum of superpixels. Only superpixels above the fit's own "
        "noise are outlined.",
        "Grad-CAM weights the last maps of the network by their gradients; it is coarse.",
        "The check blurs superpixels one after another, the most important first (deletion), or "
        "restores them one after another in the blurred image (insertion), and follows the "
        "log-odds of the answer; the same is done in random orders. Where the answer moves by less "
        f"than {SMALLEST_MOVE:g} log-odds, even with the whole image blurred, the check is "
        "inconclusive.",
    )
)
_NO_EXPLANATIONS = Text("Explanations are switched off (`report.explained_images` is 0).")
_NO_BLURRING = Text("Answers to blurred images are switched off (`report.blurred_images` is 0).")


def build(sources: Sources) -> Section:
    """Build the section: what blurring does, then hits, misses and false alarms, explained.

    Each image is explained as the two best candidates see it.
    """
    settings = sources.run.report
    if settings.explained_images == 0 and settings.blurred_images == 0:
        return Section(ANCHOR, TITLE, (_NO_BLURRING, _NO_EXPLANATIONS))
    # The selected model, an ensemble as a whole; the candidates below have one network each.
    log_odds = load_log_odds(sources.selection.selected, sources.model_runs)
    title = "Without detail: the answers to blurred images"
    blurring = attempt(title, lambda: Group(title, _blurring(sources, log_odds)))
    if settings.explained_images == 0:
        return Section(ANCHOR, TITLE, (blurring, _NO_EXPLANATIONS))
    return Section(ANCHOR, TITLE, (Text(_CAUTION, "warning"), blurring, *_all(sources, log_odds)))


def _blurring(sources: Sources, log_odds: LogOdds) -> tuple[Part, ...]:
    number = sources.run.report.blurred_images
    if number == 0:
        return (_NO_BLURRING,)
    outcomes = find_outcomes(sources.predictions)
    generator = np.random.default_rng(sources.run.seed)
    threshold = threshold_log_odds(sources.predictions.threshold)

    def ask(kind: str, found: np.ndarray) -> BlurredAnswers:
        # Drawn, not the surest: a share of these must speak for all.
        drawn = np.sort(generator.permutation(found)[:number])
        images = _read_images(sources, drawn.tolist())
        stacked = np.stack(list(images.values())) if images else np.empty((0, 1, 1, 1), np.uint8)
        return ask_blurred(log_odds, stacked, kind, len(found), threshold)

    hits = ask("Hits", outcomes.hits)
    misses = ask("Misses", outcomes.misses)
    false_alarms = ask("False alarms", outcomes.false_alarms)
    correct_normals = ask("Correct normals", outcomes.correct_normals)
    return (
        blurring_in_words(hits, correct_normals),
        blurring_table((hits, misses, false_alarms, correct_normals)),
    )


def _all(sources: Sources, log_odds: LogOdds) -> tuple[Part, ...]:
    """Explain the images, and sum up how far the explanations can be believed."""
    number = sources.run.report.explained_images
    outcomes = find_outcomes(sources.predictions)
    chosen = {
        "Confident hits": outcomes.hits[:number].tolist(),
        "Misses": outcomes.misses[:number].tolist(),
        "False alarms": outcomes.false_alarms[:number].tolist(),
    }
    images = _read_images(sources, [image for images in chosen.values() for image in images])
    names = best_single_candidates(sources.selection, sources.training_reports)
    candidates = [ExplainedCandidate.load(sources.model_runs[name]) for name in names]
    explained: dict[str, list[Explanation]] = {name: [] for name in names}
    show = partial(_show_image, sources, log_odds, candidates, images, explained)
    groups = [_group(title, numbers, show) for title, numbers in chosen.items()]
    return (
        *_summary(explained),
        Text(_choice_in_words(sources, names)),
        _READING,
        *groups,
        *(
            attempt(
                f"Feature maps of {candidate.name}",
                partial(_feature_maps, sources, candidate, images),
            )
            for candidate in candidates
        ),
    )


def _choice_in_words(sources: Sources, names: Sequence[str]) -> str:
    count = "the best candidate" if len(names) == 1 else "the two best candidates"
    if sources.training_reports[sources.selection.selected].members:
        count = f"{count} among the ensemble's members"
    return (
        "The images are those of the test split on which the selected model was most certain; each "
        "heading gives its answers to the image and to the blurred copy. The explanations are of "
        f"{count} that have a network: {' and '.join(names)}."
    )


def _summary(explained: Mapping[str, list[Explanation]]) -> tuple[Part, ...]:
    found = {name: explanations for name, explanations in explained.items() if explanations}
    if not found:
        return (Text("No image could be explained, so there is nothing to check."),)
    return (
        attempt("Faithfulness in words", lambda: faithfulness_in_words(found)),
        attempt("The table of faithfulness", lambda: faithfulness_table(found)),
    )


def _group(title: str, numbers: Sequence[int], show: partial[Part]) -> Group:
    if not numbers:
        return Group(f"{title}: none", (Text("There are none on the test split."),))
    return Group(title, tuple(show(number) for number in numbers))


def _show_image(
    sources: Sources,
    log_odds: LogOdds,
    candidates: Sequence[ExplainedCandidate],
    images: Mapping[int, np.ndarray],
    explained: Mapping[str, list[Explanation]],
    number: int,
) -> Part:
    """Explain an image by all candidates; `explained` keeps what was found."""
    (when_blurred,) = log_odds(blurred(images[number])[np.newaxis])
    title = (
        f"{sources.predictions.image_ids[number]}: {in_words(sources.predictions, number)}; "
        f"when blurred {format_probability(float(expit(when_blurred)))}"
    )
    parts: list[Part] = []
    for candidate in candidates:
        what = f"{candidate.name} on {sources.predictions.image_ids[number]}"
        parts += [
            attempt(
                f"The explanation of {what}",
                partial(
                    _explain, sources, candidate, images[number], explained[candidate.name], what
                ),
            )
        ]
        done = _count_done(images, number, candidates, candidate)
        report_progress("Explaining", done, len(images) * len(candidates), "explanation")
    return Group(title, tuple(parts), side_by_side=True)


def _count_done(
    images: Mapping[int, np.ndarray],
    number: int,
    candidates: Sequence[ExplainedCandidate],
    candidate: ExplainedCandidate,
) -> int:
    return list(images).index(number) * len(candidates) + list(candidates).index(candidate) + 1


def _explain(
    sources: Sources,
    candidate: ExplainedCandidate,
    image: np.ndarray,
    explained: list[Explanation],
    what: str,
) -> Part:
    found = explain(
        candidate, image, num_samples=sources.run.report.lime_samples, seed=sources.run.seed
    )
    explained.append(found)
    drawn = [
        pictures.draw_image(image, what),
        pictures.draw_lime_mask(image, found, what),
        pictures.draw_lime_weights(image, found, what),
        pictures.draw_grad_cam(image, found, what),
        *(pictures.draw_faithfulness(name, found, what) for name in found.checks),
    ]
    words = Text(" ".join(_explanation_in_words(candidate, found)))
    gallery = Gallery(tuple(picture for picture in drawn if picture), _MIN_WIDTH_REM)
    return Group(candidate.name, (words, gallery))


def _explanation_in_words(candidate: ExplainedCandidate, found: Explanation) -> list[str]:
    """Return sentences on the answer, on the blurred copy's, and on each check."""
    answer = "pneumonia" if found.is_pneumonia else "normal"
    sentences = [
        f"{candidate.name} calls it {answer}: probability of pneumonia "
        f"{format_log_odds(found.log_odds)}, threshold {format_log_odds(found.threshold_log_odds)}."
    ]
    copy = f"The blurred copy has {format_log_odds(found.blurred_log_odds)}"
    if found.is_blurred_pneumonia == found.is_pneumonia:
        is_higher = found.blurred_log_odds > found.log_odds
        surer = ", with more certainty" if is_higher == found.is_pneumonia else ""
        sentences.append(
            f"{copy} and is called {answer} too{surer}: the answer does not need detail."
        )
    else:
        other = "pneumonia" if found.is_blurred_pneumonia else "normal"
        sentences.append(f"{copy} and is called {other}: the answer depends on detail.")
    sentences.append(f"Fit of LIME: R² {found.lime.fit:.2f}.")
    if found.cam is None:
        sentences.append("No Grad-CAM: the network has no convolution.")
    for name, check in found.checks.items():
        sentences.append(
            f"{name} is {check.verdict}: compared with random orders, deletion is "
            f"{_lower_or_higher(-check.deletion_gain)} and insertion "
            f"{_lower_or_higher(check.insertion_gain)}."
        )
    return sentences


def _lower_or_higher(difference: float) -> str:
    return f"{abs(difference):.2f} log-odds {'lower' if difference < 0.0 else 'higher'}"


def _feature_maps(
    sources: Sources, candidate: ExplainedCandidate, images: Mapping[int, np.ndarray]
) -> Part:
    title = f"Feature maps of {candidate.name}"
    if not images:
        return Group(title, (Text("There is no image to show them for."),))
    number = next(iter(images))
    early = early_feature_maps(candidate.network, candidate.settings, images[number])
    if not early:
        return Group(title, (Text("There are none: the network has no convolution."),))
    what = f"{candidate.name} on {sources.predictions.image_ids[number]}"
    drawn = [pictures.draw_feature_maps(found, what) for found in early if found.number in (1, 3)]
    drawn.append(pictures.draw_early_maps(early, what))
    words = Text(f"What the first convolutions make of {sources.predictions.image_ids[number]}.")
    return Group(title, (words, Gallery(tuple(drawn), _MAPS_WIDTH_REM)))


def _read_images(sources: Sources, numbers: Sequence[int]) -> dict[int, np.ndarray]:
    """Return images by their number, uint8 [s, s, 1], as Transform's own graph makes them."""
    if not numbers:
        return {}
    ids = [sources.predictions.image_ids[number] for number in numbers]
    found = read_image_bytes(sources.records(features.TEST), ids)
    layer = tft.TFTransformOutput(str(sources.transform_graph)).transform_features_layer()
    transformed = layer({features.IMAGE_BYTES: tf.constant([found[image_id] for image_id in ids])})
    images = decode_transformed(transformed[features.TRANSFORMED_IMAGE], sources.run.image_size_px)
    return dict(zip(numbers, images.numpy(), strict=True))
