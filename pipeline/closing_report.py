"""The closing report in the terminal: what came out, and what to do next."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

from evaluation.coverage import Coverage
from evaluation.external import ExternalSet
from evaluation.gate import GateReport, describe_gate
from evaluation.site_holdout import PseudoSite
from pipeline.closing_tables import (
    candidates_table,
    checks_table,
    data_table,
    external_table,
    format_estimate,
    format_figure,
    format_value,
    shortcuts_table,
    slices_table,
    stresses_table,
    study_table,
    trials_table,
)
from pipeline.stages import format_seconds
from pipeline.summary import TOTAL, Candidate, DataCounts, OperatingPoint, Study, Summary
from serving.push_record import PushedModel
from serving.servability.report import ServabilityReport

REST_PORT = 8501  # the port that TensorFlow Serving's documentation uses
_NUM_SLOWEST = 3
_NUM_SHOWN = 3  # rejected images of an external set


def print_summary(console: Console, summary: Summary) -> None:
    """Print the closing report.

    Args:
        console: Where to; 80 columns are enough, from 104 on intervals are beside figures.
        summary: The run.
    """
    if summary.synthetic:
        _print_banner(console, summary)
    if summary.data is not None:
        _print_heading(console, "Data")
        _print_line(console, _data_line(summary.data))
        console.print(data_table(summary.data))
    _print_shortcuts(console, summary)
    if summary.selected is not None:
        _print_training(console, summary, summary.selected)
    if summary.metrics is not None:
        _print_test(console, summary)
    if summary.external:
        _print_external(console, summary)
    _print_verdict(console, summary)
    if summary.study is not None:
        _print_study(console, summary.study)
    if summary.report is not None:
        _print_line(console, f"Report (open it in a browser): {summary.report}")

    commands = next_commands(summary)
    if commands:  # a refused ensemble has neither curves nor a place to be served from
        _print_heading(console, "Next")
    for comment, command in commands:
        _print_line(console, f"# {comment}", "dim")
        _print_line(console, command)
    _print_heading(console, "Run")
    if summary.timings_s:
        console.print(Text(_time_line(summary.timings_s)))
    if summary.log_file is not None:
        _print_line(console, f"Log: {summary.log_file}")
    _print_banner(console, summary)


def _print_training(console: Console, summary: Summary, selected: str) -> None:
    _print_heading(console, "Training, judged on validation")
    console.print(candidates_table(summary.candidates, selected))
    console.print(Text(f"* selected: {summary.selection_reason or selected}"))
    for candidate in summary.candidates:
        _print_candidate(console, candidate)
    _print_selected(console, summary)


def _print_test(console: Console, summary: Summary) -> None:
    assert summary.metrics is not None
    _print_heading(console, "Test split, at the operating point, with 95% intervals")
    console.print(slices_table(summary.metrics.test, console.width))
    overall = summary.metrics.test.overall
    precision, accuracy = format_estimate(overall.precision), format_estimate(overall.accuracy)
    console.print(Text.assemble("Overall precision ", precision, ", accuracy ", accuracy))
    if summary.decisions is not None and summary.decisions.test is not None:
        console.print(Text(coverage_line("test", summary.decisions.test)))


def _print_verdict(console: Console, summary: Summary) -> None:
    _print_heading(console, "Verdict")
    is_blessed = summary.verdict == "blessed"
    text = Text(summary.verdict.upper(), "bold green" if is_blessed else "bold red")
    if summary.gate is not None:
        text.append(f": {describe_gate(summary.gate)}", "not bold default")
    console.print(text)
    if summary.gate is not None:
        _print_checks(console, summary.gate)
    if summary.servability is not None:
        console.print(Text(servability_line(summary.servability)))
    if summary.tf_serving_blessed is not None:
        answer = "answers" if summary.tf_serving_blessed else "FAILED"
        console.print(Text(f"Served by TensorFlow Serving, by InfraValidator: {answer}"))
    _print_line(console, _pushed_line(summary))
    for reason in summary.reasons:
        _print_line(console, f"  {reason}")


def _print_checks(console: Console, gate: GateReport) -> None:
    console.print(checks_table(gate.checks))
    for check in gate.checks:
        # Of a slice that is too small the table says all: the verdict and its n.
        if check.note and check.verdict != "too_small":
            note = f"{check.name.replace('_', ' ')}, {check.slice}: {check.note}"
            console.print(Text(note, "dim"))


def next_commands(summary: Summary) -> list[tuple[str, str]]:
    """Return what a user can do now, as pairs of a comment and a shell command.

    Args:
        summary: The run; paths in it are quoted for the shell.
    """
    commands = []
    if summary.tensorboard_dir is not None:
        logs = shlex.quote(summary.tensorboard_dir)
        commands.append(
            (
                "look at the training curves",
                f"{_python_command()} -m tensorboard.main --logdir {logs}",
            )
        )
    if summary.pushed_model is not None:
        commands += _serving_commands(summary.pushed_model)
    return commands


def _python_command() -> str:
    """Return how a shell in the working folder calls the Python that runs now."""
    executable = Path(sys.prefix) / "bin" / "python"
    with contextlib.suppress(ValueError):  # it is elsewhere: its full path, then
        executable = executable.relative_to(Path.cwd())
    return shlex.quote(str(executable))


def _serving_commands(pushed: PushedModel) -> list[tuple[str, str]]:
    base = Path(pushed.path).absolute().parent
    name = shlex.quote(base.name)
    url = f"http://localhost:{REST_PORT}/v1/models/{base.name}:predict"
    return [
        (
            "serve the model, with TensorFlow Serving if it is installed",
            f"{_python_command()} -m serving --model-dir {shlex.quote(str(base))} "
            f"--model-name {name}",
        ),
        (
            "ask it about an X-ray, here X-RAY.jpeg",
            f"{_python_command()} -m serving.client X-RAY.jpeg --model {name}",
        ),
        (
            "the same with curl",
            """(printf '{"instances": [{"b64": "'; base64 < X-RAY.jpeg | tr -d '\\n'; """
            f"""printf '"}}]}}') | curl --data-binary @- {shlex.quote(url)}""",
        ),
    ]


def _print_banner(console: Console, summary: Summary) -> None:
    console.print()
    if summary.synthetic:
        console.print(Panel(Text(summary.notice), title="SYNTHETIC DATA", style="bold yellow"))
    else:
        console.print(Text(summary.notice, "dim"))


def _print_heading(console: Console, title: str) -> None:
    console.print()
    console.print(Rule(Text(title, "bold"), align="left", characters="-", style="dim"))


def _print_line(console: Console, line: str, style: str = "") -> None:
    # Not wrapped: commands and paths must stay in one piece to be copied.
    console.print(Text(line, style), soft_wrap=True)


def _data_line(data: DataCounts) -> str:
    rejected = f", {data.rejected:,} rejected" if data.rejected else ""
    return f"{data.images:,} images of {data.patients:,} patients{rejected}, from {data.source}"


def _print_shortcuts(console: Console, summary: Summary) -> None:
    strong = [shortcut for shortcut in summary.shortcuts if shortcut.strong]
    if strong:
        _print_heading(console, "Shortcuts that a model may rely on")
        console.print(
            Text(
                "Each of these numbers alone separates the classes of train and validation. On "
                "images of another source, where it does not, the model may be worse."
            )
        )
        console.print(shortcuts_table(strong))


def _print_candidate(console: Console, candidate: Candidate) -> None:
    console.print()
    console.print(Text(_hyperparameters_line(candidate)))
    if candidate.trials:
        console.print(trials_table(candidate))


def _hyperparameters_line(candidate: Candidate) -> str:
    if candidate.members:
        return f"{candidate.name}: the mean of {', '.join(candidate.members)}"
    values = ", ".join(
        f"{name} {format_value(value)}" for name, value in candidate.hyperparameters.items()
    )
    return f"{candidate.name}: {candidate.architecture}, {values or 'nothing was tuned'}"


def _print_selected(console: Console, summary: Summary) -> None:
    (selected,) = [each for each in summary.candidates if each.name == summary.selected]
    if selected.stressed_metrics:
        console.print()
        console.print(Text(f"{selected.name} on validation images that were degraded:"))
        console.print(stresses_table(selected))
    console.print()
    if summary.operating_point is not None:
        console.print(Text(_operating_point_line(summary.operating_point, selected)))
    if summary.decisions is not None:
        console.print(Text(coverage_line("validation", summary.decisions.validation)))
    for figure in ("recall", "specificity"):
        judged = [each for each in selected.pseudo_sites if getattr(each, figure).value is not None]
        if judged:
            console.print(Text(_worst_site_line(judged, figure)))


def _worst_site_line(sites: Sequence[PseudoSite], figure: str) -> str:
    worst = min(sites, key=lambda site: getattr(site, figure).value)
    found = getattr(worst, figure)
    return (
        f"Lowest {figure} on a part of validation that simulates another hospital: "
        f"{format_figure(found.value)} [{format_figure(found.low)}, {format_figure(found.high)}], "
        f"{worst.scheme} {worst.group.replace('_', ' ')}"
    )


def _operating_point_line(point: OperatingPoint, selected: Candidate) -> str:
    line = (
        f"Operating point: probability >= {format_figure(point.threshold)} is called pneumonia; "
        f"chosen on {point.chosen_on} for a sensitivity of {point.target_sensitivity:g}"
    )
    return (
        f"{line}; calibration error {format_figure(selected.calibration_error_before)} before "
        f"calibration, {format_figure(selected.calibration_error_after)} after"
    )


def coverage_line(split: str, coverage: Coverage) -> str:
    """Say in one line what is decided on a split, why the rest is not, and how good that is."""
    decided, num_referred = coverage.decided, coverage.n - coverage.decided.n
    share = format_estimate(coverage.share).plain
    line = f"Decided on {split}: {decided.n:,} of {coverage.n:,} images, {share}"
    if decided.n:
        recall, specificity = format_estimate(decided.recall), format_estimate(decided.specificity)
        line += f", of these recall {recall.plain}, specificity {specificity.plain}"
    line += f"; referred to a radiologist: {num_referred:,}"
    if coverage.num_unfamiliar is None or coverage.num_uncertain is None:
        return line
    return (
        f"{line}, of them {coverage.num_unfamiliar:,} unlike the training images and "
        f"{coverage.num_uncertain:,} of uncertain score"
    )


def _print_external(console: Console, summary: Summary) -> None:
    _print_heading(console, "Outside the training data, at the operating point")
    console.print(external_table(summary.external, console.width))
    for name, each in summary.external.items():
        console.print()
        _print_line(console, f"{name}: {_external_images_line(each)}")
        for line in external_lines(each):
            console.print(Text(f"  {line}"))


def _external_images_line(external: ExternalSet) -> str:
    rejected = f", {len(external.rejected):,} rejected" if external.rejected else ""
    drawn = ", drawn by a program" if external.synthetic else ""
    return (
        f"{external.metrics.n:,} images of {external.num_patients:,} patients{rejected}{drawn}, "
        f"from {external.source}"
    )


def external_lines(external: ExternalSet) -> list[str]:
    """Say what the table of external sets leaves out: scores, calibration, referrals, caveats."""
    means = ", ".join(
        f"no {label} images" if scores is None else f"{label} {scores.mean_probability:.3f}"
        for label, scores in external.scores.items()
    )
    lines = [
        f"Mean probability of pneumonia: {means}",
        f"Calibration error {external.calibration_error:.3f}, "
        f"Brier score {format_figure(external.metrics.brier)}",
    ]
    if external.coverage is None:
        lines.append("Referred to a person: not measured, the model has no output `decision`")
    else:
        referred = format_estimate(external.coverage.referred).plain
        lines.append(f"Referred to a person: {referred}")
        if external.coverage.unfamiliar is not None:
            unfamiliar = format_estimate(external.coverage.unfamiliar).plain
            lines.append(f"Unlike the training images: {unfamiliar}")
    missing = [label for label, scores in external.scores.items() if scores is None]
    lines += [
        f"No {label} images: AUC and {figure} are undefined"
        for label, figure in (("pneumonia", "recall"), ("normal", "specificity"))
        if label in missing
    ]
    if external.num_seen:
        lines.append(
            f"Images that are also in train or validation: {external.num_seen:,}. They are not "
            "outside the training data"
        )
    lines += [f"Rejected {each.image_id}: {each.reason}" for each in external.rejected[:_NUM_SHOWN]]
    if len(external.rejected) > _NUM_SHOWN:
        more = len(external.rejected) - _NUM_SHOWN
        lines.append(f"and {more:,} more rejected, all of them in summary.json")
    return lines


def _print_study(console: Console, study: Study) -> None:
    _print_heading(console, "Beside the published figures: all candidates on test, threshold 0.5")
    console.print(Text(study.comparability, "" if study.comparable else "bold yellow"))
    console.print(study_table(study.rows))
    console.print(Text("Recall on pneumonia, recall on normal; study: as published"))
    for row in study.rows:
        if row.note:
            console.print(Text(f"(*) {row.name}: {row.note}"))
    _print_line(console, f"The same with curves and matrices, for a browser: {study.page}")


def servability_line(servability: ServabilityReport) -> str:
    """Say in one line what became of the export where it was served before the push."""
    images = f"{servability.num_images} validation image{'s' * (servability.num_images != 1)}"
    if not servability.blessed:
        return f"Served in a fresh process, on {images}: FAILED"
    line = (
        f"Served in a fresh process, on {images}: matches the trainer within "
        f"{servability.largest_difference or 0.0:.1g} (bound {servability.max_difference:.1g})"
    )
    if servability.load_s is not None and servability.first_answer_s is not None:
        line += f", {servability.load_s:.1f} s to load, {servability.first_answer_s:.2f} s for the"
        line += " first answer"
    if servability.later_answer_s is not None:
        line += f", {servability.later_answer_s:.3f} s for later ones"
    return line


def _pushed_line(summary: Summary) -> str:
    if summary.pushed_model is not None:
        pushed = summary.pushed_model
        return f"Pushed: version {pushed.version} in {pushed.path}"
    if summary.verdict == "broken":
        return f"The run broke: {summary.error}"
    return "Nothing was pushed:" if summary.reasons else "Nothing was pushed."


def _time_line(timings_s: dict[str, float]) -> str:
    parts = [(seconds, name) for name, seconds in timings_s.items() if name != TOTAL]
    slowest = sorted(parts, reverse=True)[:_NUM_SLOWEST]
    named = ", ".join(f"{name} {format_seconds(seconds)}" for seconds, name in slowest)
    total = f"Time: {format_seconds(timings_s[TOTAL])}"
    return f"{total}, most of it {named}" if named else total
