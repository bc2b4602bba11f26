"""The tables of the closing report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich import box
from rich.table import Table
from rich.text import Text

from contract import features
from evaluation.external import ExternalSet
from evaluation.gate import Check
from evaluation.shortcut_separation import Shortcut
from evaluation.slice_metrics import Estimate, SliceMetrics
from pipeline.summary import Candidate, DataCounts, SplitMetrics, StudyRow

WIDE_COLUMNS = 104  # from this width on, figures and their intervals share a line
_NONE = "-"
# Fields of our figures and of the published ones, by what the table calls them.
_STUDY_FIGURES = {"accuracy": "accuracy", "pneumonia": "recall", "normal": "specificity"}
_DIRECTIONS = {"higher_in_pneumonia": "higher", "lower_in_pneumonia": "lower", "none": _NONE}
_VERDICTS = {
    "passed": Text("passed", "green"),
    "failed": Text("FAILED", "bold red"),
    "too_small": Text("too small", "yellow"),
}


def data_table(data: DataCounts) -> Table:
    """Return images and patients per split, class and subtype."""
    # "normal" is a class and a subtype, and the same images.
    subtypes = [name for name in features.SUBTYPES if name not in features.LABELS]
    table = _table("split", "images", "patients", *features.LABELS, *subtypes)
    for name, split in data.splits.items():
        counts = [split.images, split.patients]
        counts += [split.by_label.get(label, 0) for label in features.LABELS]
        counts += [split.by_subtype.get(subtype, 0) for subtype in subtypes]
        table.add_row(name, *(f"{count:,}" for count in counts))
    return table


def shortcuts_table(shortcuts: Iterable[Shortcut]) -> Table:
    """Return one line per shortcut: how well it alone separates the classes, and which way."""
    table = _table("shortcut", "AUC [95% interval]", "in pneumonia")
    table.columns[2].justify = "left"
    for shortcut in shortcuts:
        area = Estimate(value=shortcut.auc, low=shortcut.low, high=shortcut.high)
        table.add_row(
            shortcut.name.replace("_", " "),
            format_estimate(area),
            _DIRECTIONS[shortcut.direction],
        )
    return table


def candidates_table(candidates: Iterable[Candidate], selected: str) -> Table:
    """Return the candidates with what they reached on validation; a star marks the selected."""
    columns = ("parameters", "epochs", "recall", "specificity", "AUC", "stressed\nAUC")
    table = _table("candidate", *columns)
    _fold(table)
    for candidate in candidates:
        table.add_row(
            candidate.name + (" *" if candidate.name == selected else ""),
            f"{candidate.parameters:,}",
            str(candidate.epochs_run),
            *_figures(candidate.validation_metrics),
            format_figure(candidate.stressed_auc),
        )
    return table


def stresses_table(candidate: Candidate) -> Table:
    """Return what a candidate reaches on validation under each stress."""
    table = _table("stress", "recall", "specificity", "AUC")
    for stress, metrics in candidate.stressed_metrics.items():
        table.add_row(stress.replace("_", " "), *_figures(metrics))
    return table


def trials_table(candidate: Candidate) -> Table:
    """Return one line per trial of a candidate's search: its score and what was tried."""
    names = list(
        dict.fromkeys(name for trial in candidate.trials for name in trial.hyperparameters)
    )
    table = _table("score", *(name.replace("_", "\n") for name in names))
    _fold(table)
    for trial in candidate.trials:
        values = (trial.hyperparameters.get(name) for name in names)
        table.add_row(format_figure(trial.score), *(format_value(value) for value in values))
    return table


def checks_table(checks: Iterable[Check]) -> Table:
    """Return one line per check: the verdict, the figure and its bound."""
    table = _table("verdict", "check", "slice", "value", "bound", "n")
    for column, justify in ((1, "left"), (2, "left"), (4, "left")):
        table.columns[column].justify = justify  # type: ignore[assignment]
    for check in checks:
        table.add_row(
            _VERDICTS[check.verdict],
            check.name.replace("_", " "),
            _short(check.slice),
            format_figure(check.value),
            _bound(check),
            f"{check.n:,}",
        )
    return table


