"""The report's page: one file that needs nothing else, for a screen of any width and for paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import markupsafe

from report.page.parts import Cell, Part, Section
from report.page.plain_text import without_deceptive_characters
from report.page.templates import html_environment

_TEMPLATE = "page.html.jinja"


def render_page(title: str, summary: str, sections: Sequence[Section], *, synthetic: bool) -> str:
    """Render the report.

    Args:
        title: Of the page.
        summary: One line below it, such as when and from what it was made.
        sections: In order.
        synthetic: Whether the images were drawn; a banner then says so, on every printed page.

    Returns:
        HTML; every figure is in it, and every text is escaped.
    """
    environment = html_environment(Path(__file__).parent).overlay(finalize=_finalize)
    environment.filters |= {"kind": _kind, "cell": _cell}
    page = environment.get_template(_TEMPLATE).render(
        title=title, summary=summary, sections=sections, synthetic=synthetic
    )
    return page + "\n"


def _finalize(value: object) -> object:
    # Markup is what the template itself has made of texts that went through here.
    if isinstance(value, str) and not isinstance(value, markupsafe.Markup):
        return without_deceptive_characters(value)
    return value


def _kind(part: Part) -> str:
    return type(part).__name__


def _cell(cell: Cell | str) -> Cell:
    return Cell(cell) if isinstance(cell, str) else cell
