"""What a fresh process answered, held against what the trainer says of the same images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from contract import features
from evaluation.decision_band import DecisionBand

REPORT_FILE = "servability.json"  # in the node's blessing
_NUM_NAMED = 3  # variables in a reason
_MAX_RANKS = 2
_FLOAT32_NOISE = 1e-6


class Answer(BaseModel):
    """The export's answer to one request.

    Attributes:
        loader: `session`, as TensorFlow Serving loads an export, or `eager`, as the Evaluator does.
        signature: Which was asked.
        images: Which images it was asked about, from 0.
        probabilities: One for each of them; NaN is possible.
        labels: One for each.
        thresholds: One for each.
        decisions: One for each.
        familiarities: One for each.
        familiarity_thresholds: One for each.
        seconds: From the request to the answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    loader: Literal["session", "eager"]
    signature: str
    images: tuple[int, ...]
    probabilities: tuple[float, ...]
    labels: tuple[str, ...]
    thresholds: tuple[float, ...]
    decisions: tuple[str, ...]
    familiarities: tuple[float, ...]
    familiarity_thresholds: tuple[float, ...]
    seconds: float


class ProbeAnswers(BaseModel):
    """What the fresh process leaves.

    Attributes:
        load_s: Seconds to load the export.
        pixels: For each image, the SHA-256 of what the export's network sees.
        answers: In the order in which they were asked for, the session's first; it is not asked
            where `unrestored` names variables.
        unrestored: Names of the variables that a signature reads and that the session's loader
            left without a value, by the signature; empty where there are none.
        warm_up_failures: One text for each warm-up request that the session could not answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    load_s: float
    pixels: tuple[str, ...]
    answers: tuple[Answer, ...]
    unrestored: dict[str, tuple[str, ...]] = {}
    warm_up_failures: tuple[str, ...] = ()


class ServabilityReport(BaseModel):
    """Whether the export serves what was judged.

    Attributes:
        blessed: Whether it may be pushed.
        reasons: Why not; empty where it may.
        num_images: Images that were asked about.
        num_answers: Probabilities that were compared.
        max_difference: The bound.
        largest_difference: Of any probability from the trainer's; None where none was comparable.
        largest_difference_from_training: Of any probability from what the trainer itself wrote
            down when it judged its candidate, maybe on a GPU. It decides nothing.
        load_s: Seconds to load the export; None where it did not load, as the two below.
        first_answer_s: Seconds of the first answer.
        later_answer_s: Median seconds of later answers to the same kind of request.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    blessed: bool
    reasons: tuple[str, ...] = ()
    num_images: int
    num_answers: int = 0
    max_difference: float
    largest_difference: float | None = None
    largest_difference_from_training: float | None = None
    load_s: float | None = None
    first_answer_s: float | None = None
    later_answer_s: float | None = None

    def write(self, folder: Path) -> None:
        """Write into an artifact's folder."""
        folder.mkdir(parents=True, exist_ok=True)
        text = self.model_dump_json(indent=2) + "\n"
        (folder / REPORT_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> ServabilityReport:
        """Read what `write` wrote."""
        return cls.model_validate_json((folder / REPORT_FILE).read_text(encoding="utf-8"))


class TrainerAnswers(BaseModel):
    """What the trainer says of images, by the SHA-256 of the pixels that Transform left.

    Attributes:
        threshold: The operating point.
        alone: Of the network that it saved, calibrated, asked about each image alone.
        together: The same, asked about all of them at once. Sums in another order differ: a steep
            calibration has shown 8e-6 between the two.
        written_down: What it wrote when it judged its candidate, calibrated.
        band: Scores that are referred.
        familiarity_threshold: An image is unfamiliar below it.
        familiarity: Of the network that it saved, on the validation images that it wrote down.
        familiarity_step: What one validation image more or less changes of it; 0 where the export
            does not measure familiarity.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float
    alone: dict[str, float]
    together: dict[str, float]
    written_down: dict[str, float]
    band: DecisionBand
    familiarity_threshold: float
    familiarity: dict[str, float]
    familiarity_step: float


def refuse(reason: str, num_images: int, max_difference: float) -> ServabilityReport:
    """Return the report of an export that gave no answers."""
    return ServabilityReport(
        blessed=False, reasons=(reason,), num_images=num_images, max_difference=max_difference
    )


def compare(
    probe: ProbeAnswers, trainer: TrainerAnswers, max_difference: float
) -> ServabilityReport:
    """Judge the export's answers.

    Args:
        probe: The answers, at least one.
        trainer: What they have to be.
        max_difference: The most that a probability may differ.
    """
    unknown = sum(digest not in trainer.alone for digest in probe.pixels)
    reasons = _reasons_not_to_load(probe)
    if unknown:
        reasons.append(
            f"the export's preprocessing leaves {unknown} of {len(probe.pixels)} images other "
            "pixels than Transform left the trainer"
        )
    not_finite = sum(
        not math.isfinite(value) for answer in probe.answers for value in answer.probabilities
    )
    if not_finite:
        reasons.append(f"{not_finite} probabilities are not finite numbers")
    # Like with like: what was asked alone with what was asked alone.
    differences = _differences(probe, trainer.alone, trainer.together)
    largest = max(differences, key=lambda each: each[0], default=None)
    if largest is not None and largest[0] > max_difference:
        reasons.append(
            f"a probability differs from the trainer's by {largest[0]:.2g}, more than "
            f"{max_difference:.2g}: {largest[1]}"
        )
    reasons += _wrong_labels(probe.answers, trainer.threshold)
    reasons += _wrong_familiarity(probe, trainer)
    reasons += _wrong_decisions(probe.answers, trainer.band)
    from_training = [
        each[0] for each in _differences(probe, trainer.written_down, trainer.written_down)
    ]
    first, *_ = probe.answers
    return ServabilityReport(
        blessed=not reasons,
        reasons=tuple(reasons),
        num_images=len(probe.pixels),
        num_answers=sum(len(answer.probabilities) for answer in probe.answers),
        max_difference=max_difference,
        largest_difference=largest[0] if largest else None,
        largest_difference_from_training=max(from_training, default=None),
        load_s=probe.load_s,
        first_answer_s=first.seconds,
        later_answer_s=_later_answer_s(probe.answers),
    )


def _reasons_not_to_load(probe: ProbeAnswers) -> list[str]:
    """Return why TensorFlow Serving would not make the export available, or not answer."""
    reasons = []
    if probe.unrestored:
        signature, names = max(probe.unrestored.items(), key=lambda each: len(each[1]))
        named = ", ".join(names[:_NUM_NAMED]) + (", ..." if len(names) > _NUM_NAMED else "")
        reasons.append(
            f"TensorFlow Serving's loader leaves {len(names)} variables that `{signature}` reads "
            f"without a value: {named}"
        )
    if probe.warm_up_failures:
        reasons.append(
            f"{len(probe.warm_up_failures)} warm-up requests fail in TensorFlow Serving's loader: "
            f"{probe.warm_up_failures[0]}"
        )
    return reasons


def _differences(
    probe: ProbeAnswers, alone: Mapping[str, float], together: Mapping[str, float]
) -> list[tuple[float, str]]:
    """Return each comparable difference, with the words that say where it is."""
    differences = []
    for answer in probe.answers:
        expected = alone if len(answer.images) == 1 else together
        for image, value in zip(answer.images, answer.probabilities, strict=True):
            digest = probe.pixels[image]
            if math.isfinite(value) and digest in expected:
                where = (
                    f"{value:.6f}, not {expected[digest]:.6f}, by `{answer.signature}` for image "
                    f"{image + 1}, {len(answer.images)} asked at once, {answer.loader} loader"
                )
                differences.append((abs(value - expected[digest]), where))
    return differences


def _wrong_labels(answers: Sequence[Answer], threshold: float) -> list[str]:
    reasons = []
    thresholds = {value for answer in answers for value in answer.thresholds}
    # The export holds the threshold as float32.
    wrong = sorted(
        value for value in thresholds if not math.isclose(value, threshold, rel_tol=1e-6)
    )
    if wrong:
        reasons.append(f"the export decides from {wrong[0]:.6f} on, not from {threshold:.6f}")
    against = sum(
        label != (features.PNEUMONIA if value >= limit else features.NORMAL)
        for answer in answers
        for value, label, limit in zip(
            answer.probabilities, answer.labels, answer.thresholds, strict=True
        )
        if math.isfinite(value)
    )
    if against:
        reasons.append(f"{against} labels are not what probability and threshold say")
    return reasons


def _wrong_familiarity(probe: ProbeAnswers, trainer: TrainerAnswers) -> list[str]:
    reasons = []
    limits = {value for answer in probe.answers for value in answer.familiarity_thresholds}
    wrong = sorted(
        value
        for value in limits
        if not math.isclose(value, trainer.familiarity_threshold, rel_tol=1e-6)
    )
    if wrong:
        reasons.append(
            f"the export calls images unfamiliar below {wrong[0]:.6f}, not below "
            f"{trainer.familiarity_threshold:.6f}"
        )
    # A rank among the validation images: rounding moves an image past its neighbours at most.
    bound = _MAX_RANKS * trainer.familiarity_step + _FLOAT32_NOISE
    differences = [
        (abs(value - trainer.familiarity[probe.pixels[image]]), image)
        for answer in probe.answers
        for image, value in zip(answer.images, answer.familiarities, strict=True)
        if probe.pixels[image] in trainer.familiarity
    ]
    # A difference that is not a number is too large.
    too_large = [each for each in differences if not each[0] <= bound]
    if too_large:
        reasons.append(
            f"{len(too_large)} familiarities differ from the trainer's by more than {bound:.2g}, "
            f"first by {too_large[0][0]:.2g} for image {too_large[0][1] + 1}"
        )
    return reasons


def _wrong_decisions(answers: Sequence[Answer], band: DecisionBand) -> list[str]:
    """Hold decisions against the export's own numbers, so that rounding turns none of them."""
    against = 0
    for answer in answers:
        is_uncertain = band.refers(answer.probabilities)
        for row, value in enumerate(answer.probabilities):
            if not math.isfinite(value):
                continue  # reported separately
            is_unfamiliar = features.is_unfamiliar(
                answer.familiarities[row], answer.familiarity_thresholds[row]
            )
            is_referred = is_unfamiliar or bool(is_uncertain[row])
            expected = features.REFER if is_referred else answer.labels[row]
            against += answer.decisions[row] != expected
    if not against:
        return []
    return [
        f"{against} decisions are not what the label, the trainer's band of referred scores and "
        "the familiarity say"
    ]


def _later_answer_s(answers: Sequence[Answer]) -> float | None:
    first, *later = answers
    alike = sorted(
        each.seconds
        for each in later
        if (each.loader, each.signature, len(each.images))
        == (first.loader, first.signature, len(first.images))
    )
    return alike[len(alike) // 2] if alike else None
