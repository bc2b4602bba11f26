"""What the report is made from: the artifacts of the run's other nodes, read when asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from tfx.utils import path_utils

from contract import features
from contract.settings import ReportRun
from evaluation.external import ExternalReport, ExternalSet
from evaluation.gate import REPORT_FILE as GATE_FILE
from evaluation.gate import Evaluation, GateReport
from evaluation.selection import SELECTION_FILE, Selection
from evaluation.tfma_results import read_evaluation
from evaluation.training_report import REPORT_FILE, TrainingReport
from ingestion.dataset_card import JSON_NAME, DatasetCard
from report.served_predictions import Predictions, predict_records


@dataclasses.dataclass(frozen=True)
class Sources:
    """Folders of the artifacts, and what they hold.

    Attributes:
        run: Settings of the report and of the run.
        examples: Raw examples (Examples): `Split-train` and so on, gzipped TFRecords.
        schema: Schema, which holds `schema.pbtxt`.
        statistics: TFDV's statistics (ExampleStatistics), `Split-<split>/FeatureStats.pb`.
        anomalies: ExampleValidator's findings, `Split-<split>/SchemaDiff.pb`.
        data_audit: DataAudit's report, with the shortcuts.
        transform_graph: Transform's graph.
        models: Each candidate's Model artifact, by name.
        model_runs: Each candidate's ModelRun artifact: report, network, logs.
        model: The selected Model artifact.
        model_run: Its ModelRun, with the selection.
        baseline: The saved model of the last blessed version; None where there is none.
        baseline_version: Its number; None where there is none.
        evaluation: The Evaluator's ModelEvaluation.
        blessing: The gate's ModelBlessing, which holds its report.
        records_dir: Where ingestion wrote the records and their card.
        metadata_file: The run's metadata store on this machine; None on a cluster.
        tuner_results: The Tuner's trials of each candidate that was tuned, by name.
        external_evaluation: What was measured on external sets; None where there are none.
    """

    run: ReportRun
    examples: Path
    schema: Path
    statistics: Path
    anomalies: Path
    data_audit: Path
    transform_graph: Path
    models: Mapping[str, Path]
    model_runs: Mapping[str, Path]
    model: Path
    model_run: Path
    baseline: Path | None
    baseline_version: int | None
    evaluation: Path
    blessing: Path
    records_dir: Path
    metadata_file: Path | None
    tuner_results: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    external_evaluation: Path | None = None

    @cached_property
    def training_reports(self) -> dict[str, TrainingReport]:
        """Every candidate's report, by name."""
        return {
            name: TrainingReport.read(folder / REPORT_FILE)
            for name, folder in self.model_runs.items()
        }

    @cached_property
    def selection(self) -> Selection:
        """The Selector's comparison, the best candidate first."""
        text = (self.model_run / SELECTION_FILE).read_text(encoding="utf-8")
        return Selection.model_validate_json(text)

    @cached_property
    def gate(self) -> GateReport:
        """The verdict and its checks."""
        text = (self.blessing / GATE_FILE).read_text(encoding="utf-8")
        return GateReport.model_validate_json(text)

    @cached_property
    def tfma(self) -> Evaluation:
        """TFMA's figures by slice, of the model and of the baseline."""
        return read_evaluation(str(self.evaluation))

    @cached_property
    def external(self) -> dict[str, ExternalSet]:
        """The model on sets from outside the training data, by name; often none."""
        if self.external_evaluation is None:
            return {}
        return ExternalReport.read(self.external_evaluation).sets

    @cached_property
    def card(self) -> DatasetCard | None:
        """The dataset card; None where the records came without one."""
        path = self.records_dir / JSON_NAME
        if not path.is_file():
            return None
        return DatasetCard.model_validate_json(path.read_text(encoding="utf-8"))

    @cached_property
    def predictions(self) -> Predictions:
        """What the selected model's export says of the test split."""
        return predict_records(
            self.exported_model, self.records(features.TEST), "Judging the test split"
        )

    @cached_property
    def baseline_predictions(self) -> Predictions | None:
        """What the last blessed model says of the same images; None where there is none."""
        if self.baseline is None:
            return None
        return predict_records(
            self.baseline, self.records(features.TEST), "Judging it with the last blessed model"
        )

    @property
    def exported_model(self) -> Path:
        """The selected model's export, with `saved_model.pb`."""
        return Path(path_utils.serving_model_dir(str(self.model)))

    def records(self, split: str) -> Path:
        """Return the folder of a split's raw records."""
        return self.examples / f"Split-{split}"
