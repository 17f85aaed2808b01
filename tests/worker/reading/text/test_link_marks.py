"""A link whose text shows another host than the one that it opens says which one it opens."""

import pytest

from tests.support.cpu_time import cpu_seconds
from tests.worker.reading.mails import page
from worker.reading import read
from worker.reading.limits import ReadingLimits
from worker.reading.text.link_marks import mark_links
from worker.reading.text.links import ascii_host, host_of
from worker.reading.text.sanitizer import sanitize

#: It looks like bank.example.
CYRILLIC = "b\u0430nk.example"


def clean(html: str) -> str:
    return sanitize(html, {}, ReadingLimits())


@pytest.mark.parametrize(
    ("href", "shown"),
    [
        ("https://evil.example/", "https://bank.example"),
        ("https://evil.example/", "https://bank.example/login?x=1"),
        ("https://evil.example/", "www.bank.example"),
        ("https://evil.example/", " » bank.example «"),
        ("https://evil.example/", "Sign in at https://bank.example now"),
        ("https://evil.example/", "(www.bank.example)"),
        ("https://evil.example/", "HTTPS://BANK.EXAMPLE"),
        ("https://evil.example/", "https://<b>bank</b><span>.example</span>"),
        ("https://evil.example/", "https://ba&#173;nk.exa&#8203;mple"),
        ("https://evil.example/", "ｗｗｗ．ｂａｎｋ．ｅｘａｍｐｌｅ"),
        ("https://evil.example/", '<img alt="www.bank.example">'),
        ("https://bank.example.evil.example/", "bank.example"),
        ("https://notbank.example/", "bank.example"),
        ("https://bank.example@evil.example/", "https://bank.example"),
        ("https://bank.example@evil.example/", "https://bank.example@evil.example/"),
        (f"https://{ascii_host(CYRILLIC)}/", CYRILLIC),
        (f"https://{CYRILLIC}/", CYRILLIC),
        ("https://evil.github.io/", "bank.github.io"),
        ("https://192.0.2.1/", "https://bank.example"),
        ("https://evil.example/", "https://intranet/login"),
        ("https://evil.example/", f"{'&nbsp;' * 5_000}https://bank.example"),
        ("https://evil.example/", f"{'&#8203;' * 5_000}bank.example"),
        ("https://evil.example/", "bank.exam\ufe0fple"),
        ("https://evil.example/", "bank\u2024example"),
        ("https://evil.example/", f"https://bank{'&#8203;' * 400}</a><b></b><a href='https://evil.example/'>.example"),
        ("https://evil.example/", "www</a>&#8203;<a href='https://evil.example/'>.bank.example"),
        # What stands beside the host
        ("https://evil.example/", "bank.example ✓"),
        ("https://evil.example/", "✓bank.example🔒"),
        ("https://evil.example/", "Login: bank.example"),
        ("https://evil.example/", "Login:bank.example"),
        ("https://evil.example/", "Login\u2800bank.example\u2800✓"),
        ("https://evil.example/", "Login...bank.example"),
        ("https://evil.example/", "Login+bank.example"),
        ("https://evil.example/", "____bank.example____"),
        ("https://evil.example/", "bank.example (opens in a new window)"),
        ("https://evil.example/", "bank.example<sup>1</sup>"),
        ("https://evil.example/", "Sign in at bank.example/login, it is safe"),
        ("https://evil.example/", "Sign in at Bank.Example today"),
        ("https://evil.example/", "Sign in at bank.com today"),
        ("https://evil.example/", "<b>Safe</b><br>bank.example"),
        ("https://evil.example/", '<img alt="The logo of bank.example">'),
        ("https://evil.example/", "⚠ goes to bank.example"),
        ("https://evil.example/", "evil.example or bank.example"),
        ("https://evil.example/", f"{'x' * 5_000} bank.example"),
        # How it is written
        ("https://evil.example/", "Login: ba&#173;nk.exa&#8203;mple"),
        ("https://evil.example/", "Login: bank。example"),
        ("https://evil.example/", "Login: ｂａｎｋ．ｅｘａｍｐｌｅ ✓"),
        ("https://evil.example/", "Login: bank\ua4f8example"),
        ("https://evil.example/", "Login: b\u0332ank.e\u0332xample"),
        ("https://evil.example/", f"Login: {CYRILLIC} ✓"),
        ("https://evil.example/", f"Login: {ascii_host(CYRILLIC)} ✓"),
        ("https://evil.example/", "bank。xn--p1ai ✓"),
        ("https://evil.example/", "銀行.example へ"),
        ("https://evilbank.example/", "evil\u3164bank.example"),
        ("https://evil.example/", "bank\u200a.example"),
        # Addresses of mail
        ("https://evil.example/", "jane@bank.example"),
        ("https://evil.example/", "Write to jane.doe@bank.example!"),
        ("https://evil.example/", "Login @bank.example"),
        ("mailto:jane@evil.example", "jane@bank.example"),
        ("mailto:jane%40evil.example?subject=x", "bank.example"),
    ],
)
def test_a_link_that_shows_another_host_begins_with_a_mark_and_is_flagged(href: str, shown: str) -> None:
    reading = read(page(f'<p>Hello</p><a href="{href}">{shown}</a> and more'))

    host = host_of(href) or "evil.example"
    mark = f'<span class="real-host">⚠ goes to {host}</span> '
    assert mark in reading.html
    *_, before = reading.html.partition(mark)[0].rpartition("<a ")
    assert before.endswith(">")
    assert before.count("<") == 0
    assert "misleading_link" in reading.flags


