"""The section on explanations: what in an image speaks for a candidate's answer, if that is so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from components.progress import report_progress
from components.report.explained import pictures
from components.report.explained.summary import faithfulness_in_words, faithfulness_table
from components.report.outcomes import find_outcomes, in_words
from components.report.parts import Gallery, Group, Part, Section, Text, attempt
from components.report.served_predictions import read_image_bytes
from components.report.sources import Sources
from models import features
from models.explanations.explanation import (
    ExplainedCandidate,
    Explanation,
    best_single_candidates,
    explain,
)
from models.explanations.feature_maps import early_feature_maps
from models.preprocessing import decode_transformed

ANCHOR, TITLE = "explanations", "Explanations"
_MIN_WIDTH_REM = 10.5  # three in a row of a column, two on a phone
_MAPS_WIDTH_REM = 16.0
_CAUTION = (
    "Explanations can mislead. They say what a network's answer hangs on, not what a radiologist "
    "would look at, and not that the answer is right: a map that lies on the lung may belong to a "
    "wrong answer, and a tidy map may say nothing of the network at all. Nobody should find or "
    "rule out pneumonia by these pictures. Each one is therefore checked, below."
)
_READING = (
    "LIME greys out random superpixels and fits a linear model to the answers; its fit (R²) says "
    "how far the answer is a sum of superpixels. Grad-CAM weights the last maps of the network by "
    "their gradients; it is coarse. The check blurs superpixels one after the other, the most "
    "important first (deletion), or shows them one after the other in the blurred image "
    "(insertion), and follows the probability of the answer; the same is done in random orders. "
    "Where the probability hardly moves, even with the whole image blurred, nothing can be told."
)


def build(sources: Sources) -> Section:
    """Build the section: hits, misses and false alarms, each as the two best candidates see it."""
    number = sources.run.report.explained_images
    if number == 0:
        off = Text("Explanations are switched off (`report.explained_images` is 0).")
        return Section(ANCHOR, TITLE, (off,))
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
    show = partial(_show_image, sources, candidates, images, explained)
    groups = [_group(title, numbers, show) for title, numbers in chosen.items()]
    return Section(
        ANCHOR,
        TITLE,
        (
            Text(_CAUTION, "warning"),
            *_summary(explained),
            Text(f"{_choice_in_words(sources, names)} {_READING}"),
            *groups,
            *(
                attempt(
                    f"Feature maps of {candidate.name}",
                    partial(_feature_maps, sources, candidate, images),
                )
                for candidate in candidates
            ),
        ),
    )


def _choice_in_words(sources: Sources, names: Sequence[str]) -> str:
    count = "the best candidate" if len(names) == 1 else "the two best candidates"
    if sources.training_reports[sources.selection.selected].members:
        count = f"{count} among the ensemble's members"
    return (
        "The images are those of the test split of which the selected model was surest. What is "
        f"explained are {count} with a network of their own: {' and '.join(names)}."
    )


def _summary(explained: Mapping[str, list[Explanation]]) -> tuple[Part, ...]:
    found = {name: explanations for name, explanations in explained.items() if explanations}
    if not found:
        return (Text("No image could be explained, so that there is nothing to check."),)
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
    candidates: Sequence[ExplainedCandidate],
    images: Mapping[int, np.ndarray],
    explained: Mapping[str, list[Explanation]],
    number: int,
) -> Part:
    """Explain an image by all candidates; `explained` keeps what was found."""
    title = f"{sources.predictions.image_ids[number]}: {in_words(sources.predictions, number)}"
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
        *(pictures.draw_faithfulness(name, check, what) for name, check in found.checks.items()),
    ]
    answer = "pneumonia" if found.is_pneumonia else "normal"
    blurred = found.checks["LIME"].deletion[-1]
    told = Text(
        f"{candidate.name} calls it {answer}: probability of pneumonia {found.probability:.3f}, "
        f"threshold {candidate.threshold:.3f}. Of the wholly blurred image it says {answer} with a "
        f"probability of {blurred:.3f}. Fit of LIME: R² {found.lime.fit:.2f}. "
        + ("" if found.cam is not None else "No Grad-CAM: the network has no convolution. ")
        + " ".join(
            f"{name}: deletion {check.deletion_area:.3f}, insertion {check.insertion_area:.3f}, "
            f"random {check.random_areas.min():.3f} to {check.random_areas.max():.3f}: "
            f"{check.verdict}."
            for name, check in found.checks.items()
        )
    )
    gallery = Gallery(tuple(picture for picture in drawn if picture), _MIN_WIDTH_REM)
    return Group(candidate.name, (told, gallery))


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
    told = Text(f"What the first convolutions make of {sources.predictions.image_ids[number]}.")
    return Group(title, (told, Gallery(tuple(drawn), _MAPS_WIDTH_REM)))


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
