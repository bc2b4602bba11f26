"""The section on the candidates: what competed, how it was trained, and why the winner won."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from evaluation.site_holdout import MIN_SITE_CASES
from evaluation.training_report import TrainingReport
from report.candidates.recipe import METRICS, draw_learning_curve, kept_epoch, recipe_of
from report.candidates.tables import (
    format_value,
    in_words,
    overview_table,
    ranking_table,
    sites_table,
    stresses_table,
    trials_table,
)
from report.candidates.trials import read_trials
from report.page.parts import Group, Part, Picture, Section, Text, attempt, attempt_gallery
from report.sources import Sources

ANCHOR, TITLE = "candidates", "Candidates"
_RULE = (
    "The choice does not use the test split. First, the lower end of the 95% interval of a "
    "candidate's recall, at its own operating point, must reach the target. Among those that do, "
    "the highest mean specificity wins, then the higher mean AUC, then the smaller network. "
    "Against an ensemble, the best single candidate must be significantly better: the 95% "
    "interval of its advantage in specificity or AUC must exclude zero (paired bootstrap over "
    "patients). A tie goes to the ensemble."
)

_READING = (
    "Each candidate is shown at its own operating point, which was chosen on validation. Stressed "
    "figures are the mean over degraded copies of the same images; the worst one is named. "
    "Calibration error is the mean distance between predicted and observed shares of pneumonia."
)
_SITES = (
    "Pseudo-sites are parts of validation whose images were named or made alike; each simulates a "
    "hospital. A part with poor figures when it is left out of the choice of the threshold shows "
    "what to expect from a hospital with similar images. Figures on fewer than "
    f"{MIN_SITE_CASES} images are not shown."
)
_FOLDED_TRIALS = 10  # from more on, the table is folded away


def build(sources: Sources) -> Section:
    """Build the section, the best candidate first."""
    selection = sources.selection
    reports = [sources.training_reports[entry.name] for entry in selection.candidates]
    return Section(
        ANCHOR,
        TITLE,
        (
            Text(f"{selection.selected} was selected: {selection.reason}.", "good"),
            Text(_READING),
            attempt("The table of candidates", lambda: overview_table(selection, reports)),
            Group(
                "Why the winner won",
                (
                    Text(_RULE),
                    attempt("The ranking", lambda: ranking_table(selection)),
                ),
            ),
            *(attempt(report.name, partial(_candidate, report, sources)) for report in reports),
        ),
    )


def _candidate(report: TrainingReport, sources: Sources) -> Part:
    parts: list[Part] = [Text(f"{_recipe(report)}.")]
    if report.history:
        parts += attempt_gallery(
            [(f"{report.name}'s {metric} by epoch", _curve(report, metric)) for metric in METRICS],
            min_width_rem=16.0,
        )
    parts += _search(report, sources)
    if report.stressed:
        table = attempt("The stresses", lambda: stresses_table(report))
        parts.append(Group(f"{report.name} under each stress", (table,), folded=True))
    if report.pseudo_sites:
        table = attempt("The pseudo-sites", lambda: sites_table(report))
        parts.append(Group(f"{report.name} by pseudo-site", (Text(_SITES), table), folded=True))
    return Group(report.name, tuple(parts))


def _curve(report: TrainingReport, metric: str) -> Callable[[], Picture]:
    return partial(draw_learning_curve, report.name, report.history, metric, kept_epoch(report))


def _recipe(report: TrainingReport) -> str:
    return recipe_of(report) or (
        "The mean of the calibrated probabilities of its members, which are "
        f"{', '.join(report.members)}. It was not trained itself and has no learning curves; "
        "see those of its members"
    )


def _search(report: TrainingReport, sources: Sources) -> list[Part]:
    if report.candidate is None:
        return []
    if report.name in sources.tuner_results:
        folder = sources.tuner_results[report.name]
        return [attempt(f"{report.name}'s trials", lambda: _trials(report.name, folder))]
    if not report.hyperparameters:
        return [Text("Its settings were given; no search was run.")]
    chosen = ", ".join(
        f"{in_words(name)} {format_value(value)}" for name, value in report.hyperparameters.items()
    )
    return [Text(f"A search chose: {chosen}. Its trials are not available to the report.")]


def _trials(name: str, folder: Path) -> Part:
    trials = read_trials(folder)
    if not trials:
        return Text(f"The search for {name} left no trials.", "warning")
    is_long = len(trials) > _FOLDED_TRIALS
    table = trials_table(name, trials)
    return Group(f"{len(trials):,} trials of {name}", (table,), folded=True) if is_long else table


# Of Keras' history; each has a twin on validation.
