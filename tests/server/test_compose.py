"""Mails out of JSON: the standard library's parser must read back what was given."""

import base64
import time
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.compose import Address, Attachment, Letter, compose
from server.letter import LONGEST_VALUE, read_letter
from workitems.errors import InvalidChangeError
from workitems.identity import item_id, scan

FRESH = "<fresh@tubepost.invalid>"


def mail(**asked: Any) -> EmailMessage:
    """The mail that JSON becomes, read by another implementation."""
    return parsed(raw(**asked))


def raw(**asked: Any) -> bytes:
    return compose(read_letter({"from": "ada@example.com", "text": "hello"} | asked, fresh_id=FRESH))


def parsed(octets: bytes) -> EmailMessage:
    message = message_from_bytes(octets, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_small_letter_is_a_mail() -> None:
    message = mail(to=["bob@example.com"], cc="c@example.com, D <d@example.com>", subject="A claim")
    assert message["From"] == "ada@example.com"
    assert message["To"] == "bob@example.com"
    assert message["Cc"] == "c@example.com, D <d@example.com>"
    assert message["Subject"] == "A claim"
    assert message["Message-ID"] == FRESH
    assert message["Date"] is None
    assert message.get_content() == "hello\n" or message.get_content() == "hello"


def test_the_other_names_of_from_and_text_work() -> None:
    octets = compose(read_letter({"from_email": "a@b.example", "from_name": "Ada", "body": "x"}, fresh_id=FRESH))
    assert parsed(octets)["From"] == "Ada <a@b.example>"
    assert parsed(octets).get_content().strip() == "x"


def test_the_same_letter_gives_the_same_bytes() -> None:
    asked = {"message_id": "m1@example.com", "html": "<b>x</b>", "attachments": [{"filename": "a", "content": "QQ=="}]}
    assert raw(**asked) == raw(**asked)
    assert item_id("intake", raw(**asked)) == item_id("intake", raw(**asked))


def test_text_html_and_files_are_laid_out_as_mail_programs_do() -> None:
    attachments = [
        {"filename": "a.pdf", "content_type": "application/pdf", "content": base64.b64encode(b"%PDF").decode()}
    ]
    message = mail(html="<b>hello</b>", attachments=attachments)
    assert message.get_content_type() == "multipart/mixed"
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf",
    ]  # fmt: skip
    assert next(message.iter_attachments()).get_content() == b"%PDF"


def test_a_forwarded_mail_is_not_encoded_since_rfc_2046_forbids_it() -> None:
    inner = b"Subject: inner\r\n\r\nbody"
    attached = {"filename": "m.eml", "content_type": "message/rfc822", "content": base64.b64encode(inner).decode()}
    part = next(mail(attachments=[attached]).iter_attachments())
    assert part.get_content()["Subject"] == "inner"


NASTY = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=200)


@given(NASTY)
def test_any_subject_comes_back_as_it_was(subject: str) -> None:
    octets = raw(subject=subject)
    message = parsed(octets)
    if subject:
        assert "".join(_decoded(scan(octets)[b"subject"])) == subject
    assert message["From"] == "ada@example.com"
    assert message.get_content().strip() == "hello"


def _decoded(value: bytes) -> list[str]:
    """Encoded-words next to each other are one text (RFC 2047 §6.2); anything else stands for itself."""
    words = value.decode().split(" ")
    if words and words[0].startswith("=?utf-8?b?"):
        return [base64.b64decode(word[10:-2]).decode() for word in words]
    return [value.decode()]


@given(NASTY, NASTY)
def test_no_line_of_a_head_is_longer_than_the_standard_allows(subject: str, name: str) -> None:
    attachment = Attachment(name or "x", "text/plain", lambda: [b""])
    letter = Letter(FRESH, Address(name, "ada@example.com"), subject=subject, text="x", attachments=(attachment,))
    octets = compose(letter)
    head = octets.partition(b"\r\n\r\n")[0]
    assert all(len(line) <= 78 for line in head.split(b"\r\n"))
    assert b"\n" not in octets.replace(b"\r\n", b"")
    parsed(octets)


@given(NASTY)
def test_no_name_can_add_a_header_or_another_address(name: str) -> None:
    letter = Letter(FRESH, Address(name, "ada@example.com"), text="x")
    names = [
        line.split(b":")[0] for line in compose(letter).partition(b"\r\n\r\n")[0].split(b"\r\n") if line[:1] != b" "
    ]
    assert names == [b"Message-ID", b"From", b"MIME-Version", b"Content-Type", b"Content-Transfer-Encoding"]
    assert [address.addr_spec for address in parsed(compose(letter))["From"].addresses] == ["ada@example.com"]


@pytest.mark.parametrize("name", ["Ada", "Jörg Müller", 'O"Neil \\ Co', "田中 太郎" * 12, "a@b", "=?utf-8?b?QWRh?="])
def test_display_names_come_back(name: str) -> None:
    octets = compose(Letter(FRESH, Address(name, "ada@example.com"), text="x"))
    assert parsed(octets)["From"].addresses[0].addr_spec == "ada@example.com"
    # The newer parser of Python 3.11 keeps the folding between encoded-words of a phrase; the older one does not.
    shown = str(make_header(decode_header(scan(octets)[b"from"].decode())))
    assert parseaddr(shown)[0] == ("Ada" if name.startswith("=?") else name)


