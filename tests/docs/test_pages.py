"""The pages of the project: links lead somewhere, records are numbered and indexed."""

from __future__ import annotations

import re

import pytest

PLACES = ("*.md", "docs/**/*.md", "kubeflow/*.md")
HEADINGS = ["Context", "Decision", "What was checked", "Consequences", "When to revisit"]


@pytest.fixture(scope="module")
def pages(repository):
    found = [path for place in PLACES for path in repository.glob(place)]
    return {path: path.read_text(encoding="utf-8") for path in found}


@pytest.fixture(scope="module")
def records(repository):
    return sorted((repository / "docs" / "adr").glob("[0-9]*.md"))


def test_links_between_pages_lead_somewhere(pages):
    links = [
        (path, target)
        for path, text in pages.items()
        for target in re.findall(r"\]\(([^)#\s]+)", text)
        if "://" not in target
    ]
    assert links
    assert [
        f"{path.name}: {target}" for path, target in links if not (path.parent / target).exists()
    ] == []


def test_named_tests_exist(pages, repository):
    named = {name for text in pages.values() for name in re.findall(r"`(tests/[\w/]+\.py)`", text)}
    assert named
    assert [name for name in sorted(named) if not (repository / name).is_file()] == []


def test_records_are_numbered_without_a_gap(records):
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    for number, path in enumerate(records, start=1):
        assert path.read_text(encoding="utf-8").startswith(f"# {number}. ")


def test_every_record_has_every_part(records):
    for path in records:
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS, path.name
        assert re.search(r"^Status: (accepted|superseded by .+), \d{4}-\d\d-\d\d$", text, re.M)


def test_the_index_lists_every_record_in_order(records):
    index = (records[0].parent / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\d+)\]\((\S+)\) \|", index, re.MULTILINE)
    assert rows == [(str(number), path.name) for number, path in enumerate(records, start=1)]
