"""What a run leaves for programs: `summary.json`, the same on one machine and on a cluster.

`docs/summary.md` describes it for readers. A field that is renamed, removed or means something else
raises `SCHEMA_VERSION`; an added one does not. Undefined figures are null, never NaN.
"""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import (
    Field,
    JsonValue,
    NonNegativeFloat,
    NonNegativeInt,
    ValidationError,
    field_validator,
    model_validator,
)

from contract import __version__
from contract.errors import InputError
from contract.installed import version_of
from contract.record import Proportion
from evaluation.coverage import Coverage
from evaluation.external import ExternalSet
from evaluation.shortcut_separation import Shortcut
from evaluation.site_holdout import PseudoSite
from evaluation.slice_metrics import OVERALL, Record, SliceMetrics
from evaluation.split_differences import SplitDifference
from ingestion.dataset_card import SplitCounts
from pipeline.verdict import Verdict
from report.study.table import PublishedFigures

FILE_NAME = "summary.json"
SCHEMA_VERSION: Literal[2] = 2
TOTAL = "total"  # key of `timings_s`

SYNTHETIC_NOTICE = (
    "The images were drawn by a program. The results show that the software works; "
    "clinically they mean nothing."
)
DECISION_SUPPORT_NOTICE = (
    "For decision support only: the model has no regulatory clearance, and its figures hold "
    "for images like those of its test split. A person makes the diagnosis."
)


class DataCounts(Record):
    """What the run was made from."""

    source: str
    images: NonNegativeInt
    patients: NonNegativeInt
    rejected: NonNegativeInt
    splits: dict[str, SplitCounts]


class SplitMetrics(Record):
    """The figures of one split: of all of it, and by slice name, e.g. `subtype=viral`."""

    overall: SliceMetrics
    slices: dict[str, SliceMetrics]

    @classmethod
    def from_slices(cls, slices: Mapping[str, SliceMetrics]) -> Self:
        """Sort figures by slice name that hold `overall` among the others.

        Raises:
            ValueError: There is no slice `overall`.
        """
        metrics = dict(sorted(slices.items()))
        if OVERALL not in metrics:
            raise ValueError(f"expected a slice {OVERALL!r}, got {sorted(metrics)}")
        overall = metrics.pop(OVERALL)
        return cls(overall=overall, slices=metrics)


class RunMetrics(Record):
    """The selected model's figures on the splits that it was not fitted to."""

    validation: SplitMetrics
    test: SplitMetrics


class Trial(Record):
    """One set of hyperparameters that a search tried."""

    score: float | None
    hyperparameters: dict[str, float | int | str | bool]


class Candidate(Record):
    """A model that competed."""

    name: str
    architecture: str
    parameters: NonNegativeInt
    trainable_parameters: NonNegativeInt
    members: tuple[str, ...] = ()
    hyperparameters: dict[str, float | int | str | bool]
    trials: tuple[Trial, ...] = ()
    epochs_run: NonNegativeInt
    training_s: NonNegativeFloat
    validation_metrics: SliceMetrics
    reaches_target: bool
    stressed_recall: Proportion | None = None
    stressed_specificity: Proportion | None = None
    stressed_auc: Proportion | None = None
    worst_stress: str = ""
    worst_stressed_auc: Proportion | None = None
    stressed_metrics: dict[str, SliceMetrics] = Field(default_factory=dict)
    pseudo_sites: tuple[PseudoSite, ...] = ()
    calibration_error_before: Proportion
    calibration_error_after: Proportion


class OperatingPoint(Record):
    """The decision threshold that the model ships."""

    threshold: Proportion
    target_sensitivity: Proportion
    chosen_on: Literal["validation"]


class Decisions(Record):
    """What the selected model decides by itself, and what it refers to a radiologist."""

    low: Proportion
    high: NonNegativeFloat
    max_missed_fraction: Proportion
    max_false_alarm_fraction: Proportion
    max_unfamiliar_fraction: Proportion
    validation: Coverage
    test: Coverage | None


class StudyRow(Record):
    """One candidate on the test split, as the study judged: uncalibrated, threshold 0.5."""

    name: str
    metrics: SliceMetrics
    published: PublishedFigures | None
    note: str = ""


class Study(Record):
    """All candidates beside the figures of an older study."""

    page: str
    comparable: bool
    comparability: str
    rows: tuple[StudyRow, ...]


class Versions(Record):
    """Versions of what made the model."""

    project: str
    tfx: str
    tensorflow: str
    keras: str


