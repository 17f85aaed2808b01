"""Mails made from JSON: the parser of the standard library must read back what was given."""

import base64
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.intake.json_mail import MAX_VALUE, parse_json_mail
from server.intake.mime_writer import Address, MailContent, MimeAttachment, write_content
from tests.support.cpu_time import cpu_seconds
from worker.reading import read
from worker.reading.attachments.library_guard import UNDECODABLE
from workitems.base.errors import InvalidChangeError
from workitems.intake.identity import item_id, scan_headers

FRESH = "<fresh@tubepost.invalid>"


def render_mail(content: MailContent) -> bytes:
    mail = BytesIO()
    write_content(content, mail.write)
    return mail.getvalue()


def mail(**asked: Any) -> EmailMessage:
    """Return the mail that JSON becomes, parsed by another implementation."""
    return parsed(raw(**asked))


def raw(**asked: Any) -> bytes:
    return render_mail(parse_json_mail({"from": "ada@example.com", "text": "hello"} | asked, fresh_id=FRESH))


def parsed(octets: bytes) -> EmailMessage:
    message = message_from_bytes(octets, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_json_becomes_a_mail() -> None:
    message = mail(to=["bob@example.com"], cc="c@example.com, D <d@example.com>", subject="A claim")
    assert message["From"] == "ada@example.com"
    assert message["To"] == "bob@example.com"
    assert message["Cc"] == "c@example.com, D <d@example.com>"
    assert message["Subject"] == "A claim"
    assert message["Message-ID"] == FRESH
    assert message["Date"] is None
    assert message.get_content() == "hello\n" or message.get_content() == "hello"


def test_from_email_and_body_are_accepted_too() -> None:
    octets = render_mail(
        parse_json_mail({"from_email": "a@b.example", "from_name": "Ada", "body": "x"}, fresh_id=FRESH)
    )
    assert parsed(octets)["From"] == "Ada <a@b.example>"
    assert parsed(octets).get_content().strip() == "x"


def test_the_same_json_gives_the_same_bytes() -> None:
    asked = {"message_id": "m1@example.com", "html": "<b>x</b>", "attachments": [{"filename": "a", "content": "QQ=="}]}
    assert raw(**asked) == raw(**asked)
    assert item_id("intake", raw(**asked)) == item_id("intake", raw(**asked))


def test_text_html_and_attachments_have_the_usual_mime_structure() -> None:
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
def test_any_subject_is_read_back_unchanged(subject: str) -> None:
    octets = raw(subject=subject)
    message = parsed(octets)
    if subject:
        assert "".join(_decoded(scan_headers(octets)[b"subject"])) == subject
    assert message["From"] == "ada@example.com"
    assert message.get_content().strip() == "hello"


def _decoded(value: bytes) -> list[str]:
    """Return the decoded words; adjacent encoded-words are one text (RFC 2047 §6.2)."""
    words = value.decode().split(" ")
    if words and words[0].startswith("=?utf-8?b?"):
        return [base64.b64decode(word[10:-2]).decode() for word in words]
    return [value.decode()]


@given(NASTY, NASTY)
def test_no_header_line_is_longer_than_the_standard_allows(subject: str, name: str) -> None:
    attachment = MimeAttachment(name or "x", "text/plain", lambda: [b""])
    content = MailContent(FRESH, Address(name, "ada@example.com"), subject=subject, text="x", attachments=(attachment,))
    octets = render_mail(content)
    head = octets.partition(b"\r\n\r\n")[0]
    assert all(len(line) <= 78 for line in head.split(b"\r\n"))
    assert b"\n" not in octets.replace(b"\r\n", b"")
    parsed(octets)


@given(NASTY)
def test_no_name_can_add_a_header_or_another_address(name: str) -> None:
    content = MailContent(FRESH, Address(name, "ada@example.com"), text="x")
    names = [
        line.split(b":")[0]
        for line in render_mail(content).partition(b"\r\n\r\n")[0].split(b"\r\n")
        if line[:1] != b" "
    ]
    assert names == [b"Message-ID", b"From", b"MIME-Version", b"Content-Type", b"Content-Transfer-Encoding"]
    assert [address.addr_spec for address in parsed(render_mail(content))["From"].addresses] == ["ada@example.com"]


@pytest.mark.parametrize("name", ["Ada", "Jörg Müller", 'O"Neil \\ Co', "田中 太郎" * 12, "a@b", "=?utf-8?b?QWRh?="])
def test_display_names_are_read_back_unchanged(name: str) -> None:
    octets = render_mail(MailContent(FRESH, Address(name, "ada@example.com"), text="x"))
    assert parsed(octets)["From"].addresses[0].addr_spec == "ada@example.com"
    # The newer parser of Python 3.11 keeps the folding between encoded-words of a phrase; the older one does not.
    shown = str(make_header(decode_header(scan_headers(octets)[b"from"].decode())))
    assert parseaddr(shown)[0] == ("Ada" if name.startswith("=?") else name)


@pytest.mark.parametrize("kind", ["application/pdf", "message/rfc822", "multipart/mixed; boundary=x", "text/plain"])
def test_a_file_that_cannot_be_decoded_is_a_part_with_its_name_and_no_content(kind: str) -> None:
    files = [{"filename": "Übersicht.pdf", "content_type": kind, "content": "%%"}, {"filename": "b", "content": "QQ"}]
    first, second = mail(attachments=files).iter_attachments()
    assert (first.get_filename(), first["X-Tubepost-Unread"]) == ("Übersicht.pdf", "undecodable")
    assert first.get_content_disposition() == "attachment"
    assert (second.get_filename(), second["X-Tubepost-Unread"], second.get_content()) == ("b", None, b"A")
    found = read(raw(attachments=files))
    assert [(file.name, file.content, file.unread) for file in found.attachments] == [
        ("Übersicht.pdf", b"", UNDECODABLE), ("b", b"A", None),
    ]  # fmt: skip
    assert "attachment_unread" in found.flags
    assert "hello" in found.text


@pytest.mark.parametrize("name", ["a.pdf", 'quo"te.pdf', "Übersicht 2025 – final.pdf", "发票" * 60 + ".pdf", "%41.txt"])
def test_file_names_are_read_back_unchanged(name: str) -> None:
    attached = {"filename": name, "content": "QQ=="}
    assert next(mail(attachments=[attached]).iter_attachments()).get_filename() == name[:255]


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_gives_a_mail_in_ascii_with_crlf(text: str, html: str) -> None:
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
    assert scan_headers(raw(date=date))[b"date"].decode() == shown


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Case": "7", "References": "<a@x> <b@x>"},
        [["X-Case", "7"], ["References", "<a@x> <b@x>"]],
        [{"Name": "X-Case", "Value": "7"}, {"name": "References", "value": "<a@x> <b@x>"}],
    ],
)
def test_headers_in_every_accepted_form_are_written(headers: Any) -> None:
    message = mail(headers=headers)
    assert (message["X-Case"], message["References"]) == ("7", "<a@x> <b@x>")