@pytest.mark.parametrize("name", ["a.pdf", 'quo"te.pdf', "Übersicht 2025 – final.pdf", "发票" * 60 + ".pdf", "%41.txt"])
def test_file_names_come_back(name: str) -> None:
    attached = {"filename": name, "content": "QQ=="}
    assert next(mail(attachments=[attached]).iter_attachments()).get_filename() == name[:255]


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_makes_a_mail_of_ascii_and_crlf(text: str, html: str) -> None:
    octets = raw(subject="s", text=text, html=html)
    octets.decode("ascii")
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert max(map(len, octets.split(b"\r\n"))) <= 998


@pytest.mark.parametrize(
    ("date", "shown"),
    [
        ("2025-11-22T09:30:00+01:00", "Sat, 22 Nov 2025 09:30:00 +0100"),
        ("2025-11-22T09:30:00Z", "Sat, 22 Nov 2025 09:30:00 +0000"),
        ("2025-11-22", "Sat, 22 Nov 2025 00:00:00 -0000"),
        ("Sat, 22 Nov 2025 09:30:00 +0100", "Sat, 22 Nov 2025 09:30:00 +0100"),
        ("22 Nov 2025 09:30 GMT", "22 Nov 2025 09:30 GMT"),
    ],
)
def test_dates_in_two_forms_are_accepted(date: str, shown: str) -> None:
    assert scan(raw(date=date))[b"date"].decode() == shown


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Case": "7", "References": "<a@x> <b@x>"},
        [["X-Case", "7"], ["References", "<a@x> <b@x>"]],
        [{"Name": "X-Case", "Value": "7"}, {"name": "References", "value": "<a@x> <b@x>"}],
    ],
)
def test_headers_in_the_forms_that_gateways_use_are_kept(headers: Any) -> None:
    message = mail(headers=headers)
    assert (message["X-Case"], message["References"]) == ("7", "<a@x> <b@x>")


def test_headers_stand_in_for_fields_that_were_not_given() -> None:
    headers = {
        "Message-ID": "<own@example.com>",
        "From": "=?utf-8?q?J=C3=B6rg?= <j@example.com>",
        "Subject": "=?utf-8?q?Gr=C3=BC=C3=9Fe?=",
        "Date": "not a date at all",
        "To": "undisclosed-recipients:;",
        "Content-Type": "text/html",
        "MIME-Version": "1.0",
    }
    message = parsed(compose(read_letter({"headers": headers, "text": "x"}, fresh_id=FRESH)))
    assert message["Message-ID"] == "<own@example.com>"
    assert message["From"].addresses[0].display_name == "Jörg"
    assert message["Subject"] == "Grüße"
    assert message["Date"] is None
    assert message["To"] is None
    assert message.get_content_type() == "text/plain"
    assert len(message.get_all("MIME-Version")) == 1


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"from": None}, "from"),
        ({"from": "Ada"}, "from"),
        ({"from": "a@b.c, d@e.f"}, "from"),
        ({"from": "ada@example.com\r\nBcc: x@example.com"}, "from"),
        ({"from_name": "Ada\nX: y"}, "from_name"),
        ({"to": 7}, "to"),
        ({"to": ["a@b.c", "nobody"]}, "to"),
        ({"to": ["a@b.c\nX: y"]}, "to"),
        ({"to": ["a@b.c"] * 501}, "to"),
        ({"subject": "a\rb"}, "subject"),
        ({"subject": "a\0b"}, "subject"),
        ({"subject": "x" * (LONGEST_VALUE + 1)}, "subject"),
        ({"subject": ["a"]}, "subject"),
        ({"text": 1}, "text"),
        ({"html": {}}, "html"),
        ({"text": "", "subject": ""}, "text"),
        ({"date": "yesterday"}, "date"),
        ({"date": "2025-11-22\n"}, None),
        ({"message_id": "a b"}, "message_id"),
        ({"message_id": "<a>\r\n<b>"}, "message_id"),
        ({"headers": 1}, "headers"),
        ({"headers": [["a"]]}, "headers"),
        ({"headers": {"a b": "c"}}, "headers"),
        ({"headers": {"a:b": "c"}}, "headers"),
        ({"headers": {"": "c"}}, "headers"),
        ({"headers": {"X": "a\nEvil: b"}}, "headers.X"),
        ({"headers": {"X": 1}}, "headers.X"),
        ({"headers": {f"X{n}": "a" for n in range(301)}}, "headers"),
        ({"attachments": {}}, "attachments"),
        ({"attachments": ["x"]}, "attachments[0]"),
        ({"attachments": [{"filename": "a"}]}, "attachments[0].content"),
        ({"attachments": [{"content": "%%"}]}, "attachments[0].content"),
        ({"attachments": [{"content": "QQ"}]}, "attachments[0].content"),
        ({"attachments": [{"content": "QQ==", "filename": "a\r\nX: y"}]}, "attachments[0].filename"),
        ({"attachments": [{"content": "QQ==", "content_type": "pdf"}]}, "attachments[0].content_type"),
        ({"attachments": [{"content": "QQ==", "content_type": "a/b\r\nX: y"}]}, "attachments[0].content_type"),
        ({"attachments": [{"content": "QQ==", "more": 1}]}, "attachments[0]"),
        ({"attachments": [{"content": "QQ=="}] * 101}, "attachments"),
    ],
)
def test_what_is_wrong_is_named(asked: Any, field: str | None) -> None:
    with pytest.raises(InvalidChangeError) as caught:
        raw(**asked)
    assert caught.value.field == (field or "date")


@pytest.mark.parametrize("to", ["<" * 9_999, '"' * 9_999, '"\\' * 4_999, '"a\\"' * 2_499, "a," * 4_999, "(" * 9_999])
def test_hostile_address_lists_cost_no_time(to: str) -> None:
    start = time.process_time()
    with pytest.raises(InvalidChangeError):
        raw(to=to)
    assert time.process_time() - start < 0.2
