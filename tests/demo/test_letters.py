"""Every letter makes a valid mail, a new one each time; together they are a sample of business mail."""

import csv
import email
import io
import random
import re
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.utils import getaddresses, parsedate_to_datetime

import pypdf
import pytest

from demo.letters import compose, letters

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)

each_letter = pytest.mark.parametrize("letter", letters(), ids=lambda letter: letter.name)


def composed(letter, *, serial=1, seed=1):
    return compose(letter, serial=serial, now=NOW, pick=random.Random(seed))


def parsed(raw):
    return email.message_from_bytes(raw, policy=policy.default)


def named(fragment):
    return next(letter for letter in letters() if fragment in letter.name)


def texts(message):
    parts = (part for part in message.walk() if part.get_content_maintype() == "text")
    return [(part.get_content_type(), part.get_content()) for part in parts]


def test_there_are_enough_letters():
    assert len(letters()) >= 20
    assert len({letter.name for letter in letters()}) == len(letters())


@each_letter
def test_a_letter_parses_without_a_defect(letter):
    message = parsed(composed(letter))

    for part in message.walk():
        assert part.defects == []
        assert [value.defects for _, value in part.items() if getattr(value, "defects", ())] == []


@each_letter
def test_every_line_ends_with_crlf_and_none_is_too_long(letter):
    for seed in range(5):
        raw = composed(letter, seed=seed)

        assert re.search(rb"(?<!\r)\n|\r(?!\n)|\0", raw) is None
        assert max(map(len, raw.split(b"\r\n"))) <= 998


@each_letter
def test_headers_are_ascii_and_folded(letter):
    head = composed(letter).partition(b"\r\n\r\n")[0]

    assert head.isascii()
    assert max(map(len, head.split(b"\r\n"))) <= 120


@each_letter
def test_no_template_is_left_unfilled(letter):
    for seed in range(12):  # every choice of names must fit the letter's charset
        message = parsed(composed(letter, seed=seed))
        for shown in [str(message["subject"]), *(text for _, text in texts(message))]:
            assert "{{" not in shown
            assert "\ufffd" not in shown


@each_letter
def test_the_same_letter_sent_again_is_another_mail(letter):
    first, again = composed(letter, seed=1), composed(letter, seed=2)

    assert parsed(first)["message-id"] != parsed(again)["message-id"]
    assert first.partition(b"\r\n\r\n")[2] != again.partition(b"\r\n\r\n")[2]
    assert parsed(composed(letter, serial=2, seed=1))["message-id"] != parsed(first)["message-id"]


@each_letter
def test_all_addresses_are_invented(letter):
    message = parsed(composed(letter))
    headers = [str(message[name]) for name in ("from", "to", "cc", "reply-to") if message[name]]

    assert all(address.endswith(".example") for _, address in getaddresses(headers))
    for _, text in texts(message):
        assert all(domain.endswith(".example") for domain in re.findall(r"@([\w.-]+\w)", text) if "." in domain)


@each_letter
def test_the_mail_was_sent_just_now(letter):
    sent = parsedate_to_datetime(parsed(composed(letter))["date"])

    assert timedelta(0) < NOW - sent < timedelta(minutes=1)


def test_the_answer_belongs_to_the_letter_that_it_answers():
    question, answer = (parsed(composed(letter)) for letter in (named("quote-request"), named("quote-request-answer")))

    assert question["in-reply-to"] is None
    assert answer["in-reply-to"] == answer["references"] == question["message-id"]
    assert answer["message-id"] != question["message-id"]
    assert answer["subject"] == f"Re: {question['subject']}"
    reference = re.search(r"Reference: (\S+)", question.get_content())[1]
    assert f"> Reference: {reference}" in answer.get_body(("plain",)).get_content()


def test_an_answer_comes_after_its_letter():
    names = [letter.name for letter in letters()]

    assert all(names.index(letter.answers.name) < names.index(letter.name) for letter in letters() if letter.answers)


