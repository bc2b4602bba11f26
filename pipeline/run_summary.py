"""Put a run's summary together from what its nodes wrote."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2

from components.evaluation_metrics import read_evaluation
from components.gate import REPORT_FILE as GATE_REPORT_FILE
from components.gate_checks import GateReport
from components.ingestion.dataset_card import DatasetCard
from components.pusher import DESTINATION_PROPERTY, PUSHED_PROPERTY, VERSION_PROPERTY
from components.shortcuts.separation import ShortcutReport
from models.training_report import REPORT_FILE as TRAINING_REPORT_FILE
from models.training_report import TENSORBOARD_DIR, TrainingReport
from pipeline import __version__
from pipeline.config import PipelineSettings
from pipeline.pipeline import trainer_id
from pipeline.run_record import RunRecord, read_latest_run
from pipeline.summary_schema import (
    OVERALL,
    Candidate,
    DataCounts,
    Gate,
    Metrics,
    OperatingPoint,
    PushedModel,
    RunMetrics,
    Shortcut,
    SplitCounts,
    SplitMetrics,
    Summary,
    Versions,
    notice_for,
)


def summarise_run(
    settings: PipelineSettings,
    card: DatasetCard,
    connection: metadata_store_pb2.ConnectionConfig,
    timings_s: Mapping[str, float],
    log_file: Path,
) -> Summary:
    """Summarise the newest run in the metadata store.

    Args:
        settings: Of that run.
        card: Of the data that it read.
        connection: The metadata store.
        timings_s: Seconds by node and step, and `total`.
        log_file: Where the libraries logged.

    Raises:
        KeyError: When a node has not left what it should have.
    """
    record = read_latest_run(connection, settings.name)
    reports = {name: _training_report(record, name) for name in settings.candidates}
    (selected,) = reports  # PipelineSettings allows exactly one candidate
    report = reports[selected]
    gate = GateReport.model_validate_json(
        (record.output("ModelGate", "blessing").path / GATE_REPORT_FILE).read_text()
    )
    evaluation = read_evaluation(str(record.output("Evaluator", "evaluation").path))
    return Summary(
        synthetic=card.synthetic,
        notice=notice_for(card.synthetic),
        data=_data_counts(card),
        shortcuts=_shortcuts(record),
        candidates=tuple(_candidate(entry) for entry in reports.values()),
        selected=selected,
        operating_point=OperatingPoint(
            threshold=report.threshold,
            target_sensitivity=report.target_sensitivity,
            chosen_on="validation",
        ),
        metrics=RunMetrics(
            validation=SplitMetrics.from_slices(report.validation),
            test=SplitMetrics.from_slices(evaluation.candidate),
        ),
        gate=Gate.model_validate(gate),
        pushed_model=_pushed_model(record),
        timings_s=dict(timings_s),
        versions=Versions(
            project=__version__,
            tfx=metadata.version("tfx"),
            tensorflow=metadata.version("tensorflow"),
            keras=metadata.version("keras"),
        ),
        settings=settings.model_dump(mode="json"),
        num_gpus=report.num_gpus,
        tensorboard_dir=str(
            record.output(trainer_id(selected), "model_run").path / TENSORBOARD_DIR
        ),
        log_file=str(log_file.resolve()),
    )


def _training_report(record: RunRecord, candidate: str) -> TrainingReport:
    folder = record.output(trainer_id(candidate), "model_run").path
    return TrainingReport.read(folder / TRAINING_REPORT_FILE)


def _data_counts(card: DatasetCard) -> DataCounts:
    return DataCounts(
        source=card.source,
        images=card.num_images,
        patients=card.num_patients,
        rejected=len(card.rejected),
        # Both kinds of counts name their fields alike; the card's have one more.
        splits={name: SplitCounts.model_validate(counts) for name, counts in card.splits.items()},
    )


def _shortcuts(record: RunRecord) -> tuple[Shortcut, ...]:
    report = ShortcutReport.read(record.output("DataAudit", "report").path)
    return tuple(Shortcut.model_validate(shortcut) for shortcut in report.shortcuts)


def _candidate(report: TrainingReport) -> Candidate:
    return Candidate(
        name=report.name,
        architecture=report.architecture,
        parameters=report.num_parameters,
        hyperparameters=dict(report.hyperparameters),
        epochs_run=report.num_epochs,
        validation_metrics=Metrics.model_validate(report.validation[OVERALL]),
    )


def _pushed_model(record: RunRecord) -> PushedModel | None:
    properties = record.output("Pusher", "pushed_model").properties
    if properties[PUSHED_PROPERTY] != 1:
        return None
    return PushedModel(
        path=str(properties[DESTINATION_PROPERTY]), version=int(properties[VERSION_PROPERTY])
    )
