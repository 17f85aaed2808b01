"""Every odd message of tests/messages is read in spite of its oddity."""

from pathlib import Path

import pytest

from worker.reading import Reading, read

MESSAGES = Path(__file__).parents[2] / "messages"
NAMES = sorted(path.stem for path in MESSAGES.glob("*.eml"))


def odd(name: str) -> Reading:
    return read((MESSAGES / f"{name}.eml").read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_an_odd_message_is_read_and_needs_no_review(name: str) -> None:
    assert "needs_review" not in odd(name).flags


def test_there_are_about_sixty_messages_and_the_table_names_each() -> None:
    table = (MESSAGES / "README.md").read_text()
    assert len(NAMES) >= 60
    assert [name for name in NAMES if f"`{name}.eml`" not in table] == []


def test_no_two_messages_have_the_same_identity_headers() -> None:
    readings = [odd(name) for name in NAMES]
    identities = {(reading.message_id, reading.date, reading.from_email, reading.subject) for reading in readings}
    assert len(identities) == len(NAMES)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("alternative-empty-plain", "Claim number: CL-5501"),
        ("base64-broken", "Hello world"),
        ("charset-broken-utf8", "größere Schäden"),
        ("charset-codec-trap", "\\u0041 plain"),
        ("charset-gb2312", "保单号码：镕 你好"),
        ("charset-iso-2022-jp", "こんにちは 世界"),
        ("charset-iso-8859-8-i", "שלום עולם"),
        ("charset-missing", "Grüße aus Köln"),
        ("charset-unknown", "Café in München"),
        ("charset-utf-7", "Hi Mom ☺!"),
        ("charset-wrong", "Prämie: 99,00 EUR"),
        ("encoding-unknown", "plain all the same"),
        ("format-flowed", "This line goes on in the next one."),
        ("html-hidden-preheader", "Visible text"),
        ("multipart-no-semicolon", "semicolon forgotten"),
        ("multipart-unclosed", "first half\n\nsecond half"),
        ("multipart-without-boundary", "inside text"),
        ("multipart-wrong-boundary", "under a boundary that was not announced"),
        ("no-blank-line", "Hello, this body follows"),
        ("quoted-printable-broken", "100% sure =ZZ odd line"),
    ],
)
def test_the_text_of_odd_messages_is_found(name: str, text: str) -> None:
    assert text in odd(name).text


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("alternative-stub-plain", "order_number", "PO-5502"),
        ("attachment-encoded-word", "policy_number", "OD-20001"),
        ("attachment-rfc2231", "claim_number", "CL-5503"),
        ("emoji-before-value", "policy_number", "OD-50001"),
        ("forwarded", "policy_number", "OD-30001"),
        ("forwarded-as-attachment", "claim_number", "CL-5505"),
        ("html-unclosed", "total", {"amount": "12.00", "currency": "EUR"}),
        ("reply-quoted", "policy_number", "OD-40002"),
        ("winmail", "claim_number", "CL-5504"),
    ],
)
def test_fields_of_odd_messages_are_found(name: str, field: str, value: object) -> None:
    assert odd(name).fields[field] == value


@pytest.mark.parametrize(
    ("name", "sender"),
    [
        ("from-encoded-whole", ("Jörg", "joerg@odd.example")),
        ("from-nested-comments", ("x", "deep@odd.example")),
        ("from-newline-in-word", ("Ann Bcc: x", "ann@odd.example")),
        ("from-no-address", ("The Front Desk Team", "")),
        ("no-from", ("", "")),
    ],
)
def test_the_sender_is_read_as_far_as_possible(name: str, sender: tuple[str, str]) -> None:
    assert (odd(name).from_name, odd(name).from_email) == sender


@pytest.mark.parametrize(
    "name", ["bom-before-headers", "blank-line-first", "mbox-line-first", "header-without-colon", "bare-lf"]
)
def test_headers_are_found_after_wrong_lines(name: str) -> None:
    assert odd(name).message_id == f"<{name}@odd.example>"
    assert odd(name).fields


@pytest.mark.parametrize("name", ["date-hour-29", "date-year-101", "date-words", "no-date"])
def test_an_impossible_date_is_none(name: str) -> None:
    assert odd(name).date is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [("bounce", "bounce"), ("auto-reply", "auto_reply"), ("mailing-list", "list"), ("outlook-suppress", "human")],
)
def test_automatic_mail_has_its_kind(name: str, kind: str) -> None:
    assert odd(name).kind == kind


def test_no_data_uri_is_in_the_text_and_only_the_image_is_on_the_page() -> None:
    reading = odd("html-data-uri")
    assert "data:" not in reading.text
    assert reading.html.count("data:image/png") == 1
    assert "data:text/html" not in reading.html
