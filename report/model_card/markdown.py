"""The model card as Markdown, in which no text can become markup."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2

from contract import features
from report.model_card.card import JSON_NAME, MARKDOWN_NAME, ModelCard
from report.page.estimate_cells import describe_estimate, format_figure
from report.page.page import without_deceptive_characters

_TEMPLATE = "model_card.md.jinja"
# What opens emphasis, code, links, tags, entities, cells, headings, mathematics and mail links.
_SPECIAL = re.compile(r"([\\`*_\[\]<>&|~#$@])")
# Lists, rules and underlined headings open only where a text begins.
_LEADING = re.compile(r"^(\d*)([-+](?=[-\s]|$)|=|[.)](?=\s|$))")
_SCHEME = re.compile(r"(?<=\w):(?=//)|(?<=\bwww)\.", re.IGNORECASE)  # addresses link themselves


def write_model_card(card: ModelCard, folder: Path) -> None:
    """Write the card for programs and for people.

    Args:
        card: What it says.
        folder: Receives `model_card.json` and `model_card.md`; made where missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = card.model_dump_json(indent=2) + "\n"
    (folder / JSON_NAME).write_text(text, encoding="utf-8")
    (folder / MARKDOWN_NAME).write_text(render_markdown(card), encoding="utf-8")


def render_markdown(card: ModelCard) -> str:
    """Return the card as a Markdown page (CommonMark, with GitHub's tables)."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # that is for HTML: `finalize` escapes what the template prints
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"estimate": describe_estimate, "figure": format_figure}
    return environment.get_template(_TEMPLATE).render(card=card, labels=features.LABELS)


def escape_markdown(text: str) -> str:
    """Return `text` on one line, so that Markdown shows it as it is."""
    one_line = " ".join(without_deceptive_characters(text).split())
    escaped = _SPECIAL.sub(_escape_special, one_line)
    escaped = _SCHEME.sub(lambda match: f"&#{ord(match[0])};", escaped)
    return _LEADING.sub(r"\1\\\2", escaped)


def _escape_special(match: re.Match[str]) -> str:
    entities = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
    return entities.get(match[1], f"\\{match[1]}")


def _finalize(value: object) -> str:
    return escape_markdown(str(value))
