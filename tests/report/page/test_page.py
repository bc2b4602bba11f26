"""What the page's HTML holds; tests/report/page/test_page_in_browser.py looks at it."""

import re
from html.parser import HTMLParser

import pytest

from report.page.page import render_page
from report.page.parts import (
    Cell,
    Failure,
    Gallery,
    Group,
    Listing,
    Picture,
    Section,
    Table,
    Text,
    attempt,
    attempt_all,
)

EVIL = '"><script>alert("x")</script><img src=x onerror=alert(1)>\'&amp;'
DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="


class Elements(HTMLParser):
    """Every tag with its attributes, and the text between them."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


def page_of(*parts, synthetic=False, title="A title"):
    sections = [Section("first", "First", parts), Section("second", "Second", ())]
    return render_page(title, "Made from nothing.", sections, synthetic=synthetic)


def parts_that_say(text):
    table = Table(text, ("name", text), ((text, Cell(text, text, "bad")),), text_columns=(1,))
    return (
        Text(text),
        Text(text, "warning"),
        Listing((text, text)),
        table,
        Gallery((Picture(DOT, text, text),)),
        Failure(text, text),
        Group(text, (Group(text, (Text(text),), folded=True),)),
        Group(text, (Text(text),), side_by_side=True),
    )


def test_every_text_is_escaped_wherever_it_stands():
    page = Elements(page_of(*parts_that_say(EVIL), title=EVIL))
    plain = Elements(page_of(*parts_that_say("harmless"), title="harmless"))
    # The same elements with the same attributes' names: no text has become markup.
    assert [(tag, list(attributes)) for tag, attributes in page.tags] == [
        (tag, list(attributes)) for tag, attributes in plain.tags
    ]
    assert page.text.count(EVIL) == plain.text.count("harmless") > 10
    (image,) = [attributes for tag, attributes in page.tags if tag == "img"]
    assert image["alt"] == EVIL


def test_turned_and_invisible_characters_are_shown_as_such():
    page = page_of(Text("scan\u202egnp.exe \x00\x1b[31m"), Text("\u05e9\u05dc\u05d5\u05dd"))
    assert "scan\ufffdgnp.exe \ufffd\ufffd[31m" in page
    assert "\u05e9\u05dc\u05d5\u05dd" in page  # Hebrew letters are harmless


def test_nothing_is_fetched_and_no_script_may_run():
    text = page_of(*parts_that_say("a"))
    page = Elements(text)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "base"}
    (policy,) = [a["content"] for _, a in page.tags if "http-equiv" in a]
    assert policy.split("; ")[0] == "default-src 'none'"
    assert "script" not in policy
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style


def test_links_within_the_page_lead_somewhere():
    page = Elements(page_of())
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    links = [attributes["href"].removeprefix("#") for tag, attributes in page.tags if tag == "a"]
    assert set(links) == {"first", "second", "top"} == set(ids)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("synthetic", [True, False])
def test_drawn_images_are_told_before_anything_else(synthetic):
    page = Elements(page_of(Text("a"), synthetic=synthetic))
    assert ("SYNTHETIC DATA" in page.text) == synthetic
    assert not synthetic or page.text.index("SYNTHETIC DATA") < page.text.rindex("A title")


def test_tables_name_their_rows_and_columns():
    page = Elements(page_of(Table("c", ("name", "n", "why"), (("a", "1", "x"),), (2,))))
    headings = [attributes for tag, attributes in page.tags if tag == "th"]
    assert [heading["scope"] for heading in headings] == ["col", "col", "col", "row"]
    assert headings[2]["class"] == "text"
    assert page.count("td") == 2


def test_a_row_of_too_few_or_too_many_cells_is_refused():
    for row in (("a",), ("a", "b", "c")):
        with pytest.raises(ValueError, match=f"expected 2 cells.*got {len(row)}"):
            Table("c", ("name", "n"), (row,))


def test_a_part_that_fails_stands_in_its_place_with_its_cause():
    def fail():
        raise KeyError("no <b>such</b> figure")

    makers = [("One", lambda: Text("1")), ("Two", fail), ("Three", lambda: Text("3"))]
    one, two, three = attempt_all(makers)
    assert (one, three) == (Text("1"), Text("3"))
    assert two == Failure("Two", "KeyError: 'no <b>such</b> figure'")
    page = Elements(page_of(one, two, three))
    assert "Two: could not be made. KeyError: 'no <b>such</b> figure'" in page.text
    assert page.count("b") == 0


def test_an_interrupt_is_no_failing_figure():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt("One", interrupted)


def test_groups_nest_their_headings_and_fold():
    inner = Group("inner", (Group("innermost", ()),))
    page = Elements(page_of(Group("outer", (inner, Group("more", (), folded=True)))))
    levels = [tag for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels == ["h1", "h2", "h3", "h4", "h5", "h2"]
    assert page.count("summary") == 1
    assert "open" not in dict(page.tags)["details"]
