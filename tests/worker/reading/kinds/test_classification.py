"""Automatic mail is classified by its most reliable signs; mail of people stays human."""

import pytest

from tests.worker.reading.mails import plain
from worker.reading import read


@pytest.mark.parametrize(
    ("head", "kind", "reason"),
    [
        ("", "human", "no sign of automatic mail"),
        ("X-Tubepost: 1\r\n", "human", "no sign of automatic mail"),
        ("Auto-Submitted: auto-replied (vacation)\r\n", "auto_reply", "header Auto-Submitted: auto-replied"),
        ("Auto-Submitted: no\r\n", "human", "no sign of automatic mail"),
        ("X-Autoreply: yes\r\n", "auto_reply", "header X-Autoreply"),
        ("Precedence: auto_reply\r\n", "auto_reply", "header Precedence: auto_reply"),
        ("Return-Path: <>\r\n", "human", "no sign of automatic mail"),
        (
            "Return-Path: <>\r\nAuto-Submitted: auto-generated\r\n",
            "bounce",
            "empty Return-Path, and header Auto-Submitted",
        ),
        ("Return-Path: <>\r\nAuto-Submitted: auto-replied\r\n", "auto_reply", "header Auto-Submitted: auto-replied"),
        ("X-Failed-Recipients: kim@firm.example\r\n", "bounce", "header X-Failed-Recipients"),
        ("List-Id: <l.example>\r\nPrecedence: bulk\r\n", "list", "header List-Id"),
        ("Precedence: bulk\r\n", "notification", "header Precedence: bulk"),
        ("Auto-Submitted: auto-generated\r\n", "notification", "header Auto-Submitted: auto-generated"),
        ("List-Unsubscribe: <mailto:x@y.example>\r\n", "notification", "header List-Unsubscribe"),
        ("X-Auto-Response-Suppress: All\r\n", "human", "no sign of automatic mail"),
    ],
)
def test_headers_decide_the_kind(head: str, kind: str, reason: str) -> None:
    reading = read(plain("hello", head=head))
    assert (reading.kind, reading.kind_reason) == (kind, reason)


@pytest.mark.parametrize(("value", "is_automatic"), [("auto-generated", True), ("no", False), ("No (a person)", False)])
def test_a_mail_says_whether_no_person_wrote_it(value: str, is_automatic: bool) -> None:
    reading = read(plain("hello", head=f"List-Id: <l.example>\r\nAuto-Submitted: {value}\r\n"))
    assert (reading.kind, reading.is_automatic) == ("list", is_automatic)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Undeliverable: offer", "hello"),
        ("Unzustellbar: Angebot", "hello"),
        ("A letter", "mx.example said: 550 5.1.1 no such user"),
        ("A letter", "Status: 5.1.1"),
    ],
)
def test_mail_without_return_path_is_a_bounce_if_a_mail_server_speaks(subject: str, text: str) -> None:
    reading = read(plain(text, subject=subject, head="Return-Path: <>\r\n"))
    assert (reading.kind, reading.kind_reason) == ("bounce", "empty Return-Path, and words of a mail server")


@pytest.mark.parametrize("text", ["The visit on 4.5.26 costs 550 EUR.", "Delivery of the 500 chairs"])
def test_mail_of_people_without_return_path_stays_human(text: str) -> None:
    assert read(plain(text, subject=text, head="Return-Path: <>\r\n")).kind == "human"


def test_a_person_who_forwards_a_report_with_its_parts_is_human() -> None:
    raw = (
        b"From: kim@firm.example\r\n%sContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nIt came back.\r\n"
        b"--x\r\nContent-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\n"
        b"--x\r\nContent-Type: message/disposition-notification\r\n\r\nDisposition: x; displayed\r\n--x--"
    )
    reading = read(raw % b"")
    assert (reading.kind, reading.bounce) == ("human", None)
    assert read(raw % b"Return-Path: <>\r\n").kind == "receipt"


def test_mail_of_the_mailer_daemon_is_a_bounce_and_of_no_reply_a_notification() -> None:
    assert read(b"From: MAILER-DAEMON@mx.example\r\n\r\ngone").kind == "bounce"
    assert read(b"From: no-reply@shop.example\r\n\r\nshipped").kind == "notification"


def test_an_automatic_reply_of_a_mail_server_is_a_bounce() -> None:
    head = "Return-Path: <>\r\nFrom: Mailer-Daemon@mx.example\r\nAuto-Submitted: auto-replied\r\n"
    assert read(f"{head}\r\nkim@firm.example is unknown".encode()).kind == "bounce"


def test_a_postmaster_who_is_away_sends_an_automatic_reply() -> None:
    head = "Return-Path: <>\r\nFrom: postmaster@firm.example\r\nSubject: Out of office until Monday\r\n"
    assert read(f"{head}\r\nback on Monday".encode()).kind == "auto_reply"


def test_a_delivery_report_is_a_bounce_and_a_disposition_notification_is_a_receipt() -> None:
    report = (
        b"From: a@b.example\r\nContent-Type: multipart/report; report-type=%s; boundary=x\r\n\r\n--x\r\n\r\nhi\r\n--x--"
    )
    assert read(report % b"delivery-status").kind == "bounce"
    assert read(report % b"disposition-notification").kind == "receipt"
    assert read(report % b"feedback-report").kind == "notification"


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("REQUEST", "invitation"),
        ("CANCEL", "invitation"),
        ("COUNTER", "invitation"),
        ("REPLY", "receipt"),
        ("PUBLISH", "human"),
    ],
)
def test_the_method_of_a_calendar_decides_the_kind(method: str, kind: str) -> None:
    calendar = f"BEGIN:VCALENDAR\r\nMETHOD:{method}\r\nBEGIN:VEVENT\r\nSUMMARY:Visit\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    head = f"From: a@b.example\r\nContent-Type: text/calendar; method={method}\r\n\r\n"
    assert read((head + calendar).encode()).kind == kind
