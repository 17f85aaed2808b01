"""A link opens only what a link may open, and is read as a browser reads it."""

import re
from html import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.reading.limits import ReadingLimits
from worker.reading.text.links import SCHEMES, host_of, read_link
from worker.reading.text.sanitizer import sanitize

#: Every attribute of HTML with an address, and the elements that have it.
_PLACES = """
    a.href area.href base.href link.href img.src img.srcset img.longdesc img.usemap source.srcset video.poster video.src
    audio.src track.src iframe.src iframe.srcdoc embed.src object.data object.codebase applet.archive form.action
    button.formaction input.formaction input.src body.background table.background td.background th.background
    blockquote.cite q.cite del.cite ins.cite a.ping a.xlink:href svg.xlink:href use.href image.href html.manifest
    frame.src meta.content script.src head.profile p.style a.style td.style
"""
ADDRESSES = _PLACES.split()

SPOKEN = ["data", "javascript", "vbscript", "file", "blob", "filesystem", "ftp", "about", "view-source", "cid", "x-new"]
#: What a URL parser removes, at the ends or everywhere.
NOISE = ["", "\t", "\n", "\r", "\x01", "\x1f", " ", "\x0c", "\x00", "\x7f", "\u00a0", "\ufeff", "\u200b"]


def clean(html: str) -> str:
    return sanitize(html, {}, ReadingLimits())


def href_of(html: str) -> str | None:
    found = re.search(r'href="([^"]*)"', html)
    return found[1] if found else None


@st.composite
def disguised(draw: st.DrawFn) -> str:
    """Write an address of a scheme that is not accepted as a browser would still read it."""
    scheme = draw(st.sampled_from(SPOKEN))
    letters = [draw(st.sampled_from([letter, letter.upper()])) for letter in scheme] + [":"]
    noisy = [draw(st.sampled_from(NOISE)) + letter for letter in letters]
    written = "".join(noisy) + draw(st.sampled_from(["text/html,<b>x", "alert(1)", "//host/x"]))
    entity = draw(st.sampled_from(["{}", "&#{};", "&#x{:x};"]))
    if entity == "{}":
        return escape(written)
    return "".join(entity.format(ord(letter)) for letter in written)


def as_parsed(value: str) -> str:
    """Return what a browser's URL parser takes for the start of the address."""
    return value.strip("".join(map(chr, range(33)))).translate(dict.fromkeys(map(ord, "\t\r\n"))).lower()


@given(address=disguised())
@example(address="da\tta:text/html,x")
@example(address="\x01data:text/html,x")
@example(address="java&#10;script:x")
def test_no_attribute_keeps_an_address_of_another_scheme(address: str) -> None:
    value = {"style": f"background:url({address})", "content": f"0;url={address}", "srcset": f"{address} 2x"}
    html = ""
    for element, attribute in (place.split(".") for place in ADDRESSES):
        html += clean(f'<{element} {attribute}="{value.get(attribute, address)}">text</{element}>')

    kept = [as_parsed(found) for found in re.findall(r'="([^"]*)"', html) if ":" in found]
    assert [found for found in kept if found.partition(":")[0] not in SCHEMES] == []
    assert "url(" not in html


@given(st.text(max_size=40))
@example("https:host/path")
@example("h\nttps:\\\\host\\path")
def test_what_is_kept_begins_with_an_accepted_scheme(value: str) -> None:
    link = read_link(value)
    if link is not None:
        assert link.partition(":")[0] in SCHEMES
        assert read_link(link) == link


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("https://a.example/x", "https://a.example/x"),
        (" HTTPS://a.example ", "https://a.example"),
        ("http:/a.example", "http://a.example"),
        ("https:\\\\a.example", "https://a.example"),
        ("ht\ntp://a.exa\tmple", "http://a.example"),
        ("mailto:a@b.example", "mailto:a@b.example"),
        ("Tel:+49", "tel:+49"),
        ("//a.example", None),
        ("/path", None),
        ("#part", None),
        ("cid:x", None),
        ("\u00a0https://a.example", None),
        ("", None),
    ],
)
def test_an_address_is_read_as_a_browser_reads_it(written: str, read_as: str | None) -> None:
    assert read_link(written) == read_as
    assert href_of(clean(f'<a href="{escape(written)}">x</a>')) == read_as


@pytest.mark.parametrize(
    ("link", "host"),
    [
        ("https://A.Example./x", "a.example"),
        ("https://bank.example@evil.example/", "evil.example"),
        ("https://bank.example:443@evil.example:8443", "evil.example"),
        ("https://evil.example\\@bank.example", "evil.example"),
        ("https://ev%69l.example", "evil.example"),
        ("https://evil。example", "evil.example"),
        ("https://ｅｖｉｌ.example", "evil.example"),
        ("https://ev\u00adil.example", "evil.example"),
        ("https://bücher.example", "xn--bcher-kva.example"),
        ("mailto:a@b.example", ""),
    ],
)
def test_the_host_of_an_address_is_the_one_that_a_browser_opens(link: str, host: str) -> None:
    assert host_of(link) == host


@pytest.mark.parametrize(
    "style", ["margin:-9em", "margin-top : -1px", "margin/**/:0 -5px", "margin-left:calc(0px - 9px)", "MARGIN:-1px"]
)
def test_mail_cannot_move_content_over_a_mark(style: str) -> None:
    html = clean(f'<p style="color:red;{style};padding:1px">x</p>')
    assert "margin" not in html.lower()
    assert "color:red" in html
    assert "padding:1px" in html


def test_mail_cannot_write_a_host_backwards() -> None:
    assert clean('<bdo dir="rtl">elpmaxe.knab</bdo>\u202eelpmaxe.knab\u202c') == "elpmaxe.knabelpmaxe.knab\u202c"
