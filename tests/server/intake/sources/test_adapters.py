"""Every service's request becomes the mail that was sent: from its parts or raw, with one item id."""

import base64
import json
from dataclasses import asdict
from email import message_from_bytes, policy
from email.message import EmailMessage
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.intake.sources import mailgun, postmark, sendgrid, ses
from server.intake.sources.envelope import MAX_MISSING, PostedEnvelope
from server.intake.sources.header_block import MAX_HEADERS
from tests.support.forms import Field, form
from worker.reading import read
from worker.reading.attachments.library_guard import DAMAGED, DID_NOT_COME, NO_CONTENT, UNDECODABLE
from workitems.base.errors import InvalidChangeError
from workitems.intake.identity import item_id

HEAD = (
    b"Received: from a by b;\r\n Sat, 22 Nov 2025 09:30:01 +0000\r\n"
    b"Message-ID:\r\n <one@example.com>\r\n"
    b"From: =?utf-8?q?J=C3=B6rg_M=C3=BCller?= <j@example.com>\r\n"
    b"To: submissions@example.com\r\n"
    b"Date:  Sat, 22 Nov 2025 09:30:00 +0000\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n  and a folded rest of a subject that is long enough to be folded\r\n"
    b"MIME-Version: 1.0\r\n"
)
RAW = HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\nPolicy Number: AB-123456\r\n"
PAIRS = [
    [name, " ".join(value.split())]
    for name, _, value in (line.partition(":") for line in HEAD.decode().replace("\r\n ", " ").split("\r\n") if line)
]
PDF = ("attachment-1", b"%PDF-\x00\xff", "a b.pdf", "application/pdf")


def written(write: Any, post: Any) -> tuple[bytes, PostedEnvelope]:
    out = BytesIO()
    posted = write(post, out.write)
    return out.getvalue(), posted


def files(raw: bytes) -> list[tuple[str, bytes, str | None]]:
    """Return name, content and the reason why it was not read, of each file; a PDF of these tests has no text."""
    found = read(raw).attachments
    return [(file.name, file.content, None if file.unread == DAMAGED else file.unread) for file in found]


def parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


# --- Mailgun --------------------------------------------------------------------------------------------------------

MAILGUN = [
    ("sender", b"bounce@example.com"),
    ("recipient", b"submissions@example.com, claims@example.com"),
    ("from", "Jörg Müller <j@example.com>".encode()),
    ("subject", "Grüße".encode()),
    ("body-plain", b"Policy Number: AB-123456"),
    ("body-html", b"<p>Policy Number: AB-123456</p>"),
    ("stripped-text", b"cut"),
    ("message-headers", json.dumps(PAIRS).encode()),
]


def test_mailgun_in_parts_is_the_mail_that_was_sent() -> None:
    raw, posted = written(mailgun.convert, form(*MAILGUN, PDF, ("content-id-map", b'{"<pic@x>": "attachment-1"}')))
    assert item_id("claims", raw) == item_id("claims", RAW)
    assert posted.sender == "bounce@example.com"
    assert posted.recipients == ("submissions@example.com", "claims@example.com")
    message = parsed(raw)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf",
    ]  # fmt: skip
    file = next(message.iter_attachments())
    assert (file.get_filename(), file["Content-ID"]) == ("a b.pdf", "<pic@x>")
    assert file.get_content() == b"%PDF-\x00\xff"
    reading = read(raw)
    assert (reading.subject[:5], reading.from_name) == ("Grüße", "Jörg Müller")
    assert "cut" not in reading.text


def test_mailgun_raw_is_the_mail_itself() -> None:
    raw, posted = written(mailgun.convert, form(("recipient", b"a@example.com"), ("body-mime", RAW)))
    assert raw == RAW
    assert posted.recipients == ("a@example.com",)


def test_the_same_request_of_mailgun_gives_the_same_bytes() -> None:
    first, second = (written(mailgun.convert, form(*MAILGUN, ("token", token)))[0] for token in (b"1", b"2"))
    assert first == second


@pytest.mark.parametrize("headers", [b"", b"{", b"7", b"[1, [2, 3], [4], null]", b"[" * 100_000])
def test_odd_headers_of_mailgun_still_give_a_mail(headers: bytes) -> None:
    fields = [("message-headers", headers), *MAILGUN[:-1], ("content-id-map", headers)]
    reading = read(written(mailgun.convert, form(*fields))[0])
    assert reading.from_email == "j@example.com"
    assert reading.subject == "Grüße"
    assert "AB-123456" in reading.text


