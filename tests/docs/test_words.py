"""The words that people read are plain English: what must not come back."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rooms import ROOMS

PLACES = (*ROOMS, "kubeflow", "tools")
PROGRAMS = ("local_runner.py", "setup.py")
COMPARED = "better|different|earlier|fewer|larger|later|less|longer|more|other|smaller|wider|worse"
# Literal renderings of other languages' idioms, and what replaces them.
REPLACED = {
    r"\bwhoever\b": "anyone who, the user who",
    r"\btell(s|ing)?\b(?! (me|you|us)\b)": "say, show, give, separate, distinguish",
    r"\btold\b": "said, shown, given, requested",
    r"\b(stands?|stood)\b(?! for\b| in for\b)(?!-)": "is, are",
    r"\b(lies?|lain|lying)\b": "is, are",
    r"\b(it|that|which|what|who|they|below) lay\b": "was, were",
    r"\bof (its|their|his|her|one's) own\b": "its own ..., a separate ..., another ...",
    rf"(?<!there )\b(is|are|was|were) no (?!({COMPARED})\b)\w+": "is not a",
    r"\bno medical device\b": "not a medical device",
    r"\b(has|have) not (an?|the|any)\b": "lacks",
    r"\bcalled pneumonia from\b": "probability >= ... is called pneumonia",
    r"\bdid not come to\b": "stopped before",
    r"\bfrom which on\b": "from ... on, at least",
    r"\bas asked for\b": "as requested",
    r"\bto \d+e-\d+\b(?! \()": "within ...",
}
PATTERN = re.compile("|".join(REPLACED), re.IGNORECASE)
PAGES = (
    *("*.md", "docs/**/*.md", "docs/*.ipynb", "tools/**/*.md", "report/**/*.jinja"),
    *("kubeflow/**/*.md", "kubeflow/**/*.yaml", "serving/**/*.md", "serving/**/*.yaml"),
    *("configs/*.yaml", "requirements*.in", "scripts/*.sh", "Dockerfile"),
)
MARKERS = re.compile(r"^[\s#>*-]+", re.MULTILINE)  # of comments, quotations and lists

Texts = Iterator[tuple[int, str]]  # with the number of the first line


def programs_of(repository: Path, place: str) -> list[Path]:
    path = repository / place
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def strings_of(source: str) -> Texts:
    """Yield every string, docstrings included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def docstrings_of(source: str) -> Texts:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield node.lineno, text


def comments_of(source: str) -> Texts:
    """Yield the comments, those on successive lines as one."""
    start, end, lines = 0, 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        number = token.start[0]
        if number != end + 1:
            yield start, "\n".join(lines)
            start, lines = number, []
        lines.append(token.string)
        end = number
    yield start, "\n".join(lines)


def paragraphs_of(text: str) -> Texts:
    start = 1
    for paragraph in re.split(r"(\n[#>\s]*\n)", text):
        yield start, paragraph
        start += paragraph.count("\n")


def found_in(texts: Texts, name: str) -> list[str]:
    """Return what must not come back, also where a line ends within it."""
    return [
        f"{name}:{number}: {match.group()!r} in {line[max(0, match.start() - 40) :][:90]!r}"
        for number, text in texts
        for line in [" ".join(MARKERS.sub("", text).split())]
        for match in PATTERN.finditer(line)
    ]


@pytest.mark.parametrize("place", [*PLACES, *PROGRAMS])
def test_programs_are_in_plain_english(repository: Path, place: str) -> None:
    files = programs_of(repository, place)
    assert files
    found = []
    for path in files:
        source, name = path.read_text(encoding="utf-8"), str(path.relative_to(repository))
        found += found_in(strings_of(source), name) + found_in(comments_of(source), name)
    assert found == []


def test_docstrings_and_comments_of_the_tests_are_in_plain_english(repository: Path) -> None:
    found = []
    for path in programs_of(repository, "tests"):
        source, name = path.read_text(encoding="utf-8"), str(path.relative_to(repository))
        found += found_in(docstrings_of(source), name) + found_in(comments_of(source), name)
    assert found == []


@pytest.mark.parametrize("place", PAGES)
def test_pages_and_templates_are_in_plain_english(repository: Path, place: str) -> None:
    paths = sorted(repository.glob(place))
    assert paths
    found = []
    for path in paths:
        text, name = path.read_text(encoding="utf-8"), str(path.relative_to(repository))
        found += found_in(paragraphs_of(text), name)
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "the server's log tells",
        "a threshold of its own",
        "records that lie in a folder",
        "where the key stands",
        "It is no medical device",
        "bytes that are no image",
        "the trainer's answers to 9e-08",
    ],
)
def test_the_old_words_are_found(text: str) -> None:
    assert PATTERN.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "a stand-in for a cluster",
        "parts that stand in for hospitals",
        "there is no version",
        "an interval that is no wider",
    ],
)
def test_idioms_are_left_alone(text: str) -> None:
    assert not PATTERN.search(text)


SOURCE = '''
def read():
    """Read a threshold of
    its own."""
    # Records that
    # lie here.

    # Not the server's log
    return "it tells"  # whoever
'''


@pytest.mark.parametrize(
    ("texts", "lines"),
    [
        (strings_of, [3, 9]),
        (docstrings_of, [3]),
        (comments_of, [5, 8]),
    ],
)
def test_wrapped_lines_are_read_as_one(texts: Callable[[str], Texts], lines: list[int]) -> None:
    found = found_in(texts(SOURCE), "read.py")
    assert [int(line.split(":")[1]) for line in found] == lines


def test_paragraphs_of_pages_are_read_as_one() -> None:
    page = "# a title\n\n- a set of its\n  own\n\nwhere they\n> stand\n"
    assert [line.split(":")[1] for line in found_in(paragraphs_of(page), "page.md")] == ["3", "6"]