def test_there_are_many_charsets_encodings_and_kinds():
    parts = [part for letter in letters() for part in parsed(composed(letter)).walk()]
    charsets = {part.get_content_charset() for part in parts}

    assert charsets >= {"us-ascii", "utf-8", "iso-8859-1", "iso-8859-2", "windows-1252", "iso-2022-jp"}
    assert {part["content-transfer-encoding"] for part in parts} >= {"7bit", "8bit", "quoted-printable", "base64"}
    assert {part.get_content_type() for part in parts} >= {
        *("text/plain", "text/html", "text/csv", "text/calendar", "application/pdf", "image/png"),
        *("multipart/mixed", "multipart/alternative", "multipart/related", "multipart/report"),
    }


def test_the_first_five_differ_in_language_layout_and_charset():
    first = [parsed(composed(letter)) for letter in letters()[:5]]

    assert len({letter.language for letter in letters()[:5]}) >= 3
    assert len({part.get_content_charset() for message in first for part in message.walk()} - {None}) >= 3
    assert any(message.get_body(("html",)) for message in first)
    assert any(list(message.iter_attachments()) for message in first if message.is_multipart())


def test_the_sums_of_the_purchase_order_add_up():
    text = parsed(composed(named("purchase-order"))).get_body(("plain",)).get_content()
    lines = [float(amount.replace(",", "")) for amount in re.findall(r"= ([\d,.]+)", text)]

    assert len(lines) == 3
    assert float(re.search(r"Total: USD ([\d,.]+)", text)[1].replace(",", "")) == pytest.approx(sum(lines))


def attached(fragment, kind):
    message = parsed(composed(named(fragment)))
    return next(part for part in message.walk() if part.get_content_type() == kind)


def test_the_pdf_has_real_text():
    part = attached("siniestro", "application/pdf")

    page = pypdf.PdfReader(io.BytesIO(part.get_content()), strict=True).pages[0].extract_text()

    assert part.get_filename() == "Presupuesto reparación.pdf"
    assert "Presupuesto de reparación" in page
    assert "€ (IVA incluido)" in page


def test_the_csv_file_is_valid_csv():
    rows = list(csv.reader(io.StringIO(attached("bordereau", "text/csv").get_content(), newline="")))

    assert {len(row) for row in rows} == {6}
    assert 'The "Copper Kettle" Café' in [row[1] for row in rows]


def test_the_picture_is_a_png_that_the_html_shows():
    picture = attached("ordine", "image/png")

    assert picture.get_content().startswith(b"\x89PNG\r\n\x1a\n")
    assert picture["content-id"] == "<logo>"
    assert 'src="cid:logo"' in parsed(composed(named("ordine"))).get_body(("html",)).get_content()


def test_automatic_mail_is_marked():
    bounce, away, news = (parsed(composed(named(name))) for name in ("bounce", "out-of-office", "newsletter"))

    assert bounce.get_content_type() == "multipart/report"
    assert bounce["return-path"] == "<>"
    status = next(part for part in bounce.walk() if part.get_content_type() == "message/delivery-status")
    assert [part["action"] for part in status.iter_parts()] == [None, "failed"]
    assert away["auto-submitted"] == "auto-replied"
    assert news["list-id"]
    assert news["list-unsubscribe"]


def test_letters_use_other_ways_of_writing():
    mails: dict[str, EmailMessage] = {letter.name[3:]: parsed(composed(letter)) for letter in letters()}

    def plain(name):
        return mails[name].get_body(("plain",)).get_content().replace("\r\n", "\n")

    assert re.search(r"^Certificate Number\nMC-", plain("cargo-label-above"), re.MULTILINE)
    assert "\nVon: " in plain("outlook-antwort")
    assert "---------- Forwarded message ---------\nFrom: " in plain("gmail-forward")
    assert ">>>>> " in plain("long-thread")
    assert mails["html-two-columns"].get_content_type() == "text/html"
    assert 'dir="rtl"' in mails["hebrew-claim"].get_body(("html",)).get_content()
    assert str(mails["support-request"]["subject"]).startswith("😕")