STORED = json.dumps([
    {"url": "https://mailgun.example/1", "name": "a b.pdf", "size": 9, "content-type": "application/pdf"},
    {"url": "https://mailgun.example/2", "name": "c\r\nd.docx", "size": 9, "content-type": "x"},
]).encode()  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ([("attachments", STORED)], ["a b.pdf", "c d.docx"]),
        ([("attachments", STORED), ("attachment-count", b"3")], ["a b.pdf", "c d.docx", "attachment"]),
        ([("attachments", STORED), PDF], ["c d.docx"]),
        ([("attachments", STORED), PDF, PDF], []),
        ([("attachment-count", b"2")], ["attachment", "attachment"]),
        ([("attachment-count", b"2"), PDF], ["attachment"]),
        ([("attachment-count", b"1"), PDF], []),
        ([("attachment-count", b"0"), PDF], []),
        ([("attachment-count", b"-1")], []),
        ([("attachment-count", "²".encode())], []),
        ([("attachments", b'[7, {"name": 7}, "x"]')], ["7"]),
        ([("attachments", b"[" * 100_000)], []),
    ],
)
def test_files_that_mailgun_announces_and_does_not_post_are_listed_as_unread(
    fields: list[Field], missing: list[str]
) -> None:
    found = files(written(mailgun.convert, form(*MAILGUN, *fields))[0])
    posted = sum(len(field) > 2 for field in fields)
    assert found[:posted] == [("a b.pdf", b"%PDF-\x00\xff", None)] * posted
    assert found[posted:] == [(name, b"", DID_NOT_COME) for name in missing]


def test_an_empty_file_of_mailgun_is_unread() -> None:
    raw = written(mailgun.convert, form(*MAILGUN, ("attachment-1", b"", "a.pdf", "application/pdf")))[0]
    assert files(raw) == [("a.pdf", b"", NO_CONTENT)]


def test_a_file_without_a_name_is_no_text_of_the_form() -> None:
    raw = written(mailgun.convert, form(*MAILGUN, ("attachment-count", b"1"), ("attachment-1", b"%PDF")))[0]
    assert files(raw) == [("attachment", b"%PDF", None)]


@pytest.mark.parametrize("announced", [b"9" * 500, b"[" + b"{}," * 300_000 + b"{}]"])
def test_the_files_that_a_form_can_announce_are_bounded(announced: bytes) -> None:
    fields = [("from", b"a@b.c"), *((name, announced) for name in ("attachment-count", "attachments"))]
    for write in (mailgun.convert, sendgrid.convert):
        raw = written(write, form(*fields))[0]
        assert len(files(raw)) <= MAX_MISSING


# --- SendGrid -------------------------------------------------------------------------------------------------------

ENVELOPE = ("envelope", b'{"to": ["submissions@example.com"], "from": "bounce@example.com"}')


def test_sendgrid_in_parts_is_the_mail_that_was_sent() -> None:
    info = json.dumps({"attachment1": {"content-id": "pic@x"}}).encode()
    fields = [("headers", HEAD), ("text", b"x"), ENVELOPE, ("attachment1", b"GIF", "p.gif", "image/gif"),
              ("attachment-info", info)]  # fmt: skip
    raw, posted = written(sendgrid.convert, form(*fields))
    assert item_id("claims", raw) == item_id("claims", RAW)
    assert (posted.sender, posted.recipients) == ("bounce@example.com", ("submissions@example.com",))
    assert parsed(raw).get_all("MIME-Version") == ["1.0"]
    assert next(parsed(raw).iter_attachments())["Content-ID"] == "<pic@x>"


def test_files_that_sendgrid_announces_and_does_not_post_are_listed_as_unread() -> None:
    info = {
        "attachment1": {"filename": "a.pdf", "name": "a.pdf", "type": "application/pdf"},
        "attachment2": {"name": "b.gif", "type": "image/gif", "content-id": "pic@x"},
        "attachment3": 7,
    }
    fields = [("headers", HEAD), ("text", b"x"), ("attachments", b"4"), ("attachment-info", json.dumps(info).encode()),
              ("attachment1", b"%PDF", "a.pdf", "application/pdf"), ("attachment4", b"", "d", "a/b")]  # fmt: skip
    assert files(written(sendgrid.convert, form(*fields))[0]) == [
        ("a.pdf", b"%PDF", None),
        ("d", b"", NO_CONTENT),
        ("b.gif", b"", DID_NOT_COME),
        ("attachment", b"", DID_NOT_COME),
    ]


