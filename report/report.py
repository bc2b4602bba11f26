"""The report's files, from a run's artifacts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from contract.progress import report_progress
from report import errors, lineage, slices, verdict
from report.candidates import section as candidates
from report.data import section as data
from report.explanations import section as explanations
from report.external import section as external
from report.model_card import section as model_card
from report.model_card.card import make_model_card
from report.model_card.markdown import write_model_card
from report.page.page import render_page
from report.page.parts import Failure, Part, Section, Text, attempt
from report.performance import section as performance
from report.slices import slice_rows, to_csv
from report.sources import Sources

PAGE_FILE, SLICES_FILE = "index.html", "slices.csv"
_LOGGER = logging.getLogger(__name__)
TITLE = "Pneumonia on chest X-rays: report of a run"

# In the page's order; each builds its section.
SECTIONS: Mapping[str, Callable[[Sources], Section]] = {
    "Verdict": verdict.build,
    "Performance": performance.build,
    "Slices": slices.build,
    external.TITLE: external.build,
    "Worst errors": errors.build,
    "Explanations": explanations.build,
    "Candidates": candidates.build,
    "Data": data.build,
    "Model card": model_card.build,
    "Lineage": lineage.build,
}


def write_report(sources: Sources, folder: Path) -> None:
    """Write the page and the files beside it.

    What cannot be made is reported in its place on the page, with its cause.

    Args:
        sources: What the run left.
        folder: Receives `index.html`, `slices.csv`, `model_card.json` and `model_card.md`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sections = []
    builders = {
        title: build
        for title, build in SECTIONS.items()
        if title != external.TITLE or sources.external_evaluation is not None
    }
    for number, (title, build) in enumerate(builders.items(), start=1):
        sections.append(_build_section(title, build, sources))
        report_progress("Writing the report", number, len(builders), "section")
    sections.append(_write_files(sources, folder))
    page = render_page(TITLE, _summary(sources), sections, synthetic=sources.run.synthetic)
    (folder / PAGE_FILE).write_text(page, encoding="utf-8")


def _build_section(title: str, build: Callable[[Sources], Section], sources: Sources) -> Section:
    try:
        return build(sources)
    except Exception as error:  # whatever it was: the rest of the report must not be lost
        _LOGGER.exception("The report's section %r could not be made", title)
        anchor = title.lower().replace(" ", "-")
        return Section(anchor, title, (Failure(title, f"{type(error).__name__}: {error}"),))


def _write_files(sources: Sources, folder: Path) -> Section:
    def write_slices() -> Part:
        text = to_csv(slice_rows(sources.tfma, sources.gate))
        (folder / SLICES_FILE).write_text(text, encoding="utf-8")
        return Text(f"{SLICES_FILE}: every slice, for a spreadsheet.")

    def write_card() -> Part:
        write_model_card(make_model_card(sources), folder)
        return Text("model_card.json and model_card.md: the model card, for programs and as text.")

    parts = (attempt(SLICES_FILE, write_slices), attempt("The model card's files", write_card))
    return Section("files", "Files beside this page", parts)


def _summary(sources: Sources) -> str:
    run = sources.run
    told = f"Pipeline {run.pipeline_name}, seed {run.seed}"
    if sources.card is not None:
        told += f", {sources.card.num_images:,} images of {sources.card.num_patients:,} patients"
    return told + ". For decision support only: a person makes the diagnosis."