class Summary(Verdict):
    """A whole run.

    A run that broke, and one on a cluster, have no more than the verdict and what goes with it: on
    a cluster the last task can read neither the artifacts nor the metadata store. What is missing
    there is null, or empty.
    """

    schema_version: Literal[2] = SCHEMA_VERSION
    run_id: str
    ended: str
    notice: str = DECISION_SUPPORT_NOTICE
    versions: Versions
    synthetic: bool | None = None
    data: DataCounts | None = None
    shortcuts: tuple[Shortcut, ...] = ()
    split_differences: tuple[SplitDifference, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    selected: str | None = None
    selection_reason: str = ""
    operating_point: OperatingPoint | None = None
    decisions: Decisions | None = None
    metrics: RunMetrics | None = None
    external: dict[str, ExternalSet] = Field(default_factory=dict)
    study: Study | None = None
    report: str | None = None  # its page
    timings_s: dict[str, NonNegativeFloat] = Field(default_factory=dict)
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    num_gpus: NonNegativeInt | None = None
    tensorboard_dir: str | None = None
    log_file: str | None = None

    @field_validator("timings_s")
    @classmethod
    def _has_total(cls, timings_s: dict[str, float]) -> dict[str, float]:
        if timings_s and TOTAL not in timings_s:
            raise ValueError(f"expected the key {TOTAL!r}, got {sorted(timings_s)}")
        return timings_s

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        names = [candidate.name for candidate in self.candidates]
        if names and self.selected not in names:
            raise ValueError(f"expected selected to be one of {names}, got {self.selected!r}")
        # A run that broke may have pushed its model before.
        pushed = {"blessed": True, "refused": False}.get(self.verdict)
        if pushed is not None and pushed != (self.pushed_model is not None):
            raise ValueError(
                "expected a pushed model where the verdict is blessed, and none where it is "
                f"refused, got {self.verdict} and {self.pushed_model}"
            )
        return self


def notice_for(synthetic: bool) -> str:
    """Return the sentence that goes with results of drawn or of real images."""
    return SYNTHETIC_NOTICE if synthetic else DECISION_SUPPORT_NOTICE


def read_versions() -> Versions:
    """Return the versions of the project and of its libraries that are installed here."""
    return Versions(
        project=__version__,
        tfx=version_of("tfx"),
        tensorflow=version_of("tensorflow"),
        keras=version_of("keras"),
    )


def now_utc() -> str:
    """Return the time as ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def to_json(summary: Summary) -> str:
    """Return a summary as the text of its file.

    Raises:
        ValueError: A setting is NaN or infinite, which JSON has no word for.
    """
    text = json.dumps(summary.model_dump(), indent=2, allow_nan=False, ensure_ascii=False)
    return f"{text}\n"


def write_summary(summary: Summary, path: Path) -> None:
    """Write a summary as JSON; a reader sees the old file or the whole new one.

    Args:
        summary: What to write.
        path: The file; its folder exists.

    Raises:
        ValueError: A setting is NaN or infinite, which JSON has no word for.
        OSError: The file cannot be written.
    """
    text = to_json(summary)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_summary(path: Path) -> Summary:
    """Read a summary that `write_summary` wrote.

    Raises:
        InputError: The file cannot be read, or does not follow this schema version.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or error
        raise InputError(
            f"{path}: expected a run's summary, got {problem}. "
            "How to fix: give the output folder of a run that has ended."
        ) from error
    return parse_summary(text, str(path))


def parse_summary(text: str, place: str) -> Summary:
    """Parse the text of a summary.

    Args:
        text: As `to_json` returns it.
        place: Where it comes from, for messages.

    Raises:
        InputError: It is not a summary, or of another schema version.
    """
    try:
        fields = json.loads(text)
        version = fields.get("schema_version") if isinstance(fields, dict) else None
        if version == 1:
            raise InputError(
                f"{place}: expected a summary of schema version {SCHEMA_VERSION}, got version 1 of "
                "an earlier release, which lacks the counts behind the figures. How to fix: repeat "
                "that run's command with the same output folder; it writes the summary anew. "
                "docs/summary.md lists what changed."
            )
        if version is not None and version != SCHEMA_VERSION:
            raise _not_a_summary(place, f"schema version {version!r}")
        return Summary.model_validate_json(text)
    except json.JSONDecodeError as error:
        problem = f"no JSON: {error}"
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        problem = f"a problem in {field}: {first['msg']}"
    raise _not_a_summary(place, problem)


def _not_a_summary(place: str, problem: str) -> InputError:
    return InputError(
        f"{place}: expected a summary of schema version {SCHEMA_VERSION}, got {problem}. "
        "How to fix: run the pipeline again with this version."
    )
