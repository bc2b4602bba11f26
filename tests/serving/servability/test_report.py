"""What makes an export unfit to be pushed, one reason at a time."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from contract import features
from evaluation.decision_band import DecisionBand
from serving.servability.report import (
    Answer,
    ProbeAnswers,
    ServabilityReport,
    TrainerAnswers,
    compare,
    refuse,
)

BOUND = 1e-5
TRAINER = TrainerAnswers(
    threshold=0.5,
    alone={"a": 0.2, "b": 0.9},
    together={"a": 0.2, "b": 0.9},
    written_down={"a": 0.2, "b": 0.9003},
    band=DecisionBand(low=0.3, high=0.7),
    familiarity_threshold=0.01,
    familiarity={"a": 0.25, "b": 0.75},
    familiarity_step=0.02,
)
FAMILIARITY = (0.25, 0.75)  # of the images


def answer(probabilities: dict[int, float], seconds: float = 0.1, **changes: object) -> Answer:
    labels = [
        features.PNEUMONIA if each >= 0.5 else features.NORMAL for each in probabilities.values()
    ]
    fields = {
        "loader": "session",
        "signature": features.SERVING_SIGNATURE,
        "images": tuple(probabilities),
        "probabilities": tuple(probabilities.values()),
        "labels": labels,
        "thresholds": [0.5] * len(labels),
        "decisions": [
            features.REFER if 0.3 <= each < 0.7 else label
            for each, label in zip(probabilities.values(), labels, strict=True)
        ],
        "familiarities": [FAMILIARITY[image] for image in probabilities],
        "familiarity_thresholds": [0.01] * len(labels),
        "seconds": seconds,
    }
    return Answer.model_validate(fields | changes)


def judge(*answers: Answer, pixels: tuple[str, ...] = ("a", "b")) -> ServabilityReport:
    return compare(ProbeAnswers(load_s=2.0, pixels=pixels, answers=answers), TRAINER, BOUND)


def test_the_trainers_answers_are_blessed_with_their_figures() -> None:
    report = judge(
        answer({0: 0.2}, seconds=1.5),
        answer({1: 0.9 + 4e-6}, seconds=0.03),
        answer({0: 0.2}, seconds=0.02),
        answer({1: 0.9}, seconds=0.04),
        answer({0: 0.2, 1: 0.9}, seconds=0.5),
        answer({0: 0.2}, seconds=0.7, signature=features.EXAMPLES_SIGNATURE),
        answer({0: 0.2}, seconds=0.9, loader="eager"),
    )
    assert (report.blessed, report.reasons) == (True, ())
    assert (report.num_images, report.num_answers) == (2, 8)
    assert report.largest_difference == pytest.approx(4e-6)
    # What the trainer recorded, maybe on a GPU, is reported and decides nothing.
    assert report.largest_difference_from_training == pytest.approx(3e-4)
    # Of one image by the first signature and loader: neither the batch nor the others.
    assert (report.load_s, report.first_answer_s, report.later_answer_s) == (2.0, 1.5, 0.03)


def test_a_probability_that_differs_is_named() -> None:
    report = judge(answer({0: 0.2}), answer({0: 0.2, 1: 0.90002}))
    assert not report.blessed
    assert report.largest_difference == pytest.approx(2e-5)
    assert report.reasons == (
        "a probability differs from the trainer's by 2e-05, more than 1e-05: 0.900020, not "
        "0.900000, by `serving_default` for image 2, 2 asked at once, "
        "session loader",
    )


def test_a_difference_at_the_bound_passes() -> None:
    trainer = TRAINER.model_copy(update={"alone": {"a": 0.0}})
    probe = ProbeAnswers(load_s=1.0, pixels=("a",), answers=(answer({0: BOUND}),))
    assert compare(probe, trainer, BOUND).blessed


def test_what_was_asked_together_is_held_against_the_same_batch() -> None:
    trainer = TRAINER.model_copy(update={"together": {"a": 0.2, "b": 0.90002}})
    asked = (answer({1: 0.9}), answer({0: 0.2, 1: 0.90002}))
    probe = ProbeAnswers(load_s=1.0, pixels=("a", "b"), answers=asked)
    assert compare(probe, trainer, BOUND).largest_difference == 0.0
    assert not compare(probe, TRAINER, BOUND).blessed


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_a_veto(value: float) -> None:
    report = judge(answer({0: 0.2}), answer({1: value}))
    assert report.reasons == ("1 probabilities are not finite numbers",)
    assert report.largest_difference == 0.0


def test_other_preprocessing_is_a_veto() -> None:
    report = judge(answer({0: 0.2}), answer({1: 0.9}), pixels=("a", "c"))
    assert report.reasons == (
        "the export's preprocessing leaves 1 of 2 images other pixels than Transform left the "
        "trainer",
    )


def test_another_threshold_and_labels_against_it_are_vetoes() -> None:
    [moved] = judge(answer({0: 0.2}, thresholds=[0.4])).reasons
    assert moved == "the export decides from 0.400000 on, not from 0.500000"
    turned, *_ = judge(answer({0: 0.2}, labels=[features.PNEUMONIA])).reasons
    assert turned == "1 labels are not what probability and threshold say"


AGAINST = (
    "1 decisions are not what the label, the trainer's band of referred scores and the "
    "familiarity say"
)


@pytest.mark.parametrize(
    "changes",
    [
        {"decisions": [features.REFER]},  # it is certain and familiar
        {"decisions": [features.PNEUMONIA]},  # it is normal
        # Unfamiliar by what the export itself answers.
        {"familiarities": [0.009], "familiarity_thresholds": [0.01]},
    ],
)
def test_decisions_against_the_trainers_rule_are_a_veto(changes: dict[str, object]) -> None:
    reasons = judge(answer({0: 0.2}, **changes)).reasons
    assert AGAINST in reasons


def test_a_band_other_than_the_trainers_is_a_veto() -> None:
    trainer = TRAINER.model_copy(update={"band": DecisionBand(low=0.15, high=0.7)})
    probe = ProbeAnswers(load_s=1.0, pixels=("a",), answers=(answer({0: 0.2}),))
    assert compare(probe, trainer, BOUND).reasons == (AGAINST,)


def test_a_score_that_rounding_moves_past_the_bands_end_is_no_veto() -> None:
    """The decision follows from what the export answers, not from what the trainer would have."""
    trainer = TRAINER.model_copy(update={"alone": {"a": 0.3}})
    asked = (answer({0: 0.3 - 4e-6}, decisions=[features.NORMAL]), answer({0: 0.3 + 4e-6}))
    probe = ProbeAnswers(load_s=1.0, pixels=("a",), answers=asked)
    assert compare(probe, trainer, BOUND).reasons == ()


@pytest.mark.parametrize(("value", "is_near"), [(0.25, True), (0.2899, True), (0.3101, False)])
def test_familiarity_may_differ_by_the_ranks_that_rounding_explains(
    value: float, is_near: bool
) -> None:
    report = judge(answer({0: 0.2}, familiarities=[value]))
    assert report.blessed == is_near
    if not is_near:
        assert report.reasons == (
            "1 familiarities differ from the trainer's by more than 0.04, first by 0.06 for image "
            "1",
        )


def test_another_threshold_of_familiarity_and_no_number_are_vetoes() -> None:
    [moved] = judge(answer({0: 0.2}, familiarity_thresholds=[0.02])).reasons
    assert moved == "the export calls images unfamiliar below 0.020000, not below 0.010000"
    [strange] = judge(answer({0: 0.2}, familiarities=[math.nan])).reasons
    assert strange.startswith("1 familiarities differ")


def test_variables_that_tf_serving_leaves_without_a_value_are_a_veto() -> None:
    names = tuple(f"layer_{index}/kernel" for index in range(5))
    probe = ProbeAnswers(
        load_s=1.0,
        pixels=("a",),
        answers=(answer({0: 0.2}, loader="eager"),),
        unrestored={"few": names[:1], "many": names},
        warm_up_failures=("request 1, `many`: FailedPreconditionError", "request 2"),
    )
    report = compare(probe, TRAINER, BOUND)
    assert not report.blessed
    assert report.reasons == (
        "TensorFlow Serving's loader leaves 5 variables that `many` reads without a value: "
        "layer_0/kernel, layer_1/kernel, layer_2/kernel, ...",
        "2 warm-up requests fail in TensorFlow Serving's loader: request 1, `many`: "
        "FailedPreconditionError",
    )


def test_a_report_is_written_and_read(tmp_path: Path) -> None:
    report = refuse("it crashed", 4, BOUND)
    assert not report.blessed
    report.write(tmp_path / "blessing")
    assert ServabilityReport.read(tmp_path / "blessing") == report
