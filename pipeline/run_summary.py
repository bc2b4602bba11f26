"""Put a run's summary together from what its nodes wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2

from components.external_evaluation import EVALUATION as EXTERNAL_OUTPUT
from components.report import TUNER_RESULTS
from components.servability_check import BLESSED_PROPERTY, BLESSING
from contract import nodes as node_names
from contract.nodes import trainer_id, tuner_id
from contract.settings import PipelineSettings
from evaluation.coverage import coverage_on_validation
from evaluation.external import ExternalReport, ExternalSet
from evaluation.gate import REPORT_FILE as GATE_REPORT_FILE
from evaluation.gate import GateReport
from evaluation.selection import SELECTION_FILE, Comparison, Selection
from evaluation.shortcut_separation import ShortcutReport
from evaluation.slice_metrics import OVERALL
from evaluation.split_differences import SplitDifferences
from evaluation.tfma_results import read_evaluation
from evaluation.training_report import REPORT_FILE as TRAINING_REPORT_FILE
from evaluation.training_report import TENSORBOARD_DIR, TrainingReport
from ingestion.dataset_card import DatasetCard
from models.ensemble import ENSEMBLE
from pipeline.pipeline import has_ensemble
from pipeline.summary import (
    Candidate,
    DataCounts,
    Decisions,
    OperatingPoint,
    RunMetrics,
    SplitMetrics,
    Study,
    Summary,
    Trial,
    notice_for,
    now_utc,
    read_versions,
)
from report.candidates.trials import read_trials
from report.stored_run import StoredRun, read_stored_run
from serving.push_record import PushedModel
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
    push = record.output(node_names.PUSHER, "pushed_model").properties
    pushed_model = PushedModel.from_push(push)
    gate = GateReport.model_validate_json(
        (record.output(node_names.GATE, "blessing").path / GATE_REPORT_FILE).read_text()
    )
    evaluation = read_evaluation(str(record.output(node_names.EVALUATOR, "evaluation").path))
    audit_dir = record.output(node_names.DATA_AUDIT, "report").path
    return Summary(
        verdict="refused" if pushed_model is None else "blessed",
        gate=gate,
        servability=ServabilityReport.read(
            record.output(node_names.SERVABILITY_CHECK, BLESSING).path
        ),
        tf_serving_blessed=_tf_serving_blessed(record, settings),
        pushed_model=pushed_model,
        run_id=record.name,
        ended=now_utc(),
        versions=read_versions(),
        synthetic=card.synthetic,
        notice=notice_for(card.synthetic),
        data=_data_counts(card),
        shortcuts=ShortcutReport.read(audit_dir).shortcuts,
        split_differences=SplitDifferences.read(audit_dir).differences,
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
        external=_external(record, settings),
        study=study,
        report=None if report_page is None else str(report_page),
        timings_s=dict(timings_s),
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
        splits=card.splits,
    )


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
        validation_metrics=report.validation[OVERALL],
        reaches_target=comparison.reaches_target,
        # Where nothing was stressed, the comparison repeats the plain figures.
        stressed_recall=comparison.stressed_recall if report.stressed else None,
        stressed_specificity=comparison.stressed_specificity if report.stressed else None,
        stressed_auc=comparison.stressed_auc if report.stressed else None,
        worst_stress=comparison.worst_stress,
        worst_stressed_auc=comparison.worst_stressed_auc if report.stressed else None,
        stressed_metrics=report.stressed,
        pseudo_sites=report.pseudo_sites,
        calibration_error_before=report.calibration_error_before,
        calibration_error_after=report.calibration_error_after,
    )


def _decisions(report: TrainingReport, gate: GateReport) -> Decisions:
    referral = report.referral
    return Decisions(
        low=referral.band.low,
        high=referral.band.high,
        **referral.settings.model_dump(),
        validation=coverage_on_validation(referral),
        test=gate.coverage,
    )


def _external(record: StoredRun, settings: PipelineSettings) -> dict[str, ExternalSet]:
    if not settings.external:
        return {}
    folder = record.output(node_names.EXTERNAL_EVALUATION, EXTERNAL_OUTPUT).path
    return ExternalReport.read(folder).sets


def _tf_serving_blessed(record: StoredRun, settings: PipelineSettings) -> bool | None:
    if settings.serving.infra_validation == "none":
        return None
    blessing = record.output(node_names.INFRA_VALIDATOR, BLESSING)
    return blessing.properties[BLESSED_PROPERTY] == 1
