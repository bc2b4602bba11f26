"""The report's files, from a run's artifacts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from components.progress import report_progress
from components.report.page import render_page
from components.report.parts import Failure, Section
from components.report.sources import Sources

PAGE_FILE = "index.html"
TITLE = "Pneumonia on chest X-rays: report of a run"

# In the page's order; each builds its section.
SECTIONS: Mapping[str, Callable[[Sources], Section]] = {}


def write_report(sources: Sources, folder: Path) -> None:
    """Write the page and what lies beside it.

    A section that cannot be made is reported in its place, with its cause.

    Args:
        sources: What the run left.
        folder: Receives `index.html`.
    """
    sections = []
    for number, (title, build) in enumerate(SECTIONS.items(), start=1):
        try:
            sections.append(build(sources))
        except Exception as error:  # the rest of the report must not be lost
            failure = Failure(title, f"{type(error).__name__}: {error}")
            sections.append(Section(title.lower().replace(" ", "-"), title, (failure,)))
        report_progress("Writing the report", number, len(SECTIONS), "section", {})
    page = render_page(TITLE, _summary(sources), sections, synthetic=sources.run.synthetic)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PAGE_FILE).write_text(page, encoding="utf-8")


def _summary(sources: Sources) -> str:
    return f"Pipeline {sources.run.pipeline_name}, seed {sources.run.seed}."
