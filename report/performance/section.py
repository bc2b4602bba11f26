"""What the selected model does on the test split, at the operating point and beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evaluation.coverage import coverage_on_validation
from report.page.parts import (
    Gallery,
    Group,
    Part,
    Picture,
    Section,
    Text,
    attempt,
    attempt_all,
)
from report.performance.coverage import (
    coverage_of_answers,
    coverage_table,
    referral_in_words,
)
from report.performance.curve_figures import (
    draw_precision_recall,
    draw_roc,
    draw_threshold_curves,
)
from report.performance.figures import draw_calibration, draw_confusion_matrix
from report.performance.measurements import SplitMeasurements
from report.performance.tables import (
    bins_table,
    class_table,
    figures_table,
    predictive_table,
)
from report.sources import Sources

ANCHOR, TITLE = "performance", "Performance on the test split"
_REFERRED = "What is left to a radiologist"
_REFERRED_NOTE = (
    "The bounds hold for new patients as far as these are like those of validation. All other "
    "figures of this page are of all images, those that are referred included."
)

_BANDS = (
    "Bands are pointwise 95%: by bootstrap over patients for ROC and precision-recall, Wilson's "
    "for the rates by threshold. Single points outside a band are to be expected."
)
_CALIBRATION_NOTE = (
    "The calibration error is never 0 on a finite number of images; it says something where it "
    "lies above the range that a perfectly calibrated model would show. Calibration holds for the "
    "split's share of pneumonia; where pneumonia is rarer, the probabilities are too high."
)
_PREDICTIVE_NOTE = (
    "Predictive values depend on how frequent pneumonia is among the children examined: the test "
    "split's own share says nothing about a hospital's. Sensitivity and specificity are taken to "
    "be the same there."
)


def build(sources: Sources) -> Section:
    """Build the section."""
    measured = SplitMeasurements(
        sources.predictions, sources.run.report.bootstrap_samples, sources.run.seed
    )
    return Section(
        ANCHOR,
        TITLE,
        (
            attempt("What the figures rest on", lambda: _basis(measured)),
            attempt(
                "The figures",
                lambda: figures_table(measured.metrics, measured.curves, measured.reliability),
            ),
            attempt(_REFERRED, lambda: _referred(sources)),
            attempt("The classification report", lambda: class_table(measured.classes)),
            Group("Curves", (*_pictures(measured), Text(_BANDS), Text(_CALIBRATION_NOTE))),
            attempt(
                "The calibration's bins",
                lambda: Group(
                    "Calibration in numbers", (bins_table(measured.reliability),), folded=True
                ),
            ),
            attempt(
                "The predictive values",
                lambda: Group(
                    "What a call is worth",
                    (
                        predictive_table(measured.metrics, sources.run.report.prevalences),
                        Text(_PREDICTIVE_NOTE),
                    ),
                ),
            ),
        ),
    )


def _basis(measured: SplitMeasurements) -> Part:
    metrics, answers = measured.metrics, measured.answers
    return Text(
        f"{metrics.n:,} images of {measured.num_patients:,} patients that neither training nor the "
        f"choice of the model has seen: {metrics.positives:,} with pneumonia, "
        f"{metrics.n - metrics.positives:,} normal. A probability of at least "
        f"{answers.threshold:.3f}, the operating point that the model ships, is called pneumonia."
    )


def _referred(sources: Sources) -> Part:
    on_test = coverage_of_answers(sources.predictions)
    if on_test is None:
        return Group(_REFERRED, (Text("Nothing: the model has no output `decision`."),))
    referral = sources.training_reports[sources.selection.selected].referral
    coverages = {"validation": coverage_on_validation(referral), "test split": on_test}
    return Group(
        _REFERRED,
        (Text(referral_in_words(referral)), coverage_table(coverages), Text(_REFERRED_NOTE)),
    )


def _pictures(measured: SplitMeasurements) -> tuple[Part, ...]:
    draw: Sequence[tuple[str, Callable[[], Picture]]] = (
        ("The confusion matrix", lambda: draw_confusion_matrix(measured.metrics)),
        ("The ROC curve", lambda: draw_roc(measured.curves, measured.metrics)),
        (
            "The precision-recall curve",
            lambda: draw_precision_recall(measured.curves, measured.metrics),
        ),
        (
            "The calibration curve",
            lambda: draw_calibration(measured.reliability, measured.metrics.n),
        ),
        (
            "The rates by threshold",
            lambda: draw_threshold_curves(
                measured.threshold_curves, measured.answers.threshold, measured.metrics
            ),
        ),
    )
    parts = attempt_all([(what, _alone(make)) for what, make in draw])
    galleries = [part for part in parts if isinstance(part, Gallery)]
    failures = [part for part in parts if not isinstance(part, Gallery)]
    pictures = tuple(picture for gallery in galleries for picture in gallery.pictures)
    return (*((Gallery(pictures),) if pictures else ()), *failures)


def _alone(make: Callable[[], Picture]) -> Callable[[], Part]:
    return lambda: Gallery((make(),))
