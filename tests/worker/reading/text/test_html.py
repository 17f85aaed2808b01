"""HTML gives visible text with its tables, and a page that is safe to show."""

import pytest

from tests.worker.reading.mails import page
from worker.reading import read
from worker.reading.limits import ReadingLimits
from worker.reading.text.html import HtmlDocument
from worker.reading.text.html_guard import ATTRIBUTES, DEPTH, FEW_OPEN, ONCE, REFERENCES, SHORT, limit_markup
from worker.reading.text.sanitizer import sanitize

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def text(html: str) -> str:
    return HtmlDocument(html, ReadingLimits()).text


def clean(html: str, images: dict[str, tuple[str, bytes]] | None = None) -> str:
    return sanitize(html, images or {}, ReadingLimits())


def test_cells_of_a_row_are_on_one_line_with_tabs_between() -> None:
    rows = "<table><tr><th>Policy</th><th>Sum</th></tr><tr><td><p>P-1</p></td><td> <b>5</b> EUR</td></tr></table>"
    assert text(rows) == "Policy\tSum\nP-1\t5 EUR"


def test_empty_cells_keep_their_columns() -> None:
    assert text("<table><tr><td>a</td><td></td><td>c</td></tr></table>") == "a\t\tc"


def test_layout_tables_leave_no_tabs() -> None:
    assert text("<table><tr><td>&nbsp;</td><td><p>Dear all,</p><p>Hello</p></td></tr></table>").split() == [
        "Dear",
        "all,",
        "Hello",
    ]


def test_blocks_and_breaks_become_lines() -> None:
    assert text("<p>a<br>b</p><div>c</div><ul><li>d<li>e</ul>") == "a\nb\n\nc\nd\ne"


def test_a_processing_instruction_parts_a_label_from_its_value() -> None:
    assert text("Policy<?php ?><b>AB-1</b>") == "Policy AB-1"


def test_spaces_collapse_as_in_a_browser_except_in_pre() -> None:
    assert text("a  \n b<pre>x  y\n z</pre>") == "a b\nx  y\n z"


@pytest.mark.parametrize(
    "hidden",
    [
        '<div style="display:none">ghost</div>',
        '<span style="color:red; DISPLAY : none !important">ghost</span>',
        '<div style="mso-hide:all">ghost</div>',
        '<div style="font-size:0px;color:#fff">ghost</div>',
        '<div style="max-height:0;overflow:hidden">ghost</div>',
        "<div hidden>ghost</div>",
        "<script>ghost</script>",
        "<style>ghost</style>",
        "<!-- ghost -->",
        "<noscript>ghost</noscript>",
        "<title>ghost</title>",
    ],
)
def test_hidden_content_is_neither_in_the_text_nor_on_the_page(hidden: str) -> None:
    reading = read(page(f"<html><body>{hidden}<p>seen</p></body></html>"))
    assert reading.text == "seen"
    assert "ghost" not in reading.html


@pytest.mark.parametrize(
    ("style", "kept"),
    [
        ("width:100% !important;height:9px!IMPORTANT", ' style="width:100%;height:9px"'),
        ("height:9px ! important", ' style="height:9px"'),
        ("height:9px !/**/important", ""),
        ("height:9px !\\69mportant", ""),
    ],
)
def test_no_style_of_a_mail_wins_over_one_of_the_page(style: str, kept: str) -> None:
    assert clean(f'<p style="{style}">x</p>') == f"<p{kept}>x</p>"


@pytest.mark.parametrize("kept", ['style="font-size:0.9em"', 'style="max-height:0.5em"', 'style="border-spacing:0"'])
def test_small_print_does_not_count_as_hidden(kept: str) -> None:
    assert text(f"<p {kept}>seen</p>") == "seen"


