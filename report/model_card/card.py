"""The model card: what the model is for, what it was made from, and how far it can be trusted.

Every figure is read from the run's artifacts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contract import features
from evaluation.coverage import Coverage, coverage_on_validation
from evaluation.data_audit import REPORT_FILE as AUDIT_FILE
from evaluation.external import ExternalSet
from evaluation.shortcut_separation import REPORT_FILE as SHORTCUTS_FILE
from evaluation.shortcut_separation import ShortcutReport
from evaluation.slice_metrics import OVERALL, Record, SliceMetrics
from evaluation.training_report import TrainingReport
from report.candidates.recipe import recipe_of
from report.lineage import Lineage, trace_lineage
from report.model_card.origins import DataOrigin, describe_weights, find_origin, read_some_image_ids
from report.model_card.statements import (
    INTENDED_USE,
    OUT_OF_SCOPE,
    describe_limits,
    describe_shift,
)
from report.performance.coverage import referral_in_words
from report.sources import Sources
from report.verdict import describe_check

JSON_NAME, MARKDOWN_NAME = "model_card.json", "model_card.md"


class SplitFacts(Record):
    """Counts of one split."""

    images: int
    pneumonia: int
    patients: int


class DataFacts(Record):
    """The data.

    Attributes:
        origin: Whose it is, and its licence.
        splits: Counts by split, of the data audit.
        warnings: Of the conversion, in sentences.
        weights: Whose pretrained weights the model starts from, in sentences.
    """

    origin: DataOrigin
    splits: dict[str, SplitFacts]
    warnings: tuple[str, ...]
    weights: tuple[str, ...]


class TrainingFacts(Record):
    """How the selected model was made.

    Attributes:
        name: The candidate.
        reason: Why it was selected.
        num_parameters: All weights.
        image_size_px: Side of the images that Transform leaves.
        seed: Of the run.
        recipes: In words, by network: itself, or an ensemble's members.
        hyperparameters: What a search chose, by network.
        settings: All training settings, by network.
    """

    name: str
    reason: str
    num_parameters: int
    image_size_px: int
    seed: int
    recipes: dict[str, str]
    hyperparameters: dict[str, dict[str, int | float | str]]
    settings: dict[str, Any]


class OperatingPoint(Record):
    """The threshold, and the calibration before it.

    Attributes:
        threshold: In [0, 1]; at or above it an image is called pneumonia.
        target_sensitivity: What the lower 95% bound of the recall on validation was to reach.
        reaches_target: Whether it does.
        calibration_error_before: Expected calibration error on validation, of the network.
        calibration_error_after: The same after calibration.
        validation: All validation images at the threshold.
        referral: Which images are referred to a radiologist, in words.
        coverage: What is decided, by split: validation, and test where it was measured.
    """

    threshold: float
    target_sensitivity: float
    reaches_target: bool
    calibration_error_before: float
    calibration_error_after: float
    validation: SliceMetrics
    referral: str
    coverage: dict[str, Coverage]


class ExternalFacts(Record):
    """The model on one set from outside the training data.

    Attributes:
        num_patients: An image without a known patient counts as one.
        num_rejected: Images that could not be read and are left out.
        num_seen: Images that are also in train or validation.
        metrics: All images, at the threshold.
        calibration_error: Expected calibration error.
        mean_probability: Of pneumonia, by class; None for a class without images.
        coverage: What the model decides of them; None where it has no such output.
    """

    num_patients: int
    num_rejected: int
    num_seen: int
    metrics: SliceMetrics
    calibration_error: float
    mean_probability: dict[str, float | None]
    coverage: Coverage | None


class ModelCard(Record):
    """The card.

    Attributes:
        pipeline_name: And the served model's.
        synthetic: Whether the images were drawn: clinically, nothing then means anything.
        blessed: The gate's verdict.
        refusals: Why it refused, a sentence for each check.
        site: Where the model is to be used; a placeholder where it is not configured.
        contact: Who answers for it; likewise.
        intended_use: In sentences.
        out_of_scope: Likewise.
        data: What it was made from.
        training: How.
        operating_point: Its threshold, and what it gives.
        slices: On the test split at the threshold, by slice name, with 95% intervals.
        external: On sets from outside the training data, by name.
        limits: In sentences.
        shift: What is known of other sites, in sentences.
        shortcuts: Nuisance features that separate the classes; None where none were measured.
        stressed: All validation images under each stress; empty where stresses were off.
        lineage: Hashes, versions and the nodes' runs.
    """

    pipeline_name: str
    synthetic: bool
    blessed: bool
    refusals: tuple[str, ...]
    site: str
    contact: str
    intended_use: tuple[str, ...]
    out_of_scope: tuple[str, ...]
    data: DataFacts
    training: TrainingFacts
    operating_point: OperatingPoint
    slices: dict[str, SliceMetrics]
    external: dict[str, ExternalFacts]
    limits: tuple[str, ...]
    shift: tuple[str, ...]
    shortcuts: ShortcutReport | None
    stressed: dict[str, SliceMetrics]
    lineage: Lineage


def make_model_card(sources: Sources) -> ModelCard:
    """Put the card together.

    Raises:
        OSError: An artifact that it needs is not there.
        ValueError: An artifact is not of this version.
    """
    report = sources.training_reports[sources.selection.selected]
    data, shortcuts = _data_facts(sources, _networks(sources, report)), _shortcuts(sources)
    slices = _in_order(sources.tfma.candidate)
    return ModelCard(
        pipeline_name=sources.run.pipeline_name,
        synthetic=sources.run.synthetic,
        blessed=sources.gate.blessed,
        refusals=tuple(describe_check(check) for check in sources.gate.with_verdict("failed")),
        site=sources.run.report.site,
        contact=sources.run.report.contact,
        intended_use=INTENDED_USE,
        out_of_scope=OUT_OF_SCOPE,
        data=data,
        training=_training_facts(sources, report),
        operating_point=OperatingPoint(
            threshold=report.threshold,
            target_sensitivity=report.target_sensitivity,
            reaches_target=report.reaches_target,
            calibration_error_before=report.calibration_error_before,
            calibration_error_after=report.calibration_error_after,
            validation=report.validation[OVERALL],
            referral=referral_in_words(report.referral),
            coverage=_coverage(sources, report),
        ),
        slices=slices,
        external={name: _external_facts(each) for name, each in sources.external.items()},
        limits=describe_limits(
            report,
            sources.gate,
            slices[OVERALL],
            num_patients=data.splits[features.TEST].patients,
            num_without_patient=sources.card.num_images_without_patient if sources.card else None,
            image_size_px=sources.run.image_size_px,
            synthetic=sources.run.synthetic,
            external=tuple(sources.external),
        ),
        shift=describe_shift(report, slices[OVERALL], shortcuts),
        shortcuts=shortcuts,
        stressed=report.stressed,
        lineage=trace_lineage(sources),
    )


def _coverage(sources: Sources, report: TrainingReport) -> dict[str, Coverage]:
    on_test = sources.gate.coverage
    return {
        features.VALIDATION: coverage_on_validation(report.referral),
        **({} if on_test is None else {features.TEST: on_test}),
    }


def _external_facts(external: ExternalSet) -> ExternalFacts:
    # Without the source and names of files: a card that is passed on shows no folders.
    return ExternalFacts(
        num_patients=external.num_patients,
        num_rejected=len(external.rejected),
        num_seen=external.num_seen,
        metrics=external.metrics,
        calibration_error=external.calibration_error,
        mean_probability={
            label: None if scores is None else scores.mean_probability
            for label, scores in external.scores.items()
        },
        coverage=external.coverage,
    )


def _in_order(slices: Mapping[str, SliceMetrics]) -> dict[str, SliceMetrics]:
    """Put the slices in order, all images first: TFMA writes them in any."""
    return {name: slices[name] for name in sorted(slices, key=lambda name: (name != OVERALL, name))}


def _networks(sources: Sources, report: TrainingReport) -> dict[str, TrainingReport]:
    """Return the reports of the networks in the model: itself, or an ensemble's members."""
    return {name: sources.training_reports[name] for name in report.members or (report.name,)}


