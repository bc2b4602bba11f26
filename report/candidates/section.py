"""The section on the candidates: what competed, how it was trained, and why the winner won."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from contract.architectures import is_pretrained
from evaluation.site_holdout import MIN_SITE_CASES
from evaluation.training_report import TrainingReport
from report.candidates.learning_curves import METRICS, draw_learning_curve
from report.candidates.recipe import describe_recipe, kept_epoch
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
from report.page.galleries import attempt_gallery
from report.page.parts import Group, Part, Picture, Section, Text, attempt
from report.sources import Sources

ANCHOR, TITLE = "candidates", "Candidates"
_RULE = (
    "The test split has no part in the choice. First the recall at a candidate's own operating "
    "point must reach the target with the lower end of its 95% interval. Among those that do, the "
    "highest mean specificity wins, then the higher mean AUC, then the smaller network. Where an "
    "ensemble competes, the best single candidate must beat it by more than chance: its advantage "
    "in specificity or AUC must leave zero out of its 95% interval (paired bootstrap over "
    "patients). A tie goes to the ensemble."
)

_READING = (
    "Each candidate stands at its own operating point, which validation chose for it. Stressed "
    "figures are the mean over degraded copies of the same images; the worst is named. "
    "Calibration error is the mean distance of predicted from observed shares of pneumonia."
)
_SITES = (
    "Pseudo-sites are parts of validation whose images were named or made alike; each stands in "
    "for a hospital. A part that does badly when it is left out of the choice of the threshold "
    "shows what to expect of a hospital whose images are like it. Figures of fewer than "
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
    if report.candidate is None:
        return (
            "The mean of the calibrated probabilities of its members, which are "
            f"{', '.join(report.members)}. It was put together, not trained, and so has no "
            "learning curves; its members' stand with them"
        )
    return describe_recipe(
        report.candidate,
        num_parameters=report.num_parameters,
        num_epochs=report.num_epochs,
        kept_epoch=kept_epoch(report),
        training_s=report.training_s,
        is_pretrained=is_pretrained(report.architecture),
    )


def _search(report: TrainingReport, sources: Sources) -> list[Part]:
    if report.candidate is None:
        return []
    if report.name in sources.tuner_results:
        folder = sources.tuner_results[report.name]
        return [attempt(f"{report.name}'s trials", lambda: _trials(report.name, folder))]
    if not report.hyperparameters:
        return [Text("Its settings were given; nothing was searched.")]
    chosen = ", ".join(
        f"{in_words(name)} {format_value(value)}" for name, value in report.hyperparameters.items()
    )
    return [Text(f"A search chose: {chosen}. Its trials were not handed to the report.")]


def _trials(name: str, folder: Path) -> Part:
    trials = read_trials(folder)
    if not trials:
        return Text(f"The search for {name} left no trials.", "warning")
    is_long = len(trials) > _FOLDED_TRIALS
    table = trials_table(name, trials)
    return Group(f"{len(trials):,} trials of {name}", (table,), folded=True) if is_long else table
