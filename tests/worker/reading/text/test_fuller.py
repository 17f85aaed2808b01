"""The HTML part gives the text when it says more than the plain part."""

import pytest

from tests.worker.reading.mails import HEAD
from worker.reading import read


def both(text: str, html: str) -> bytes:
    return (
        f"{HEAD}Subject: Two parts\r\nContent-Type: multipart/alternative; boundary=cut\r\n\r\n"
        f"--cut\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
        f"--cut\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n--cut--\r\n"
    ).encode()


@pytest.mark.parametrize(
    "stub",
    [
        "Your mail client does not support HTML.",
        "Please see the HTML part of this message.",
        "Ihr E-Mail-Programm unterstützt kein HTML.",
        "Votre messagerie ne prend pas en charge le format HTML. " * 5,
        "To view this message, open it in your browser: https://a.example/x",
        "",
    ],
)
def test_a_plain_part_that_only_names_the_html_is_not_the_text(stub: str) -> None:
    assert (
        read(both(stub, "<p>Order Number: PO-77 is on its way to you now.</p>" * 2)).fields["order_number"] == "PO-77"
    )


def test_a_plain_part_with_a_third_of_the_words_is_not_the_text() -> None:
    intro = "Dear team, we send you the list of all vehicles that are insured. "
    rows = "".join(f"<tr><td>Vehicle {n}</td><td>plate{n} owner{n} depot{n}</td></tr>" for n in range(20))
    assert "depot19" in read(both(intro * 5, f"<p>{intro * 5}</p><table>{rows}</table>")).text


def test_a_total_that_only_the_html_has_is_read() -> None:
    reading = read(
        both("Your order PO-77 is on its way.", "<p>Your order PO-77 is on its way.<br>Total: 45.00 USD</p>")
    )
    assert reading.fields["total"] == {"amount": "45.00", "currency": "USD"}


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Dear team,\r\n\r\nplease call 77.", "<p>Dear team,</p><p>please call <b>77</b>.</p>"),
        ("Read https://a.example/1?x=2 and call.", '<p><a href="https://a.example/1?x=2">Read</a> and call.</p>'),
        ("* one\r\n* two <mailto:a@a.example>", "<ul><li>one</li><li>two</li></ul>"),
        ("All that we know, in twelve words, and then some more of them.", "<p>View online</p>"),
    ],
)
def test_a_plain_part_that_says_as_much_stays_the_text(text: str, html: str) -> None:
    assert read(both(text, html)).text == text.replace("\r\n", "\n")
