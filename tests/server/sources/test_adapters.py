"""What each service posts becomes the mail that was sent: by the parts or raw, with one identity."""

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

from server.sources import mailgun, postmark, sendgrid, ses
from server.sources.head import LONGEST
from server.sources.posted import Posted
from tests.support.forms import form
from worker.reading import read
from workitems.errors import InvalidChangeError
from workitems.identity import item_id

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


def written(write: Any, post: Any) -> tuple[bytes, Posted]:
    out = BytesIO()
    posted = write(post, out.write)
    return out.getvalue(), posted


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
    raw, posted = written(mailgun.write, form(*MAILGUN, PDF, ("content-id-map", b'{"<pic@x>": "attachment-1"}')))
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
    raw, posted = written(mailgun.write, form(("recipient", b"a@example.com"), ("body-mime", RAW)))
    assert raw == RAW
    assert posted.recipients == ("a@example.com",)


def test_mailgun_twice_gives_the_same_bytes() -> None:
    first, second = (written(mailgun.write, form(*MAILGUN, ("token", token)))[0] for token in (b"1", b"2"))
    assert first == second


@pytest.mark.parametrize("headers", [b"", b"{", b"7", b"[1, [2, 3], [4], null]", b"[" * 100_000])
def test_mailgun_with_odd_headers_is_a_mail_all_the_same(headers: bytes) -> None:
    fields = [("message-headers", headers), *MAILGUN[:-1], ("content-id-map", headers)]
    reading = read(written(mailgun.write, form(*fields))[0])
    assert reading.from_email == "j@example.com"
    assert reading.subject == "Grüße"
    assert "AB-123456" in reading.text


# --- SendGrid -------------------------------------------------------------------------------------------------------

ENVELOPE = ("envelope", b'{"to": ["submissions@example.com"], "from": "bounce@example.com"}')


def test_sendgrid_in_parts_is_the_mail_that_was_sent() -> None:
    info = json.dumps({"attachment1": {"content-id": "pic@x"}}).encode()
    fields = [("headers", HEAD), ("text", b"x"), ENVELOPE, ("attachment1", b"GIF", "p.gif", "image/gif"),
              ("attachment-info", info)]  # fmt: skip
    raw, posted = written(sendgrid.write, form(*fields))
    assert item_id("claims", raw) == item_id("claims", RAW)
    assert (posted.sender, posted.recipients) == ("bounce@example.com", ("submissions@example.com",))
    assert parsed(raw).get_all("MIME-Version") == ["1.0"]
    assert next(parsed(raw).iter_attachments())["Content-ID"] == "<pic@x>"


def test_sendgrid_raw_is_the_mail_itself() -> None:
    assert written(sendgrid.write, form(("email", RAW), ENVELOPE))[0] == RAW


def test_sendgrids_charsets_say_what_the_octets_of_each_field_are() -> None:
    charsets = {"text": "windows-1251", "html": "shift_jis", "subject": "iso-8859-2", "from": "utf-8", "to": "UTF-8"}
    fields = [
        ("charsets", json.dumps(charsets).encode()),
        ("from", "Jörg <j@example.com>".encode()),
        ("subject", "Łódź".encode("iso-8859-2")),
        ("text", "Номер полиса".encode("windows-1251")),
        ("html", "<p>保険</p>".encode("shift_jis")),
    ]
    reading = read(written(sendgrid.write, form(*fields))[0])
    assert reading.subject == "Łódź"
    assert reading.from_name == "Jörg"
    assert reading.text.strip() == "Номер полиса"
    assert "保険" in reading.html


@pytest.mark.parametrize("declared", ['utf-8"\r\nX: y', "idna", "nonsense", "", 7])
def test_a_charset_that_is_none_does_no_harm(declared: Any) -> None:
    charsets = json.dumps({"text": declared, "subject": declared}).encode()
    raw = written(sendgrid.write, form(("charsets", charsets), ("text", b"caf\xe9"), ("subject", b"\xe9t\xe9")))[0]
    assert b"\nX: y" not in raw
    assert read(raw).text.startswith("caf")


@pytest.mark.parametrize("odd", [b"", b"[]", b"{", b'{"to": 7}', b"\xff"])
def test_an_odd_post_of_sendgrid_is_a_mail_all_the_same(odd: bytes) -> None:
    fields = [("text", b"hello"), ("envelope", odd), ("charsets", odd), ("attachment-info", odd), ("headers", odd)]
    assert read(written(sendgrid.write, form(*fields))[0]).text.strip() == "hello"