def test_sendgrid_raw_is_the_mail_itself() -> None:
    assert written(sendgrid.convert, form(("email", RAW), ENVELOPE))[0] == RAW


def test_sendgrids_charsets_are_applied_to_each_field() -> None:
    charsets = {"text": "windows-1251", "html": "shift_jis", "subject": "iso-8859-2", "from": "utf-8", "to": "UTF-8"}
    fields = [
        ("charsets", json.dumps(charsets).encode()),
        ("from", "Jörg <j@example.com>".encode()),
        ("subject", "Łódź".encode("iso-8859-2")),
        ("text", "Номер полиса".encode("windows-1251")),
        ("html", "<p>保険</p>".encode("shift_jis")),
    ]
    reading = read(written(sendgrid.convert, form(*fields))[0])
    assert reading.subject == "Łódź"
    assert reading.from_name == "Jörg"
    assert reading.text.strip() == "Номер полиса"
    assert "保険" in reading.html


@pytest.mark.parametrize("declared", ['utf-8"\r\nX: y', "idna", "nonsense", "", 7])
def test_an_invalid_charset_does_no_harm(declared: Any) -> None:
    charsets = json.dumps({"text": declared, "subject": declared}).encode()
    raw = written(sendgrid.convert, form(("charsets", charsets), ("text", b"caf\xe9"), ("subject", b"\xe9t\xe9")))[0]
    assert b"\nX: y" not in raw
    assert read(raw).text.startswith("caf")


@pytest.mark.parametrize("odd", [b"", b"[]", b"{", b'{"to": 7}', b"\xff"])
def test_an_odd_request_of_sendgrid_still_gives_a_mail(odd: bytes) -> None:
    fields = [("text", b"hello"), ("envelope", odd), ("charsets", odd), ("attachment-info", odd), ("headers", odd)]
    assert read(written(sendgrid.convert, form(*fields))[0]).text.strip() == "hello"


def test_too_many_headers_are_dropped_after_those_that_identify_the_mail() -> None:
    long = b"".join(b"X-%d: %s\r\n" % (n, b"x" * 900) for n in range(1_000))
    raw = written(sendgrid.convert, form(("headers", HEAD + long), ("text", b"x")))[0]
    assert item_id("claims", raw) == item_id("claims", RAW)
    assert len(raw) < MAX_HEADERS + 2_000


@pytest.mark.parametrize("value", [b"a\0b", b"a\rb: c", b"\xff\xfe", b"x" * 5_000])
def test_no_header_can_add_another_one(value: bytes) -> None:
    raw = written(mailgun.convert, form(("message-headers", json.dumps([["X-A", value.decode("latin-1")]]).encode())))[
        0
    ]
    names = [line.split(b":")[0] for line in raw.partition(b"\r\n\r\n")[0].split(b"\r\n") if line[:1] != b" "]
    assert names == [b"X-A", b"MIME-Version", b"Content-Type", b"Content-Transfer-Encoding"]


@pytest.mark.parametrize("write", [mailgun.convert, sendgrid.convert])
def test_a_form_without_a_mail_is_refused(write: Any) -> None:
    with pytest.raises(InvalidChangeError):
        written(write, form(("a", b"b")))


ODD = st.binary(max_size=60) | st.sampled_from(
    [b"{", b"[]", b'{"to": [7, "\\ud800"], "from": "\\ud800"}', b"[[1]]", HEAD]
)
NAMES = ["sender", "recipient", "from", "to", "cc", "subject", "text", "html", "headers", "envelope", "charsets",
         "attachment-info", "body-plain", "body-html", "message-headers", "content-id-map", "token"]  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), ODD), ODD)
def test_any_form_becomes_a_mail_or_is_refused(fields: dict[str, bytes], file: bytes) -> None:
    post = form(*fields.items(), ("attachment-1", file, "x\ud800".encode("utf-8", "replace").decode(), "a/b; c"))
    for write in (mailgun.convert, sendgrid.convert):
        try:
            raw, posted = written(write, post)
        except InvalidChangeError:
            continue
        json.dumps(asdict(posted), ensure_ascii=False).encode()
        assert parsed(raw)["MIME-Version"] == "1.0"


