"""The names of the DAG's nodes, as TFX, Kubeflow, the metadata store and people know them."""

from __future__ import annotations

# Data
EXAMPLE_GEN = "ImportExampleGen"
SCHEMA_GEN = "ImportSchemaGen"
STATISTICS_GEN = "StatisticsGen"
EXAMPLE_VALIDATOR = "ExampleValidator"
DATA_AUDIT = "DataAudit"
TRANSFORM = "Transform"
# Candidates
TUNER = "Tuner"  # the first word of each candidate's
TRAINER = "Trainer"
ENSEMBLE = "Ensemble"
SELECTOR = "Selector"
# Judgement
BASELINE = "Baseline"
EVALUATOR = "Evaluator"
EXTERNAL_EVALUATION = "ExternalEvaluation"
GATE = "ModelGate"
# Release
SERVABILITY_CHECK = "ServabilityCheck"
INFRA_VALIDATOR = "InfraValidator"
REPORT = "Report"
STUDY_TABLE = "StudyTable"
PUSHER = "Pusher"
# On Kubeflow alone
VERDICT = "Verdict"  # fails where the model was refused, so that the run's state shows it
RUN_SUMMARY = "RunSummary"  # the last task, however the others ended


def tuner_id(candidate: str) -> str:
    """Return the id of a candidate's Tuner; Kubeflow's task names have no underscores."""
    return f"{TUNER}-{_task_name(candidate)}"


def trainer_id(candidate: str) -> str:
    """Return the id of a candidate's Trainer."""
    return f"{TRAINER}-{_task_name(candidate)}"


def _task_name(candidate: str) -> str:
    return candidate.replace("_", "-")
