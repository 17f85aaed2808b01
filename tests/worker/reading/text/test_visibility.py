"""Text is read if a browser shows it: a size of 0 hides only what keeps that size."""

import pytest

from worker.reading.limits import ReadingLimits
from worker.reading.text.html import HtmlDocument


def document(html: str) -> HtmlDocument:
    return HtmlDocument(html, ReadingLimits())


@pytest.mark.parametrize(
    "inside",
    [
        '<div style="font-family:Arial;font-size:16px">seen</div>',
        '<span style="font-size:medium">seen</span>',
        '<p><b style="color:red; font-size: 1.2rem !important">seen</b></p>',
        '<span style="font: bold 14px/1.5 Arial">seen</span>',
        '<font size="3">seen</font>',
        '<div style="font-size:0"><div style="font-size:12pt">seen</div></div>',
    ],
)
def test_a_wrapper_without_size_hides_nothing_that_sets_its_own(inside: str) -> None:
    html = f'<table><tr><td style="font-size:0px;padding:10px">ghost{inside}</td></tr></table>'
    assert document(html).text == "seen"
    assert "seen" in document(html).sanitize({})
    assert "ghost" not in document(html).sanitize({})


@pytest.mark.parametrize(
    "inside", ["seen", "<b>seen</b>", '<b style="font-size:1em">seen</b>', '<b style="font-size:120%">seen</b>']
)
def test_what_keeps_the_size_of_its_wrapper_is_hidden(inside: str) -> None:
    assert document(f'<div style="font-size:0">{inside}</div><p>after</p>').text == "after"
    assert document(f'<div style="font: 0/0 a">{inside}</div><p>after</p>').text == "after"


def test_an_invisible_element_shows_what_is_visible_inside() -> None:
    html = '<div style="visibility:hidden">ghost<img src="cid:x"><p style="visibility:visible">seen</p></div>'
    assert document(html).text == "seen"
    assert "img" not in document(html).sanitize({"x": ("image/png", b"x")})


@pytest.mark.parametrize(
    "html",
    [
        '<body dir="rtl"><p>x</p></body>',
        '<html dir="RTL"><body><p>x</p></body></html>',
        '<body style="direction: rtl"><p>x</p></body>',
        '<p dir="rtl">x</p>',
        '<td dir="rtl">x</td>',
    ],
)
def test_the_direction_of_a_page_is_kept(html: str) -> None:
    shown = document(f"<table><tr>{html}</tr></table>" if html.startswith("<td") else html).sanitize({})
    assert 'dir="rtl"' in shown.lower()


def test_the_direction_of_an_element_by_its_style_is_kept() -> None:
    assert "direction:rtl" in document('<p style="direction: rtl">x</p>').sanitize({}).replace(" ", "")