def _data_facts(sources: Sources, networks: Mapping[str, TrainingReport]) -> DataFacts:
    audit = json.loads((sources.data_audit / AUDIT_FILE).read_text(encoding="utf-8"))
    return DataFacts(
        origin=find_origin(
            sources.card,
            read_some_image_ids(sources.records(features.TEST)),
            synthetic=sources.run.synthetic,
        ),
        splits={
            split: SplitFacts(
                images=counts["records"],
                pneumonia=counts["pneumonia"],
                patients=counts["patients"],
            )
            for split, counts in audit["splits"].items()
        },
        warnings=sources.card.warnings if sources.card else (),
        weights=describe_weights(
            network.candidate for network in networks.values() if network.candidate is not None
        ),
    )


def _shortcuts(sources: Sources) -> ShortcutReport | None:
    if not (sources.data_audit / SHORTCUTS_FILE).is_file():
        return None
    return ShortcutReport.read(sources.data_audit)


def _training_facts(sources: Sources, report: TrainingReport) -> TrainingFacts:
    networks = _networks(sources, report)
    return TrainingFacts(
        name=report.name,
        reason=sources.selection.reason,
        num_parameters=report.num_parameters,
        image_size_px=sources.run.image_size_px,
        seed=sources.run.seed,
        recipes={
            name: recipe_of(network) or "its settings are not recorded"
            for name, network in networks.items()
        },
        hyperparameters={name: network.hyperparameters for name, network in networks.items()},
        settings={name: _settings(network) for name, network in networks.items()},
    )


def _settings(report: TrainingReport) -> Mapping[str, Any] | None:
    if report.candidate is None:
        return None
    settings = report.candidate.model_dump(mode="json")
    # The name of a file of weights is enough: a card that is passed on shows no folders.
    return settings | {"weights": Path(report.candidate.weights).name}