@pytest.mark.parametrize(
    "danger",
    [
        "<script>danger()</script>",
        "<img src=x onerror=danger()>",
        '<a href="javascript:danger()">x</a>',
        '<a href="data:text/html,danger">x</a>',
        '<iframe src="https://danger.example"></iframe>',
        '<form action="https://danger.example"><input></form>',
        "<svg onload=danger()></svg>",
        '<img src="http://danger.example/pixel.gif">',
        '<img src="//danger.example/pixel.gif">',
        '<img src="data:image/svg+xml,danger">',
        '<p style="background:url(https://danger.example)">x</p>',
        '<p style="position:fixed;content:danger">x</p>',
        '<base href="https://danger.example">',
        '<meta http-equiv="refresh" content="0;url=https://danger.example">',
        '<link rel=stylesheet href="https://danger.example">',
        '<p class="danger" id="danger">x</p>',
    ],
)
def test_content_that_runs_loads_or_moves_is_removed(danger: str) -> None:
    assert "danger" not in clean(danger)
    assert "position" not in clean(danger)


def test_links_open_without_a_referrer() -> None:
    assert 'rel="noopener noreferrer nofollow"' in clean('<a href="https://a.example">x</a>')


def test_tables_colours_and_https_images_stay() -> None:
    html = clean(
        '<table bgcolor="#eee"><tr><td style="color:red">x<img src="https://a.example/i.png"></td></tr></table>'
    )
    assert 'bgcolor="#eee"' in html
    assert "color:red" in html.replace(" ", "")
    assert 'src="https://a.example/i.png"' in html


def test_an_image_in_the_mail_is_embedded() -> None:
    html = clean('<img src="cid:logo@x">', {"logo@x": ("image/png", PNG)})
    assert 'src="data:image/png;base64,' in html


def test_images_that_are_too_large_or_not_raster_are_not_embedded() -> None:
    big = ReadingLimits().image_bytes + 1
    assert "data:" not in clean('<img src="cid:a">', {"a": ("image/png", bytes(big))})
    assert "data:" not in clean('<img src="cid:a">', {"a": ("image/svg+xml", b"<svg/>")})


def test_embedded_images_together_do_not_exceed_their_limit() -> None:
    images = {str(n): ("image/png", bytes(900_000)) for n in range(10)}
    html = clean("".join(f'<img src="cid:{n}">' for n in range(10)), images)
    assert html.count("data:image/png") == 5


def test_markup_deeper_than_the_limit_loses_tags_but_no_text() -> None:
    html = limit_markup("<div>" * 20_000 + "deep inside" + "</div>" * 20_000)
    assert "deep inside" in html
    assert html.count("<div>") == DEPTH


def test_a_tag_with_too_many_attributes_loses_them() -> None:
    many = " ".join(f"a{n}=1" for n in range(100 * ATTRIBUTES))
    assert limit_markup(f"before <p {many}>inside</p>") == "before <p>inside</p>"


@pytest.mark.parametrize(
    "costly",
    [
        "<div>" * FEW_OPEN,
        "<lin\u212a>" * FEW_OPEN,
        "</p><p>x" * 5_000 + "<DIV>" * FEW_OPEN,
        "<font size=1>" * 300 + "<p>x" * 1_000,
        "<B>" * 300 + "<td>x" * 1_000,
        "<body a=1>" * (ONCE + 1),
        '<html a="1">x</html>' * (ONCE + 1),
        "<font size=1>x</a>" * 300 + "<p>x" * 1_000,
        "<font size=1 title='>x</font>'>" * 300 + "<p>x" * 1_000,
        '<font a=b"c d="e>x</font>">' * 300 + "<p>x" * 1_000,
        "<strike>x</stri\u212ae>" * 300 + "<p>x" * 1_000,
        "<!--><title><!--</title>" + "<div>" * FEW_OPEN,
    ],
)
def test_short_markup_is_limited_too_where_it_could_be_costly(costly: str) -> None:
    assert len(costly) < SHORT
    assert limit_markup(costly) != costly


def test_short_markup_whose_formatting_ends_is_unchanged() -> None:
    html = '<p><font size="2" color="red">a</font> <B>b</b> <a href="https://a.example">c</a>' * 600
    assert len(html) < SHORT
    assert limit_markup(html) == html


def test_ordinary_markup_is_unchanged() -> None:
    html = "<table>" + "<tr><td class='x' style=\"a>b\">cell</td></tr>" * 2000 + "</table>"
    assert limit_markup(html) == html