# --- Postmark -------------------------------------------------------------------------------------------------------

POSTMARK: dict[str, Any] = {
    "FromName": "Ada Lovelace",
    "From": "ada@example.com",
    "FromFull": {"Email": "ada@example.com", "Name": "Ada Lovelace", "MailboxHash": ""},
    "To": "submissions@example.com",
    "OriginalRecipient": "hash@inbound.postmarkapp.com",
    "Subject": "A claim",
    "MessageID": "22c74902-a0c1-4511-804f-341342852c90",
    "Date": "Sat, 22 Nov 2025 09:30:00 +0000",
    "TextBody": "Policy Number: AB-123456",
    "HtmlBody": "<p>Policy Number: AB-123456</p>",
    "Headers": [
        {"Name": "Message-ID", "Value": "<one@example.com>"},
        {"Name": "Return-Path", "Value": "<b@x.example>"},
    ],
    "Attachments": [{"Name": "a.pdf", "Content": base64.b64encode(b"%PDF").decode(), "ContentType": "application/pdf"}],
}


def posted_json(**other: Any) -> bytes:
    return json.dumps(POSTMARK | other).encode()


def test_postmark_in_parts_is_the_mail_that_was_sent() -> None:
    sent = (
        b"Message-ID: <one@example.com>\r\nDate: Sat, 22 Nov 2025 09:30:00 +0000\r\n"
        b"From: Ada Lovelace <ada@example.com>\r\nSubject: A claim\r\n\r\nPolicy Number: AB-123456\r\n"
    )
    raw, posted = written(postmark.convert, posted_json())
    assert item_id("claims", raw) == item_id("claims", sent)
    assert (posted.sender, posted.recipients) == ("b@x.example", ("hash@inbound.postmarkapp.com",))
    reading = read(raw)
    assert (reading.from_email, reading.from_name, reading.subject) == ("ada@example.com", "Ada Lovelace", "A claim")
    assert [(file.name, file.content) for file in reading.attachments] == [("a.pdf", b"%PDF")]


@pytest.mark.parametrize(
    ("entry", "name", "reason"),
    [
        ({"Name": "a.pdf", "Content": "%%%"}, "a.pdf", UNDECODABLE),
        ({"Name": "a.pdf", "Content": "QUJD-RE"}, "a.pdf", None),
        ({"Name": "a.pdf", "Content": "Q"}, "a.pdf", UNDECODABLE),
        ({"Name": "a.pdf", "Content": "QQ==QQ=="}, "a.pdf", UNDECODABLE),
        ({"Name": "a.pdf", "Content": "Äpfel"}, "a.pdf", UNDECODABLE),
        ({"Name": "a.pdf", "Content": "\ud800"}, "a.pdf", UNDECODABLE),
        ({"Name": "a.pdf", "Content": 7}, "a.pdf", UNDECODABLE),
        ({"Name": "a.pdf", "Content": {"data": [1]}}, "a.pdf", UNDECODABLE),
        ({"Name": "a.pdf", "Content": ""}, "a.pdf", NO_CONTENT),
        ({"Name": "a.pdf", "Content": " \r\n"}, "a.pdf", NO_CONTENT),
        ({"Name": "a.pdf", "Content": None}, "a.pdf", NO_CONTENT),
        ({"Name": "a.pdf"}, "a.pdf", NO_CONTENT),
        ({"Name": "p.gif", "ContentType": "image/gif", "ContentID": "pic@x"}, "p.gif", NO_CONTENT),
        ({"Name": 7, "Content": 7}, "attachment", UNDECODABLE),
        (None, "attachment", NO_CONTENT),
        ("a.pdf", "attachment", NO_CONTENT),
    ],
)
def test_a_file_of_postmark_that_cannot_be_decoded_costs_neither_the_mail_nor_other_files(
    entry: Any, name: str, reason: str | None
) -> None:
    other = {"Attachments": [entry, *POSTMARK["Attachments"]], "HtmlBody": '<img src="cid:pic@x">AB-123456'}
    raw = written(postmark.convert, posted_json(**other))[0]
    assert [(found, why) for found, _, why in files(raw)] == [(name, reason), ("a.pdf", None)]
    assert "AB-123456" in read(raw).text


