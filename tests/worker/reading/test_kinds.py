"""Machine mail is named by its surest signs; mail of people stays human."""

import pytest

from tests.worker.reading.letters import plain
from worker.reading import read


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        ("", "human"),
        ("X-Tubepost: 1\r\nAuto-Submitted: auto-generated\r\n", "own"),
        ("Auto-Submitted: auto-replied (vacation)\r\n", "auto_reply"),
        ("Auto-Submitted: no\r\n", "human"),
        ("X-Autoreply: yes\r\n", "auto_reply"),
        ("Precedence: auto_reply\r\n", "auto_reply"),
        ("Return-Path: <>\r\n", "bounce"),
        ("Return-Path: <>\r\nAuto-Submitted: auto-replied\r\n", "auto_reply"),
        ("List-Id: <l.example>\r\nPrecedence: bulk\r\n", "list"),
        ("Precedence: bulk\r\n", "notification"),
        ("Auto-Submitted: auto-generated\r\n", "notification"),
        ("List-Unsubscribe: <mailto:x@y.example>\r\n", "notification"),
        ("X-Auto-Response-Suppress: All\r\n", "human"),
    ],
)
def test_headers_tell_the_kind(head: str, kind: str) -> None:
    assert read(plain("hello", head=head)).kind == kind


def test_the_mailer_daemon_bounces_and_no_reply_notifies() -> None:
    assert read(b"From: MAILER-DAEMON@mx.example\r\n\r\ngone").kind == "bounce"
    assert read(b"From: no-reply@shop.example\r\n\r\nshipped").kind == "notification"


@pytest.mark.parametrize(
    "subject", ["Automatic reply: your mail", "Abwesenheitsnotiz", "Out of Office", "Réponse automatique : absent"]
)
def test_subjects_of_absence_are_auto_replies(subject: str) -> None:
    assert read(plain("away", subject=subject)).kind == "auto_reply"


def test_a_delivery_report_is_a_bounce_and_a_receipt_is_not() -> None:
    report = (
        b"From: a@b.example\r\nContent-Type: multipart/report; report-type=%s; boundary=x\r\n\r\n--x\r\n\r\nhi\r\n--x--"
    )
    assert read(report % b"delivery-status").kind == "bounce"
    assert read(report % b"disposition-notification").kind == "notification"