@pytest.mark.parametrize("hiding", ["", " hidden", " style='display:none'", " style='display&#58;none'"])
@pytest.mark.parametrize("asked_first", [False, True])
def test_hidden_content_is_neither_read_nor_shown_in_either_order_of_calls(hiding: str, *, asked_first: bool) -> None:
    document = HtmlDocument(f"<p>Seen <b{hiding}>secret</b></p>", ReadingLimits())
    words = ["Seen"] if hiding else ["Seen", "secret"]
    if asked_first:
        assert document.text.split() == words
    assert ("secret" in document.sanitize({})) == (not hiding)
    assert document.text.split() == words


def test_too_many_nodes_are_noticed_before_the_text_is_requested() -> None:
    page = "<b>x</b>" * 50
    assert not HtmlDocument(page, ReadingLimits()).truncated
    assert HtmlDocument(page, ReadingLimits(html_nodes=20)).truncated


def guarded_text(markup: str) -> str:
    return HtmlDocument(markup, ReadingLimits()).text


@pytest.mark.parametrize("name", ["html", "body", "head", "frameset"])
def test_further_start_tags_of_an_element_that_a_page_has_once_are_left_out(name: str) -> None:
    html = limit_markup("".join(f"<{name} a{n}=1>x" for n in range(5000)))
    assert html.count(f"<{name} ") == ONCE
    assert html.count("x") == 5000


def test_formatting_that_each_block_repeats_ends_and_no_text_is_lost() -> None:
    html = limit_markup("".join(f"<font size={n}>" for n in range(200)) + "<p>word" * 5000 + "<b>late</b>")
    assert html.count("</font>") == 200
    assert "<b>" not in html
    assert guarded_text(html).split() == ["word"] * 4999 + ["wordlate"]


def test_formatting_that_is_closed_stays() -> None:
    html = "<p><font color=red>x</font><b>y</b>" * 20_000
    assert limit_markup(html) == html


def test_text_with_many_references_is_split_and_reads_the_same() -> None:
    html = limit_markup("<p>" + "a &amp; b " * 20_000)
    assert html.count("<wbr>") >= 20_000 // REFERENCES - 1
    assert html.replace("<wbr>", "") == "<p>" + "a &amp; b " * 20_000
    assert guarded_text(html) == " ".join(["a & b"] * 20_000)


def test_references_in_attributes_and_in_comments_are_left_alone() -> None:
    html = "<p><a href='?a=1&b=2&c=3'>x</a><!-- a & b -->" * 2000
    assert limit_markup(html) == html


def test_references_inside_an_element_of_text_are_not_split_by_a_tag() -> None:
    assert "<wbr>" not in limit_markup("<textarea>" + "&" * 100_000)
    assert "<wbr>" in limit_markup("<textarea></textarea>" + "&" * 100_000)


@pytest.mark.parametrize(
    "start",
    [
        "<!-->",
        "<!--->",
        "<!-- a --!>",
        "<title><!--</title>",
        "<textarea><!--</textarea>",
        "<script><!--<script></script><!-- </script>",
        "<svg><![CDATA[ > <!-- ]]>",
        "<svg><style>",
        "<!doctype html>",
        "<?php ?>",
        "</ a>",
    ],
)
def test_nothing_hides_levels_from_the_guard(start: str) -> None:
    assert limit_markup(start + "<div>" * 20_000).count("<div>") <= DEPTH


def test_what_a_comment_holds_counts_for_nothing() -> None:
    html = "<!--[if mso]><table><tr><td><![endif]--><div>x</div>" * 2000
    assert limit_markup(html) == html


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>a\x01b&#2;c\x7f</p>", "<p>abc</p>"),
        ("<a href='https://a.example/\x01x' title='y&#3;'>z</a>", 'href="https://a.example/x" title="y"'),
        ("<a href='java\x01script:x'>z</a>", '<a rel="noopener noreferrer nofollow">z</a>'),
        ("<p style='color:u\x01rl(http://a.example)'>x</p>", "<p>x</p>"),
        ("<img src='data:image/\x01svg+xml,x'>", "<img>"),
    ],
)
def test_control_characters_are_left_out_before_anything_is_checked(html: str, expected: str) -> None:
    assert expected in clean(html)