def test_headers_replace_fields_that_were_not_given() -> None:
    headers = {
        "Message-ID": "<own@example.com>",
        "From": "=?utf-8?q?J=C3=B6rg?= <j@example.com>",
        "Subject": "=?utf-8?q?Gr=C3=BC=C3=9Fe?=",
        "Date": "not a date at all",
        "To": "undisclosed-recipients:;",
        "Content-Type": "text/html",
        "MIME-Version": "1.0",
    }
    message = parsed(render_mail(parse_json_mail({"headers": headers, "text": "x"}, fresh_id=FRESH)))
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
        ({"subject": "x" * (MAX_VALUE + 1)}, "subject"),
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
        ({"attachments": [{"content": "QQ==", "filename": "a\r\nX: y"}]}, "attachments[0].filename"),
        ({"attachments": [{"content": "QQ==", "content_type": "pdf"}]}, "attachments[0].content_type"),
        ({"attachments": [{"content": "QQ==", "content_type": "a/b\r\nX: y"}]}, "attachments[0].content_type"),
        ({"attachments": [{"content": "QQ==", "more": 1}]}, "attachments[0]"),
        ({"attachments": [{"content": "QQ=="}] * 101}, "attachments"),
    ],
)
def test_an_error_names_the_wrong_field(asked: Any, field: str | None) -> None:
    with pytest.raises(InvalidChangeError) as caught:
        raw(**asked)
    assert caught.value.field == (field or "date")


@pytest.mark.parametrize("to", ["<" * 9_999, '"' * 9_999, '"\\' * 4_999, '"a\\"' * 2_499, "a," * 4_999, "(" * 9_999])
def test_a_hostile_address_list_costs_about_as_much_as_an_ordinary_one(to: str) -> None:
    def refused() -> None:
        with pytest.raises(InvalidChangeError):
            raw(to=to)

    ordinary = ", ".join(["ada@example.com"] * 499)
    assert cpu_seconds(refused) < 20 * cpu_seconds(lambda: raw(to=ordinary)), "it is 2; backtracking makes it 1,000s"
