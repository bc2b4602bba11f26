"""The words that people read are plain English: what must not come back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rooms import ROOMS

PLACES = (*ROOMS, "kubeflow", "tools")
# Literal renderings of other languages' idioms, and what replaces them.
REPLACED = {
    r"\bwhoever\b": "anyone who, the user who",
    r"\btell(s|ing)?\b(?! (me|you|us)\b)": "say, show, give, separate, distinguish",
    r"\btold\b": "said, shown, given, asked",
    r"\b(it|that|which|what|who|they|below) (lies?|lay|stands?|stood)\b(?! in for)": "is, are",
    r"\blies? (in|on|below|above|between|beside)\b": "is, are",
    r"\b(an? \w+|\w+s) of (its|their|his|her) own\b": "its own ...",
    r"\bno medical device\b": "not a medical device",
    r"\bcalled pneumonia from\b": "probability >= ... is called pneumonia",
    r"\bdid not come to\b": "stopped before",
    r"\bfrom which on\b": "from ... on, at least",
    r"\bas asked for\b": "as requested",
    r"\bto \d+e-\d+\b(?! \()": "within ...",
}
PATTERN = re.compile("|".join(REPLACED), re.IGNORECASE)
PAGES = ("*.md", "docs/*.md", "kubeflow/*.md", "serving/*.md", "docs/*.ipynb")


def strings_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of each string that is no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
        ):
            yield node.lineno, node.value


def found_in(lines: Iterator[tuple[int, str]], name: str) -> list[str]:
    return [
        f"{name}:{number}: {match.group()!r} in {text.strip()[:90]!r}"
        for number, text in lines
        for match in PATTERN.finditer(text)
    ]


@pytest.mark.parametrize("room", PLACES)
def test_what_the_programs_print_is_plain_english(repository: Path, room: str) -> None:
    files = sorted((repository / room).rglob("*.py"))
    assert files
    found = [
        line
        for path in files
        for line in found_in(strings_of(path), str(path.relative_to(repository)))
    ]
    assert found == []


def test_pages_and_templates_are_plain_english(repository: Path) -> None:
    paths = [path for place in PAGES for path in sorted(repository.glob(place))]
    paths += sorted((repository / "report").rglob("*.jinja"))
    assert len(paths) > 10
    found = [
        line
        for path in paths
        for line in found_in(
            enumerate(path.read_text(encoding="utf-8").splitlines(), 1),
            str(path.relative_to(repository)),
        )
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "the server's log tells",
        "a threshold of its own",
        "records that lie in a folder",
        "It is no medical device",
        "the trainer's answers to 9e-08",
    ],
)
def test_the_old_words_are_found(text: str) -> None:
    assert PATTERN.search(text)
