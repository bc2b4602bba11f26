"""Put a run's summary together from what its nodes wrote."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2

from components.external_evaluation import EVALUATION as EXTERNAL_OUTPUT
from components.pusher import DESTINATION_PROPERTY, PUSHED_PROPERTY, VERSION_PROPERTY
from components.report import TUNER_RESULTS
from components.servability_check import BLESSED_PROPERTY, BLESSING
from contract import __version__
from contract import nodes as node_names
from contract.nodes import trainer_id, tuner_id
from contract.settings import PipelineSettings
from evaluation.coverage import coverage_on_validation
from evaluation.external import ExternalReport
from evaluation.external import ExternalSet as MeasuredSet
from evaluation.gate import REPORT_FILE as GATE_REPORT_FILE
from evaluation.gate import GateReport
from evaluation.selection import SELECTION_FILE, Comparison, Selection
from evaluation.shortcut_separation import ShortcutReport
from evaluation.split_differences import SplitDifferences
from evaluation.tfma_results import read_evaluation
from evaluation.training_report import REPORT_FILE as TRAINING_REPORT_FILE
from evaluation.training_report import TENSORBOARD_DIR, TrainingReport
from ingestion.dataset_card import DatasetCard
from models.ensemble import ENSEMBLE
from pipeline.pipeline import has_ensemble
from pipeline.summary_schema import (
    OVERALL,
    Candidate,
    Coverage,
    DataCounts,
    Decisions,
    ExternalSet,
    Metrics,
    OperatingPoint,
    PseudoSite,
    RunMetrics,
    Shortcut,
    SplitCounts,
    SplitDifference,
    SplitMetrics,
    Study,
    Summary,
    Trial,
    Versions,
    notice_for,
)
from pipeline.summary_verdict import Gate, PushedModel, Servability
from report.candidates.trials import read_trials
from report.stored_run import StoredRun, read_stored_run
from serving.servability.report import ServabilityReport


def summarise_run(
    settings: PipelineSettings,
    card: DatasetCard,
    connection: metadata_store_pb2.ConnectionConfig,
    timings_s: Mapping[str, float],
    log_file: Path,
    study: Study | None = None,
    report_page: Path | None = None,
) -> Summary:
    """Summarise the newest run in the metadata store.

    Args:
        settings: Of that run.
        card: Of the data that it read.
        connection: The metadata store.
        timings_s: Seconds by node and step, and `total`.
        log_file: Where the libraries logged.
        study: The table beside published figures, where the run made one.
        report_page: The run's report, where it made one.

    Raises:
        KeyError: When a node has not left what it should have.
    """
    record = read_stored_run(connection, settings.name)
    reports = _training_reports(record, settings)
    chosen_dir = record.output(node_names.SELECTOR, "model_run").path
    selection = Selection.model_validate_json(
        (chosen_dir / SELECTION_FILE).read_text(encoding="utf-8")
    )
    report = reports[selection.selected]
    gate = GateReport.model_validate_json(
        (record.output(node_names.GATE, "blessing").path / GATE_REPORT_FILE).read_text()
    )
    evaluation = read_evaluation(str(record.output(node_names.EVALUATOR, "evaluation").path))
    return Summary(
        synthetic=card.synthetic,
        notice=notice_for(card.synthetic),
        data=_data_counts(card),
        shortcuts=_shortcuts(record),
        split_differences=_split_differences(record),
        candidates=tuple(
            _candidate(reports[entry.name], entry, _trials(record, settings, entry.name))
            for entry in selection.candidates
        ),
        selected=selection.selected,
        selection_reason=selection.reason,
        operating_point=OperatingPoint(
            threshold=report.threshold,
            target_sensitivity=report.target_sensitivity,
            chosen_on="validation",
        ),
        decisions=_decisions(report, gate),
        metrics=RunMetrics(
            validation=SplitMetrics.from_slices(report.validation),
            test=SplitMetrics.from_slices(evaluation.candidate),
        ),
        gate=Gate.model_validate(gate),
        servability=_servability(record, settings),
        pushed_model=_pushed_model(record),
        external=_external(record, settings),
        study=study,
        report=None if report_page is None else str(report_page),
        timings_s=dict(timings_s),
        versions=Versions(
            project=__version__,
            tfx=metadata.version("tfx"),
            tensorflow=metadata.version("tensorflow"),
            keras=metadata.version("keras"),
        ),
        settings=settings.model_dump(mode="json"),
        num_gpus=max(each.num_gpus for each in reports.values()),
        tensorboard_dir=_tensorboard_dir(chosen_dir),
        log_file=str(log_file.resolve()),
    )


def _training_reports(record: StoredRun, settings: PipelineSettings) -> dict[str, TrainingReport]:
    nodes = {name: trainer_id(name) for name in settings.candidates}
    if has_ensemble(settings):
        nodes[ENSEMBLE] = node_names.ENSEMBLE
    return {
        name: TrainingReport.read(record.output(node, "model_run").path / TRAINING_REPORT_FILE)
        for name, node in nodes.items()
    }


def _tensorboard_dir(chosen_dir: Path) -> str | None:
    folder = chosen_dir / TENSORBOARD_DIR
    return str(folder) if folder.is_dir() else None  # an ensemble has no curves


def _trials(record: StoredRun, settings: PipelineSettings, candidate: str) -> tuple[Trial, ...]:
    if candidate not in settings.candidates or not settings.candidates[candidate].tune:
        return ()
    folder = record.output(tuner_id(candidate), TUNER_RESULTS).path
    return tuple(
        Trial(score=trial.score, hyperparameters=trial.hyperparameters)
        for trial in read_trials(folder)
    )


def _data_counts(card: DatasetCard) -> DataCounts:
    return DataCounts(
        source=card.source,
        images=card.num_images,
        patients=card.num_patients,
        rejected=len(card.rejected),
        # Both kinds of counts name their fields alike; the card's have one more.
        splits={name: SplitCounts.model_validate(counts) for name, counts in card.splits.items()},
    )


def _shortcuts(record: StoredRun) -> tuple[Shortcut, ...]:
    report = ShortcutReport.read(record.output(node_names.DATA_AUDIT, "report").path)
    return tuple(Shortcut.model_validate(shortcut) for shortcut in report.shortcuts)


def _split_differences(record: StoredRun) -> tuple[SplitDifference, ...]:
    report = SplitDifferences.read(record.output(node_names.DATA_AUDIT, "report").path)
    return tuple(SplitDifference.model_validate(each) for each in report.differences)


def _candidate(
    report: TrainingReport, comparison: Comparison, trials: tuple[Trial, ...]
) -> Candidate:
    return Candidate(
        name=report.name,
        architecture=report.architecture,
        parameters=report.num_parameters,
        trainable_parameters=report.num_trainable,
        members=report.members,
        hyperparameters=dict(report.hyperparameters),
        trials=trials,
        epochs_run=report.num_epochs,
        training_s=report.training_s,
        validation_metrics=Metrics.model_validate(report.validation[OVERALL]),
        reaches_target=comparison.reaches_target,
        # Where nothing was stressed, the comparison repeats the plain figures.
        stressed_recall=comparison.stressed_recall if report.stressed else None,
        stressed_specificity=comparison.stressed_specificity if report.stressed else None,
        stressed_auc=comparison.stressed_auc if report.stressed else None,
        worst_stress=comparison.worst_stress,
        worst_stressed_auc=comparison.worst_stressed_auc if report.stressed else None,
        stressed_metrics={
            stress: Metrics.model_validate(metrics) for stress, metrics in report.stressed.items()
        },
        pseudo_sites=tuple(PseudoSite.model_validate(site) for site in report.pseudo_sites),
        calibration_error_before=report.calibration_error_before,
        calibration_error_after=report.calibration_error_after,
    )


def _decisions(report: TrainingReport, gate: GateReport) -> Decisions:
    referral = report.referral
    return Decisions(
        low=referral.band.low,
        high=referral.band.high,
        **referral.settings.model_dump(),
        validation=Coverage.model_validate(coverage_on_validation(referral)),
        test=None if gate.coverage is None else Coverage.model_validate(gate.coverage),
    )


def _external(record: StoredRun, settings: PipelineSettings) -> dict[str, ExternalSet]:
    if not settings.external:
        return {}
    folder = record.output(node_names.EXTERNAL_EVALUATION, EXTERNAL_OUTPUT).path
    return {name: _external_set(each) for name, each in ExternalReport.read(folder).sets.items()}


def _external_set(measured: MeasuredSet) -> ExternalSet:
    return ExternalSet.model_validate(
        measured.model_dump(
            include={
                "source", "synthetic", "rejected", "warnings", "threshold", "calibration_error",
                "scores",
            }
        )
        | {
            "patients": measured.num_patients,
            "images_without_patient": measured.num_images_without_patient,
            "seen_in_training": measured.num_seen,
            # Objects, not their fields: they have more than a summary takes.
            "metrics": measured.metrics,
            "brier": measured.metrics.brier,
            "referral": measured.referral,
        }
    )  # fmt: skip


def _servability(record: StoredRun, settings: PipelineSettings) -> Servability:
    report = ServabilityReport.read(record.output(node_names.SERVABILITY_CHECK, BLESSING).path)
    is_asked = settings.serving.infra_validation != "none"
    return Servability(
        **report.model_dump(include=set(Servability.model_fields)),
        tf_serving_blessed=(
            record.output(node_names.INFRA_VALIDATOR, BLESSING).properties[BLESSED_PROPERTY] == 1
            if is_asked
            else None
        ),
    )


def _pushed_model(record: StoredRun) -> PushedModel | None:
    properties = record.output(node_names.PUSHER, "pushed_model").properties
    if properties[PUSHED_PROPERTY] != 1:
        return None
    return PushedModel(
        path=str(properties[DESTINATION_PROPERTY]), version=int(properties[VERSION_PROPERTY])
    )
