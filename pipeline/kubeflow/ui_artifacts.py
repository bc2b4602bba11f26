"""What KFP's pages show of a task: figures, a confusion matrix, a page.

These are outputs of KFP's own types. TFX does not know them: compiling adds them to the tasks, and
the entrypoint fills them in when TFX's executor has done its work.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from contract import features
from contract import nodes as node_names
from evaluation.gate import REPORT_FILE as GATE_REPORT_FILE
from evaluation.gate import GateReport
from evaluation.slice_metrics import OVERALL, SliceMetrics
from evaluation.tfma_results import read_evaluation
from pipeline.summary import notice_for
from report.page.estimate_cells import estimate_cell
from report.page.page import render_page
from report.page.parts import Section, Table
from report.verdict import gate_section
from serving.servability.report import ServabilityReport

METRICS, CONFUSION_MATRIX = "metrics", "confusion_matrix"
VERDICT_PAGE, PAGE = "verdict", "page"
GATE, SERVABILITY = node_names.GATE, node_names.SERVABILITY_CHECK
# Nodes whose one output holds a page, as `index.html`.
STUDY_TABLE, REPORT = node_names.STUDY_TABLE, node_names.REPORT
_PAGE_OUTPUTS = {STUDY_TABLE: "study", REPORT: "report"}
_PAGE_FILE = "index.html"
# Types by output name, by node id.
UI_OUTPUTS: Mapping[str, Mapping[str, str]] = {
    GATE: {
        METRICS: "system.Metrics",
        CONFUSION_MATRIX: "system.ClassificationMetrics",
        VERDICT_PAGE: "system.HTML",
    },
    SERVABILITY: {METRICS: "system.Metrics"},
    STUDY_TABLE: {PAGE: "system.HTML"},
    REPORT: {PAGE: "system.HTML"},
}
_SERVING_FIGURES = (
    "largest_difference",
    "largest_difference_from_training",
    "load_s",
    "first_answer_s",
    "later_answer_s",
)
_TITLES = {
    "recall": "Sensitivity (recall)",
    "specificity": "Specificity",
    "precision": "Precision",
    "accuracy": "Accuracy",
    "auc": "AUC",
}
_FIGURES = tuple(_TITLES)

Folders = Mapping[str, Path]  # of artifacts, by the name of the input or output
Metadata = dict[str, Any]


def fill_ui_outputs(
    node_id: str, inputs: Folders, outputs: Folders, files: Mapping[str, Path]
) -> dict[str, Metadata]:
    """Write a node's outputs for KFP's pages.

    Args:
        node_id: Of the task.
        inputs: Its inputs' folders.
        outputs: Its own outputs' folders, filled.
        files: Where each output of `UI_OUTPUTS` goes, by name: pages are single files.

    Returns:
        The metadata of each; KFP shows figures from there.
    """
    if not files:
        return {}
    return _FILLERS[node_id](inputs, outputs, files)


def _fill_gate(inputs: Folders, outputs: Folders, files: Mapping[str, Path]) -> dict[str, Metadata]:
    report = GateReport.model_validate_json(
        (outputs["blessing"] / GATE_REPORT_FILE).read_text(encoding="utf-8")
    )
    overall = read_evaluation(str(inputs["evaluation"])).candidate[OVERALL]
    _write(files[VERDICT_PAGE], _render_verdict(report, overall))
    figures = {
        METRICS: {"blessed": int(report.blessed), **_figures(overall)},
        CONFUSION_MATRIX: {"confusionMatrix": _confusion_matrix(overall)},
    }
    for name, metadata in figures.items():
        # KFP shows the metadata; the launcher misses the file of an artifact that has none.
        _write(files[name], json.dumps(metadata, indent=2))
    return {**figures, VERDICT_PAGE: {}}


def _copy_page(
    output: str, inputs: Folders, outputs: Folders, files: Mapping[str, Path]
) -> dict[str, Metadata]:
    del inputs
    files[PAGE].parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(outputs[output] / _PAGE_FILE, files[PAGE])
    return {PAGE: {}}


def _fill_servability(
    inputs: Folders, outputs: Folders, files: Mapping[str, Path]
) -> dict[str, Metadata]:
    del inputs
    report = ServabilityReport.read(outputs["blessing"])
    values = {name: getattr(report, name) for name in _SERVING_FIGURES}
    figures = {"blessed": int(report.blessed)} | {
        name: value for name, value in values.items() if value is not None
    }
    _write(files[METRICS], json.dumps(figures, indent=2))
    return {METRICS: figures}


_FILLERS: Mapping[str, Callable[[Folders, Folders, Mapping[str, Path]], dict[str, Metadata]]] = {
    GATE: _fill_gate,
    SERVABILITY: _fill_servability,
    **{node: partial(_copy_page, output) for node, output in _PAGE_OUTPUTS.items()},
}


def _figures(overall: SliceMetrics) -> Metadata:
    values = {name: getattr(overall, name).value for name in _FIGURES}
    return {name: value for name, value in values.items() if value is not None}


def _confusion_matrix(overall: SliceMetrics) -> Metadata:
    """Return KFP's form: rows are the true classes, columns the decisions."""
    return {
        "annotationSpecs": [{"displayName": label} for label in features.LABELS],
        "rows": [{"row": [overall.tn, overall.fp]}, {"row": [overall.fn, overall.tp]}],
    }


def _render_verdict(report: GateReport, overall: SliceMetrics) -> str:
    word = "blessed" if report.blessed else "refused"
    figures = Table(
        "On the test split, at the operating point that the model ships",
        ("Figure", "Value"),
        tuple((_TITLES[name], estimate_cell(getattr(overall, name))) for name in _FIGURES),
    )
    matrix = Table(
        "Confusion matrix of the test split",
        ("Truth", *(f"Called {label}" for label in features.LABELS)),
        (
            (features.NORMAL, f"{overall.tn:,}", f"{overall.fp:,}"),
            (features.PNEUMONIA, f"{overall.fn:,}", f"{overall.tp:,}"),
        ),
    )
    return render_page(
        f"The gate {word} the model",
        f"Test split: {overall.n:,} images, {overall.positives:,} with pneumonia. "
        f"{notice_for(report.synthetic)}",
        [gate_section(report), Section("figures", "Figures", (figures, matrix))],
        synthetic=report.synthetic,
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