def test_a_tooltip_may_not_show_another_host_either() -> None:
    assert mark_links(clean('<a href="https://evil.example" title="https://bank.example">Sign in</a>'))[1] == 1


@pytest.mark.parametrize(
    ("href", "shown"),
    [
        ("https://bank.example/login", "https://bank.example"),
        ("https://www.bank.example/", "bank.example"),
        ("https://bank.example/", "https://www.bank.example/"),
        ("https://click.bank.example/", "www.bank.example"),
        ("https://bank.example/", "mail.bank.example"),
        ("https://evil.example/", "Sign in"),
        ("https://evil.example/", "report.pdf"),
        ("https://evil.example/", "The end.Next"),
        ("https://evil.example/", "See report.pdf and song.mp3"),
        ("https://evil.example/", "J.Smith called"),
        ("https://evil.example/", "Am 14.Dezember"),
        ("https://evil.example/", "請登入。謝謝"),
        ("https://evil.example/", "Version 3.11, e.g. 1.000 EUR, z.B."),
        ("https://evil.example/", "Wait...what"),
        ("https://bank.example/login", "Login: bank.example ✓"),
        ("https://bank.example/", "https://bank.example✓"),
        ("https://login.bank.example/", "Login: bank.example"),
        ("https://www.bank.example/", "bank.example, www.bank.example and login.www.bank.example"),
        ("https://bank.example/", "jane.doe@bank.example"),
        ("mailto:jane@bank.example", "jane@bank.example"),
        ("mailto:jane@mail.bank.example,joe@bank.example", "bank.example"),
        ("tel:+123", "bank.example"),
        ("https://evil.example/", "https://"),
        ("https://evil.example/", "https://…"),
        ("https://evil.example/", "Home</a><a href='https://bank.example'>www.bank.example"),
        ("https://evil.example/", "bank</a> <a href='https://evil.example'>.example"),
        ("https://evil.example/", ""),
        ("https://evil.example/?u=https://bank.example", "https://evil.example/?u=https://bank.example"),
        ("mailto:jane@bank.example", "www.bank.example"),
    ],
)
def test_a_link_that_shows_no_other_host_is_not_marked(href: str, shown: str) -> None:
    reading = read(page(f'<a href="{href}">{shown}</a>'))
    assert "goes to" not in reading.html
    assert "misleading_link" not in reading.flags