def test_a_head_without_end_is_cut_behind_what_identifies_the_mail() -> None:
    long = b"".join(b"X-%d: %s\r\n" % (n, b"x" * 900) for n in range(1_000))
    raw = written(sendgrid.write, form(("headers", HEAD + long), ("text", b"x")))[0]
    assert item_id("claims", raw) == item_id("claims", RAW)
    assert len(raw) < LONGEST + 2_000


@pytest.mark.parametrize("value", [b"a\0b", b"a\rb: c", b"\xff\xfe", b"x" * 5_000])
def test_no_header_can_add_another_one(value: bytes) -> None:
    raw = written(mailgun.write, form(("message-headers", json.dumps([["X-A", value.decode("latin-1")]]).encode())))[0]
    names = [line.split(b":")[0] for line in raw.partition(b"\r\n\r\n")[0].split(b"\r\n") if line[:1] != b" "]
    assert names == [b"X-A", b"MIME-Version", b"Content-Type", b"Content-Transfer-Encoding"]


@pytest.mark.parametrize("write", [mailgun.write, sendgrid.write])
def test_a_form_of_something_else_is_no_mail(write: Any) -> None:
    with pytest.raises(InvalidChangeError):
        written(write, form(("a", b"b")))


ODD = st.binary(max_size=60) | st.sampled_from(
    [b"{", b"[]", b'{"to": [7, "\\ud800"], "from": "\\ud800"}', b"[[1]]", HEAD]
)
NAMES = ["sender", "recipient", "from", "to", "cc", "subject", "text", "html", "headers", "envelope", "charsets",
         "attachment-info", "body-plain", "body-html", "message-headers", "content-id-map", "token"]  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), ODD), ODD)
def test_whatever_a_form_holds_it_becomes_a_mail_or_is_refused(fields: dict[str, bytes], file: bytes) -> None:
    post = form(*fields.items(), ("attachment-1", file, "x\ud800".encode("utf-8", "replace").decode(), "a/b; c"))
    for write in (mailgun.write, sendgrid.write):
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
    raw, posted = written(postmark.write, posted_json())
    assert item_id("claims", raw) == item_id("claims", sent)
    assert (posted.sender, posted.recipients) == ("b@x.example", ("hash@inbound.postmarkapp.com",))
    reading = read(raw)
    assert (reading.from_email, reading.from_name, reading.subject) == ("ada@example.com", "Ada Lovelace", "A claim")
    assert [(file.name, file.content) for file in reading.attachments] == [("a.pdf", b"%PDF")]


def test_postmark_raw_is_the_mail_itself() -> None:
    assert written(postmark.write, posted_json(RawEmail=RAW.decode()))[0] == RAW


@pytest.mark.parametrize(
    "other",
    [{"Headers": 7}, {"Headers": [7, {"Name": 1}]}, {"FromFull": "x"}, {"Attachments": {"a": 1}}, {"Date": ["x"]},
     {"Subject": "a\r\nBcc: x@y.z"}, {"FromFull": {"Name": "a\r\nX: y", "Email": "a@b.c"}}, {"HtmlBody": 7}],
)  # fmt: skip
def test_an_odd_post_of_postmark_is_a_mail_all_the_same(other: dict[str, Any]) -> None:
    raw = written(postmark.write, posted_json(**other))[0]
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
def test_whatever_postmark_posts_it_becomes_a_mail_or_is_refused(other: dict[str, Any]) -> None:
    try:
        raw, posted = written(postmark.write, posted_json(**other))
    except InvalidChangeError:
        return
    json.dumps(asdict(posted), ensure_ascii=False).encode()
    assert raw


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"{}", b'{"a": 1}', b"[" * 100_000, b"[" + b"{}," * 1_000_000])
def test_what_postmark_would_not_post_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidChangeError):
        written(postmark.write, raw)


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
    raw, posted = written(ses.write, received())
    assert raw == RAW
    assert (posted.sender, posted.recipients) == ("bounce@example.com", ("submissions@example.com",))
    assert written(ses.write, received(receipt={"action": {"encoding": "UTF-8"}}, content=RAW.decode()))[0] == RAW


def test_a_mail_that_ses_laid_elsewhere_is_known_by_its_head() -> None:
    raw, posted = written(ses.write, received(content=None))
    assert item_id("claims", raw) == item_id("claims", RAW)
    assert posted.headers_only


@pytest.mark.parametrize("text", ["Successfully validated SNS topic", "{", "[]", '{"notificationType": "Bounce"}'])
def test_what_tells_of_no_mail_is_none(text: str) -> None:
    assert ses.write(text, lambda _: None) is None


def test_content_that_is_not_in_its_encoding_is_refused() -> None:
    with pytest.raises(InvalidChangeError):
        written(ses.write, received(content="%%%"))
