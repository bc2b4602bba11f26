import base64
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from report.study.comparison import make_table
from report.study.page import draw_roc_curves, render_page
from tests.report.study.conftest import LABELS

EVIL = '<script>alert("x")</script>'


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


@pytest.fixture(scope="module")
def rows(row_of):
    return [row_of("ann_deep"), row_of("xception", "xception", "none"), row_of("mine")]


@pytest.fixture(scope="module")
def page(rows):
    """The page of `rows`; its figures take seconds to draw."""
    return page_of(rows)


def page_of(rows, synthetic=False):
    return render_page(make_table(rows, LABELS, [""] * len(LABELS), synthetic))


def test_nothing_is_fetched(page):
    elements = Elements(page)
    tags = {tag for tag, _ in elements.tags}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form"}
    for _, attributes in elements.tags:
        for name in ("src", "href", "srcset", "poster", "action", "style"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/svg+xml;base64,", "#")), value
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style


def test_links_within_the_page_lead_somewhere(rows, page):
    tags = Elements(page).tags
    ids = {attributes["id"] for _, attributes in tags if "id" in attributes}
    links = {attributes["href"][1:] for tag, attributes in tags if tag == "a"}
    assert len(links) == len(rows)
    assert links <= ids


def test_every_figure_says_what_it_shows(rows, page):
    alts = [attributes["alt"] for tag, attributes in Elements(page).tags if tag == "img"]
    families = 2
    assert len(alts) == families + 4 * len(rows)
    assert len(set(alts)) == len(alts)
    assert all(len(alt) > 40 for alt in alts)


def test_names_are_escaped(row_of):
    # A name of the configuration cannot hold this; a file of another tool might.
    row = row_of("ann_deep").model_copy(update={"name": EVIL, "note": EVIL})
    page = page_of([row])
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert EVIL in Elements(page).text


def test_ours_stands_beside_the_published_figures_with_the_difference(page):
    start = page.index("ann_deep</a>")
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page[start : page.index("</tr>", start)])
    plain = [re.sub(r"<[^>]+>", " ", cell).split() for cell in cells]
    minus = "\N{MINUS SIGN}"
    assert plain[0][0] == "0.800"
    assert [cell[0] for cell in plain[1:3]] == ["0.891", f"{minus}0.091"]
    assert plain[3] == ["0.833", "[0.436,", "0.970]"]
    assert [cell[0] for cell in plain[4:6]] == ["0.950", f"{minus}0.117"]
    assert [cell[0] for cell in plain[6:9]] == ["0.750", "0.800", f"{minus}0.050"]
    assert plain[9][0] == "0.917"


def test_what_must_be_known_stands_above_the_table(rows, page):
    assert page.index("NOT comparable") < page.index("<table")
    assert "SYNTHETIC DATA" not in page
    assert "random weights" in page
    drawn = page_of(rows[:1], synthetic=True)
    assert drawn.index("SYNTHETIC DATA") < drawn.index("<table")
    assert "clinically they mean nothing" in drawn


def test_the_recipe_of_a_row_is_told_without_its_folders(row_of):
    text = Elements(page_of([row_of("xception", "xception", "/home/me/weights.h5")])).text
    assert "backbone's weights: weights.h5" in text
    assert "/home/me" not in text
    assert "normalisation of images: clahe" in text
    assert "adamw at a rate of 0.003" in text
    assert "3 of at most 50 epochs (patience 10), the weights of epoch 3 kept" in text


def svg_of(picture):
    prefix, _, data = picture.source.partition(",")
    assert prefix == "data:image/svg+xml;base64"
    return ElementTree.fromstring(base64.b64decode(data))


def test_roc_curves_tell_their_areas(row_of):
    rows = [row_of(f"network_{number}") for number in range(9)]  # more than there are colours
    picture = draw_roc_curves("dense networks", rows)
    assert picture.alt.startswith("ROC curves on test, dense networks.")
    assert picture.alt.count("0.917") == 9
    svg_of(picture)


def test_the_same_figure_has_the_same_bytes(row_of):
    assert draw_roc_curves("mine", [row_of()]) == draw_roc_curves("mine", [row_of()])