def test_attachments_of_postmark_in_another_form_are_one_file() -> None:
    raw = written(postmark.convert, posted_json(Attachments=POSTMARK["Attachments"][0]))[0]
    assert files(raw) == [("a.pdf", b"%PDF", None)]
    assert files(written(postmark.convert, posted_json(Attachments="a.pdf"))[0]) == [("attachment", b"", NO_CONTENT)]
    assert files(written(postmark.convert, posted_json(Attachments=None))[0]) == []


def test_postmark_raw_is_the_mail_itself() -> None:
    assert written(postmark.convert, posted_json(RawEmail=RAW.decode()))[0] == RAW


@pytest.mark.parametrize(
    "other",
    [{"Headers": 7}, {"Headers": [7, {"Name": 1}]}, {"FromFull": "x"}, {"Attachments": {"a": 1}}, {"Date": ["x"]},
     {"Subject": "a\r\nBcc: x@y.z"}, {"FromFull": {"Name": "a\r\nX: y", "Email": "a@b.c"}}, {"HtmlBody": 7}],
)  # fmt: skip
def test_an_odd_request_of_postmark_still_gives_a_mail(other: dict[str, Any]) -> None:
    raw = written(postmark.convert, posted_json(**other))[0]
    assert "AB-123456" in read(raw).text
    assert b"\nBcc" not in raw
    assert b"\nX:" not in raw


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30) | st.sampled_from(["\ud800", "QQ==", "a@b.c"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Name", "Value", "Email", "Content", "ContentType", "ContentID"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from([*POSTMARK, "Cc", "ReplyTo", "RawEmail"]), ANYTHING))
def test_any_json_of_postmark_becomes_a_mail_or_is_refused(other: dict[str, Any]) -> None:
    try:
        raw, posted = written(postmark.convert, posted_json(**other))
    except InvalidChangeError:
        return
    json.dumps(asdict(posted), ensure_ascii=False).encode()
    assert raw


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"{}", b'{"a": 1}', b"[" * 100_000, b"[" + b"{}," * 1_000_000])
def test_a_body_that_is_not_postmarks_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidChangeError):
        written(postmark.convert, raw)


# --- Amazon SES -----------------------------------------------------------------------------------------------------


def received(**other: Any) -> str:
    return json.dumps({
        "notificationType": "Received",
        "receipt": {"recipients": ["submissions@example.com"], "action": {"type": "SNS", "encoding": "BASE64"}},
        "mail": {"source": "bounce@example.com", "destination": ["x@example.com"],
                 "headers": [{"name": name, "value": value} for name, value in PAIRS]},
        "content": base64.b64encode(RAW).decode(),
    } | other)  # fmt: skip


def test_ses_in_both_encodings_is_the_mail_itself() -> None:
    raw, posted = written(ses.convert, received())
    assert raw == RAW
    assert (posted.sender, posted.recipients) == ("bounce@example.com", ("submissions@example.com",))
    assert written(ses.convert, received(receipt={"action": {"encoding": "UTF-8"}}, content=RAW.decode()))[0] == RAW


def test_a_mail_that_ses_stored_in_s3_is_known_by_its_headers() -> None:
    raw, posted = written(ses.convert, received(content=None))
    assert item_id("claims", raw) == item_id("claims", RAW)
    assert posted.headers_only


@pytest.mark.parametrize("text", ["Successfully validated SNS topic", "{", "[]", '{"notificationType": "Bounce"}'])
def test_a_notification_about_no_mail_gives_none(text: str) -> None:
    assert ses.convert(text, lambda _: None) is None


def test_ses_content_in_base64_may_have_line_breaks() -> None:
    folded = base64.encodebytes(RAW).decode().replace("\n", "\r\n").rstrip("=\r\n")
    assert written(ses.convert, received(content=folded))[0] == RAW


@pytest.mark.parametrize("content", ["%%%", "Q", 7, {"a": 1}, ["QQ=="]])
def test_ses_content_that_cannot_be_decoded_becomes_a_mail_of_its_headers(content: Any) -> None:
    raw, posted = written(ses.convert, received(content=content))
    assert item_id("claims", raw) == item_id("claims", RAW)
    assert raw.endswith(b"\r\n\r\n" + (content.encode() if isinstance(content, str) else b""))
    assert posted.headers_only
