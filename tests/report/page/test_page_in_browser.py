"""The page as Chromium shows it, at a desktop's and at a phone's width."""

import re
import zlib

import pytest

from report.page.drawing import create_figure, style, svg_uri
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
)
from tests.browser import PageFindings, inspect, print_to_pdf

DESKTOP_PX, PHONE_PX = 1280, 390
NOTHING = PageFindings((), (), 0, (), (), 0)
HOSTILE = {
    "script": "<script>console.error('ran')</script>",
    "handler": '"><img src=x onerror="console.error(\'ran\')">',
    "style": "</style><style>@import 'http://127.0.0.1:9/x.css'</style>",
    "long": "person" + "1234567890" * 40 + "_bacteria_1.jpeg",
    "right to left": "\u0645\u0631\u062d\u0628\u0627 \u202eabc " + "\u05e9\u05dc\u05d5\u05dd" * 60,
}


@pytest.fixture(scope="module")
def picture_uri():
    with style():
        figure, axes = create_figure()
        axes.plot([0, 1], [0, 1])
        return svg_uri(figure)


def every_part(text, picture_uri):
    wide = Table(
        text,
        ("image", *(f"figure {number}" for number in range(12)), text),
        ((text, *(Cell("0.987", "0.912 to 0.995") for _ in range(12)), Cell(text, text, "bad")),),
        text_columns=(13,),
    )
    return (
        Text(text),
        *(Text(text, tone) for tone in ("good", "warning", "bad")),
        Listing((text,)),
        wide,
        Gallery((Picture(picture_uri, text, text),) * 3),
        Failure(text, text),
        Group(text, (wide, Group(text, (wide, Text(text)), folded=True)), folded=True),
        Group(text, (wide, Group(text, (wide, Text(text)))), side_by_side=True),
    )


@pytest.fixture
def page_file(tmp_path, picture_uri):
    sections = [
        Section(f"part-{number}", text, every_part(text, picture_uri))
        for number, text in enumerate(HOSTILE.values())
    ]
    path = tmp_path / "index.html"
    text = render_page(HOSTILE["long"], HOSTILE["script"], sections, synthetic=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("width_px", [DESKTOP_PX, PHONE_PX])
def test_hostile_texts_do_nothing_and_fit(page_file, width_px):
    assert inspect(page_file, width_px) == NOTHING


def test_what_is_wrong_is_found(tmp_path):
    path = tmp_path / "bad.html"
    path.write_text(
        "<!DOCTYPE html><meta name=viewport content='width=device-width'><title>Bad</title>"
        "<img src='http://127.0.0.1:9/x.png' alt='gone'>"
        "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=='>"
        "<details><div style='width: 2000px'>wide</div></details>"
        "<script>console.error('one'); throw new Error('two');</script>"
        "<p onclick='0'>text</p>",
        encoding="utf-8",
    )
    for width_px in (DESKTOP_PX, PHONE_PX):
        findings = inspect(path, width_px)
        assert findings.requests == ("http://127.0.0.1:9/x.png",)
        assert findings.overflow_px >= 2000 - width_px
        assert len(findings.images_without_alt) == 1
        assert len(findings.broken_images) == 1
        assert findings.num_scripts == 2
        assert "one" in findings.console_errors
        assert len(findings.console_errors) == 3  # the image that is not there is one, too


def test_the_pages_own_policy_stops_a_script_that_got_in(page_file):
    text = page_file.read_text(encoding="utf-8")
    page_file.write_text(text.replace("<main>", "<main><script>document.title = 1</script>"))
    findings = inspect(page_file, DESKTOP_PX)
    assert findings.num_scripts == 1
    (refusal,) = findings.console_errors
    assert "Content Security Policy" in refusal


@pytest.mark.slow
def test_paper_shows_what_is_folded_and_the_banner_on_every_page(tmp_path):
    """Counts pages: the text of a PDF is glyph numbers, which say nothing without the fonts."""
    lines = tuple(Text(f"line {number}") for number in range(600))
    pages = {
        "empty": ((), False),
        "open": (lines, False),
        "folded": ((Group("more", lines, folded=True),), False),
        "synthetic": (lines, True),
    }
    counts = {}
    for name, (parts, synthetic) in pages.items():
        path = tmp_path / f"{name}.html"
        sections = [Section("only", "Only", parts)]
        path.write_text(render_page("A title", "", sections, synthetic=synthetic), encoding="utf-8")
        counts[name] = count_pages(print_to_pdf(path))
    assert counts["empty"] == 1
    assert counts["open"] > 10
    assert counts["folded"] in (counts["open"], counts["open"] + 1)  # and its heading
    # One banner fits on the last page; a banner on each takes some lines from all of them.
    assert counts["synthetic"] > counts["open"]


def count_pages(pdf):
    streams = re.findall(rb"stream\r?\n(x.*?)endstream", pdf, re.DOTALL)
    plain = b"".join([pdf, *(zlib.decompress(stream) for stream in streams)])
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", plain))
