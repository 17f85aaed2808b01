"""HTML gives visible text with its tables, and a page that is safe to show."""

import pytest

from tests.worker.reading.letters import page
from worker.reading import read
from worker.reading.html import Document
from worker.reading.limits import Limits
from worker.reading.markup import ATTRIBUTES, DEPTH, tamed
from worker.reading.sanitize import sanitized

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def text(html: str) -> str:
    return Document(html, Limits()).text


def clean(html: str, images: dict[str, tuple[str, bytes]] | None = None) -> str:
    return sanitized(html, images or {}, Limits())


def test_cells_of_a_row_stand_on_one_line_with_tabs_between() -> None:
    rows = "<table><tr><th>Policy</th><th>Sum</th></tr><tr><td><p>P-1</p></td><td> <b>5</b> EUR</td></tr></table>"
    assert text(rows) == "Policy\tSum\nP-1\t5 EUR"


def test_empty_cells_keep_their_columns() -> None:
    assert text("<table><tr><td>a</td><td></td><td>c</td></tr></table>") == "a\t\tc"


def test_layout_tables_leave_no_tabs_behind() -> None:
    assert text("<table><tr><td>&nbsp;</td><td><p>Dear all,</p><p>Hello</p></td></tr></table>").split() == [
        "Dear",
        "all,",
        "Hello",
    ]


def test_blocks_and_breaks_become_lines() -> None:
    assert text("<p>a<br>b</p><div>c</div><ul><li>d<li>e</ul>") == "a\nb\n\nc\nd\ne"


def test_blanks_collapse_as_in_a_browser_except_in_pre() -> None:
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
def test_what_a_reader_does_not_see_is_neither_in_the_text_nor_on_the_page(hidden: str) -> None:
    reading = read(page(f"<html><body>{hidden}<p>seen</p></body></html>"))
    assert reading.text == "seen"
    assert "ghost" not in reading.html


@pytest.mark.parametrize("kept", ['style="font-size:0.9em"', 'style="max-height:0.5em"', 'style="border-spacing:0"'])
def test_small_print_is_not_taken_for_hidden(kept: str) -> None:
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
def test_what_runs_asks_or_moves_is_taken_out(danger: str) -> None:
    assert "danger" not in clean(danger)
    assert "position" not in clean(danger)


def test_links_open_without_telling_where_they_were() -> None:
    assert 'rel="noopener noreferrer nofollow"' in clean('<a href="https://a.example">x</a>')


def test_tables_colours_and_https_images_stay() -> None:
    html = clean(
        '<table bgcolor="#eee"><tr><td style="color:red">x<img src="https://a.example/i.png"></td></tr></table>'
    )
    assert 'bgcolor="#eee"' in html
    assert "color:red" in html.replace(" ", "")
    assert 'src="https://a.example/i.png"' in html


def test_an_image_of_the_mail_itself_is_embedded() -> None:
    html = clean('<img src="cid:logo@x">', {"logo@x": ("image/png", PNG)})
    assert 'src="data:image/png;base64,' in html


def test_images_that_are_too_large_or_not_raster_are_not_embedded() -> None:
    big = Limits().image_bytes + 1
    assert "data:" not in clean('<img src="cid:a">', {"a": ("image/png", bytes(big))})
    assert "data:" not in clean('<img src="cid:a">', {"a": ("image/svg+xml", b"<svg/>")})


def test_embedded_images_together_stay_within_their_limit() -> None:
    images = {str(n): ("image/png", bytes(900_000)) for n in range(10)}
    html = clean("".join(f'<img src="cid:{n}">' for n in range(10)), images)
    assert html.count("data:image/png") == 5


def test_markup_deeper_than_the_limit_loses_tags_but_no_text() -> None:
    html = tamed("<div>" * 20_000 + "deep inside" + "</div>" * 20_000)
    assert "deep inside" in html
    assert html.count("<div>") == DEPTH


def test_a_tag_with_too_many_attributes_loses_them() -> None:
    many = " ".join(f"a{n}=1" for n in range(50 * ATTRIBUTES))
    assert tamed(f"before <p {many}>inside</p>") == "before <p>inside</p>"


def test_ordinary_markup_is_left_as_it_is() -> None:
    html = "<table>" + "<tr><td class='x' style=\"a>b\">cell</td></tr>" * 2000 + "</table>"
    assert tamed(html) == html


@pytest.mark.parametrize("hiding", ["", " hidden", " style='display:none'", " style='display&#58;none'"])
@pytest.mark.parametrize("asked_first", [False, True])
def test_what_is_hidden_is_neither_read_nor_shown_whichever_is_asked_for_first(
    hiding: str, *, asked_first: bool
) -> None:
    document = Document(f"<p>Seen <b{hiding}>secret</b></p>", Limits())
    words = ["Seen"] if hiding else ["Seen", "secret"]
    if asked_first:
        assert document.text.split() == words
    assert ("secret" in document.sanitized({})) == (not hiding)
    assert document.text.split() == words


def test_more_nodes_than_are_walked_are_noticed_before_the_text_is_asked_for() -> None:
    page = "<b>x</b>" * 50
    assert not Document(page, Limits()).truncated
    assert Document(page, Limits(html_nodes=20)).truncated
