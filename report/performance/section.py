"""What the selected model does on the test split, at the operating point and beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import cached_property

from contract import features
from evaluation.class_report import ClassFigures, report_classes
from evaluation.coverage import coverage_on_validation
from evaluation.curves import (
    Curves,
    Reliability,
    ThresholdCurves,
    measure_curves,
    measure_reliability,
    measure_threshold_curves,
)
from evaluation.predictive_values import (
    negative_predictive_value,
    positive_predictive_value,
)
from evaluation.resampling import Resampler, create_resampler
from evaluation.slice_metrics import OVERALL, SliceMetrics, slice_metrics_from_predictions
from report.confusion_matrix import draw_confusion_matrix
from report.page.estimate_cells import estimate_cell
from report.page.parts import (
    Cell,
    Gallery,
    Group,
    Part,
    Picture,
    Section,
    Table,
    Text,
    attempt,
    attempt_all,
)
from report.performance.coverage import (
    coverage_table,
    referral_in_words,
)
from report.performance.figures import (
    draw_calibration,
    draw_precision_recall,
    draw_roc,
    draw_threshold_curves,
)
from report.served_predictions import Predictions
from report.sources import Sources

ANCHOR, TITLE = "performance", "Performance on the test split"
_REFERRED = "What is referred to a radiologist"
_REFERRED_NOTE = (
    "The bounds hold for new patients who are like those of validation. All other figures on "
    "this page are for all images, including the referred ones."
)

_BANDS = (
    "Bands are pointwise 95%: by bootstrap over patients for ROC and precision-recall, Wilson's "
    "for the rates by threshold. Single points outside a band are to be expected."
)
_CALIBRATION_NOTE = (
    "The calibration error is never 0 on a finite number of images; it matters only above the "
    "range that a perfectly calibrated model would show. Calibration holds for the share of "
    "pneumonia in this split; where pneumonia is rarer, the probabilities are too high."
)
_PREDICTIVE_NOTE = (
    "Predictive values depend on how common pneumonia is among the children examined, and the "
    "share in the test split says nothing about a hospital. Sensitivity and specificity are "
    "assumed to be the same there."
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
            attempt("The basis of the figures", lambda: _basis(measured)),
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
                    "Predictive values",
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
        f"{metrics.n:,} images of {measured.num_patients:,} patients, which were used neither for "
        f"training nor for choosing the model: {metrics.positives:,} with pneumonia, "
        f"{metrics.n - metrics.positives:,} normal. Probability >= {answers.threshold:.3f}, the "
        "operating point of the model, is called pneumonia."
    )


def _referred(sources: Sources) -> Part:
    on_test = sources.predictions.coverage()
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


@dataclasses.dataclass(frozen=True)
class SplitMeasurements:
    """Measurements of a split.

    Attributes:
        answers: The model's.
        num_samples: Of the bootstrap over patients.
        seed: Of its draws.
    """

    answers: Predictions
    num_samples: int
    seed: int

    @cached_property
    def metrics(self) -> SliceMetrics:
        """The figures at the operating point."""
        return slice_metrics_from_predictions(
            self.answers.labels, self.answers.probabilities, self.answers.threshold
        )[OVERALL]

    @cached_property
    def resampler(self) -> Resampler:
        """The bootstrap; raises a ValueError where a class is absent."""
        patients = [str(patient) for patient in self.answers.facts[features.PATIENT_ID]]
        return create_resampler(self.answers.labels, patients, self.num_samples, self.seed)

    @cached_property
    def curves(self) -> Curves:
        """ROC and precision-recall curve."""
        return measure_curves(self.answers.probabilities, self.resampler)

    @cached_property
    def reliability(self) -> Reliability:
        """The calibration."""
        return measure_reliability(self.answers.probabilities, self.resampler)

    @cached_property
    def classes(self) -> tuple[ClassFigures, ...]:
        """The classification report."""
        return report_classes(self.answers.decisions, self.resampler)

    @cached_property
    def threshold_curves(self) -> ThresholdCurves:
        """Sensitivity and specificity over the threshold."""
        return measure_threshold_curves(self.answers.labels, self.answers.probabilities)

    @property
    def num_patients(self) -> int:
        """How many patients the images are of."""
        return len(set(self.answers.facts[features.PATIENT_ID]))


def figures_table(metrics: SliceMetrics, curves: Curves, reliability: Reliability) -> Table:
    """Return one figure a line, with its interval and the n that it rests on."""
    called = metrics.tp + metrics.fp
    negatives = metrics.n - metrics.positives
    figures = (
        ("Sensitivity (recall)", "pneumonia called pneumonia", metrics.recall, metrics.positives),
        ("Specificity", "normal called normal", metrics.specificity, negatives),
        ("Precision", "of those called pneumonia", metrics.precision, called),
        ("Accuracy", "correct calls", metrics.accuracy, metrics.n),
        ("Area under the ROC curve", "at all thresholds", metrics.auc, metrics.n),
        ("Average precision", "at all thresholds", curves.average_precision, metrics.n),
        ("Calibration error (ECE)", "0 is best", reliability.error, metrics.n),
    )
    return Table(
        "At the operating point, with 95% intervals: Wilson's for shares, Newcombe's for the "
        "area, by bootstrap over patients for the last two.",
        ("Figure", "Value", "95% interval", "n"),
        tuple(
            (
                Cell(name, meaning),
                estimate_cell(estimate).text,
                estimate_cell(estimate).detail,
                f"{n:,}",
            )
            for name, meaning, estimate, n in figures
        ),
    )


def class_table(rows: Sequence[ClassFigures]) -> Table:
    """Return the classification report."""
    return Table(
        "Classification report, with 95% intervals: Wilson's for each class's precision and "
        "recall, by bootstrap over patients for F1 and the means.",
        ("Class", "Precision", "Recall", "F1", "n"),
        tuple(
            (
                row.name,
                estimate_cell(row.precision),
                estimate_cell(row.recall),
                estimate_cell(row.f1),
                f"{row.support:,}",
            )
            for row in rows
        ),
    )


def predictive_table(metrics: SliceMetrics, prevalences: Sequence[float]) -> Table:
    """Return PPV and NPV at each prevalence."""
    return Table(
        "Predictive values by Bayes' rule from the split's sensitivity and specificity, with 95% "
        f"logit intervals (Mercaldo, Lau and Zhou 2007); n = {metrics.positives:,} with pneumonia "
        f"and {metrics.n - metrics.positives:,} normal.",
        ("Prevalence", "PPV", "NPV"),
        tuple(
            (
                f"{100 * prevalence:g}%",
                estimate_cell(positive_predictive_value(metrics, prevalence)),
                estimate_cell(negative_predictive_value(metrics, prevalence)),
            )
            for prevalence in prevalences
        ),
    )


def bins_table(reliability: Reliability) -> Table:
    """Return the calibration curve's bins with their n."""
    return Table(
        "Bins of equal width; empty ones are left out. Observed share with its Wilson interval.",
        ("Probability", "Mean", "Share of pneumonia", "n"),
        tuple(
            (
                f"{entry.low:.2f} to {entry.high:.2f}",
                f"{entry.mean_probability:.3f}",
                estimate_cell(entry.observed),
                f"{entry.n:,}",
            )
            for entry in reliability.bins
        ),
    )