def study_table(rows: Iterable[StudyRow]) -> Table:
    """Return three lines per candidate: ours, what was published, and the difference."""
    table = _table("row", "figure", "ours", "[95% interval]", "study", "diff.")
    table.columns[0].no_wrap, table.columns[0].overflow = False, "fold"  # users choose names
    table.columns[1].justify = table.columns[3].justify = "left"
    for row in rows:
        table.add_section()
        title = row.name + (" (*)" if row.note else "")
        for name, figure in _STUDY_FIGURES.items():
            ours: Estimate = getattr(row.metrics, figure)
            published: float | None = getattr(row.published, figure, None)
            value, _, interval = format_estimate(ours).plain.partition(" ")
            difference = _NONE
            if ours.value is not None and published is not None:
                difference = f"{ours.value - published:+.3f}"
            table.add_row(
                title, name, value, Text(interval, "dim"), format_figure(published), difference
            )
            title = ""
    return table


def slices_table(split: SplitMetrics, width: int) -> Table:
    """Return the figures of a split, overall and by slice.

    Args:
        split: The figures.
        width: Columns of the terminal; intervals go on a second line where it is narrow.
    """
    is_wide = width >= WIDE_COLUMNS
    table = _table("slice", "n", "positives" if is_wide else "pos.", "recall", "specificity", "AUC")
    _add_slice(table, "overall", split.overall, is_wide)
    group = ""
    for name, metrics in split.slices.items():
        feature, separator, value = name.partition("=")
        if separator and feature != group:
            group = feature
            table.add_section()
            table.add_row(Text(f"by {feature.replace('_', ' ')}", "dim"))
        _add_slice(table, f"  {value}" if separator else name, metrics, is_wide)
    return table


def external_table(sets: Mapping[str, ExternalSet], width: int) -> Table:
    """Return the figures of external sets at the shipped threshold, and of what is decided there.

    Args:
        sets: By name.
        width: Columns of the terminal; intervals go on a second line where it is narrow.
    """
    is_wide = width >= WIDE_COLUMNS
    table = _table("set", "n", "positives" if is_wide else "pos.", "recall", "specificity", "AUC")
    table.columns[0].no_wrap, table.columns[0].overflow = False, "fold"  # users choose names
    for name, each in sets.items():
        _add_slice(table, name, each.metrics, is_wide)
        if each.coverage is not None:
            _add_slice(table, "  of them decided", each.coverage.decided, is_wide)
    return table


def format_figure(value: float | None) -> str:
    """Write a figure with three decimals, `-` where it is undefined."""
    return _NONE if value is None else f"{value:.3f}"


def format_value(value: float | int | str | bool | None) -> str:
    """Write a hyperparameter's value, `-` where there is none."""
    if value is None:
        return _NONE
    return f"{value:g}" if isinstance(value, float) else str(value)


def format_estimate(estimate: Estimate, separator: str = " ") -> Text:
    """Write a figure and, after the separator, its interval; `-` where it is undefined."""
    text = Text(format_figure(estimate.value))
    if estimate.low is not None and estimate.high is not None:
        interval = f"[{format_figure(estimate.low)}, {format_figure(estimate.high)}]"
        text.append(separator).append(interval, "dim")
    return text


def _add_slice(table: Table, name: str, metrics: SliceMetrics, is_wide: bool) -> None:
    figures = (metrics.recall, metrics.specificity, metrics.auc)
    cells = (format_estimate(estimate, " " if is_wide else "\n") for estimate in figures)
    table.add_row(name, f"{metrics.n:,}", f"{metrics.positives:,}", *cells)


def _figures(metrics: SliceMetrics) -> list[str]:
    """Write recall, specificity and AUC, without their intervals."""
    estimates = (metrics.recall, metrics.specificity, metrics.auc)
    return [format_figure(estimate.value) for estimate in estimates]


def _fold(table: Table) -> None:
    """Let cells go on in the next line: they hold names that users choose."""
    for column in table.columns:
        column.no_wrap, column.overflow = False, "fold"


def _bound(check: Check) -> str:
    if check.bound is None:
        return check.comparison
    # The check's name says the rest, such as "change" or "lower bound".
    sign = ">=" if check.comparison.endswith("at least") else check.comparison
    return f"{sign} {format_figure(check.bound)}"


def _short(name: str) -> str:
    return name.rpartition("=")[2]


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
