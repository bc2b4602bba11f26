"""The report's page: one file that needs nothing else, for a screen of any width and for paper."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import jinja2
import markupsafe

from report.page.parts import Cell, Part, Section

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


def html_environment(folder: Path) -> jinja2.Environment:
    """Return an environment that escapes every text and refuses names that are not given.

    Args:
        folder: Holds the templates.
    """
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


# Characters that no page may hold, and those that turn the direction of the text that follows:
# a name could make the sentence around it read as another. Right-to-left letters stay as they are.
_DECEPTIVE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def without_deceptive_characters(text: str) -> str:
    """Return `text` with U+FFFD for control characters and for those that turn its direction."""
    return _DECEPTIVE.sub("\N{REPLACEMENT CHARACTER}", text)