def test_the_first_recipient_of_another_host_is_named() -> None:
    html, _ = mark_links(clean('<a href="mailto:a@bank.example,b@bank.example?cc=c@evil.example">a@bank.example</a>'))
    assert "goes to evil.example<" in html
    many = ",".join(f"a@{n}.bank.example" for n in range(100))
    assert mark_links(clean(f'<a href="mailto:{many}">a@bank.example</a>'))[1] == 1  # more than anybody checks


TINY = '<span style="font-size:1px;color:#fff">'


@pytest.mark.parametrize(
    ("href", "shown", "left"),
    [
        ("https://evil.example/", f"{TINY}evil.example/</span>bank.example", "evil.example/bank.example"),
        ("https://evil.example/", f"bank{TINY}!</span>.example", "bank!.example"),
        ("https://bankx.example/", f"bank{TINY}x</span>.example", "bankx.example"),
        ("https://evil.example/", f"bank{TINY}&nbsp;</span>.example", "bank&nbsp;.example"),
        ("https://evil.example/", f"bank{'<small>' * 9} {'</small>' * 9}.example", "bank .example"),
    ],
)
def test_a_part_of_a_host_cannot_be_hidden_since_the_text_has_one_format(href: str, shown: str, left: str) -> None:
    assert f">{left}</a>" in mark_links(clean(f'<a href="{href}">{shown}</a>'))[0]


@pytest.mark.parametrize(
    "shown", ["<b>Terms</b>. <i>More</i>", '<span style="color:#fff">www.evil.example</span>', "<b>A</b>bc", "<b>x</b>"]
)
def test_other_formats_within_a_link_are_kept(shown: str) -> None:
    html = clean(f'<a href="https://evil.example/">{shown}</a>')
    assert mark_links(html) == (html, 0)


def test_no_style_of_a_mail_draws_a_mark() -> None:
    style = "border-radius:1em;box-shadow:0 0 0 4px #b45309;outline:2px solid;border-image:x;clip-path:x"
    html = clean(
        f'<span class="real-host" id="x" style="{style};position:sticky;color:#5c2500">goes to bank.example</span>'
    )
    assert html == '<span style="color:#5c2500">goes to bank.example</span>'


def test_of_a_long_host_the_mark_shows_the_end_which_says_whose_it_is() -> None:
    html, _ = mark_links(clean(f'<a href="https://bank.example.{"a." * 90}evil.example">bank.example</a>'))
    assert "goes to …" in html
    assert ".evil.example</span>" in html
    assert "goes to bank" not in html


def test_a_link_in_a_table_in_a_link_is_judged_alone() -> None:
    inner = '<table><tr><td><a href="https://two.example">www.two.example</a></td></tr></table>'
    html, marks = mark_links(clean(f'<a href="https://one.example">www.one.example{inner} end</a>'))
    assert marks == 0
    assert html.count("<a ") == 2


@pytest.mark.parametrize(
    "piece",
    [
        '<a href="https://x.example">{}</a>'.format("a.b-" * 500),
        '<a href="https://x.example">bank.example</a>',
        '<a href="https://x.example">ba</a>',
        '<a href="https://x.example">{}'.format("http://" * 300),
        '<a href="https://x.example"><table><tr><td>a.b',
        '<a href="https://x.example">www.{}</a>'.format("-." * 900),
        '<a href="https://{}">x.y</a>'.format("ä" * 1500),
        '<a href="https://x.example">{}</a>'.format("a+a@a." * 500),
        '<a href="https://x.example">{}</a>'.format("x.example " * 500),
        '<a href="https://x.example">{}</a>'.format("<b> </b>." * 500),
        '<a href="mailto:{}">{}</a>'.format("a@x.example," * 200, "b@y.example " * 200),
    ],
)
def test_marking_takes_time_in_proportion_to_the_mail(piece: str) -> None:
    def seconds(size: int) -> float:
        html = clean(piece * (size // len(piece)))
        return cpu_seconds(lambda: mark_links(html))

    assert seconds(400_000) < 8 * seconds(100_000) + 0.05
