"""Bounces say whom they are about and why, whatever program wrote them."""

from typing import Any

import pytest

from worker.reading import read

DAEMON = "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example\r\nTo: desk@tubepost.example\r\n"

EXIM = """This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  kim@firm.example
    host mx.firm.example [192.0.2.7]
    SMTP error from remote mail server after RCPT TO:<kim@firm.example>:
    550 5.1.1 User unknown

------ This is a copy of the message, including all the headers. ------

Return-path: <desk@tubepost.example>
Message-ID: <offer-1@tubepost.example>
To: kim@firm.example
Subject: Your offer
"""

POSTFIX = """This is the mail system at host mx.example.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients.

<kim@firm.example>: host mx.firm.example[192.0.2.7] said: 552 5.2.2 Mailbox
    full (in reply to RCPT TO command)
"""

SENDMAIL = """The original message was received at Mon, 2 Mar 2026 10:00:00 GMT
from localhost

   ----- The following addresses had permanent fatal errors -----
<kim@firm.example>
    (reason: 550 5.7.1 Relaying denied)

   ----- Transcript of session follows -----
... while talking to mx.firm.example.:
>>> RCPT To:<kim@firm.example>
<<< 550 5.7.1 Relaying denied
"""

QMAIL = """Hi. This is the qmail-send program at mx.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<kim@firm.example>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Message-ID: <offer-1@tubepost.example>
From: desk@tubepost.example
To: kim@firm.example
Subject: Your offer
"""

EXCHANGE = """Delivery has failed to these recipients or groups:

Kim Ray (kim@firm.example)<mailto:kim@firm.example>
The e-mail address you entered couldn't be found.

Diagnostic information for administrators:

Generating server: mx.example

kim@firm.example
#550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found ##

Original message headers:

Message-ID: <offer-1@tubepost.example>
Subject: Your offer
"""

GMAIL = """** Address not found **

Your message wasn't delivered to kim@firm.example because the address couldn't be found.

The response from the remote server was:

550 5.1.1 The email account that you tried to reach does not exist.
"""

MAIL_RU = """Это письмо создано автоматически сервером.

К сожалению, Ваше письмо не может быть доставлено одному или нескольким получателям:

kim@firm.example
    550 Message was not accepted -- invalid mailbox. Local mailbox kim@firm.example is unavailable

--------- Это копия исходного сообщения ---------

Message-ID: <offer-1@tubepost.example>
Subject: Your offer
"""


def _bounce(text: str, head: str = DAEMON) -> dict[str, Any]:
    reading = read(f"{head}Subject: Undelivered\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}".encode())
    assert reading.kind == "bounce"
    assert reading.bounce is not None
    return reading.bounce


@pytest.mark.parametrize(
    ("text", "status", "diagnostic"),
    [
        (EXIM, "5.1.1", "550 5.1.1 User unknown"),
        (POSTFIX, "5.2.2", "552 5.2.2 Mailbox full"),
        (SENDMAIL, "5.7.1", "550 5.7.1 Relaying denied"),
        (QMAIL, "5.1.1", "5.1.1"),
        (EXCHANGE, "5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound"),
        (GMAIL, "5.1.1", "550 5.1.1 The email account"),
        (MAIL_RU, "", "550 Message was not accepted"),
    ],
    ids=["Exim", "Postfix", "sendmail", "qmail", "Exchange", "Gmail", "mail.ru"],
)
def test_the_words_of_the_mail_server_name_the_recipient_and_why(text: str, status: str, diagnostic: str) -> None:
    [recipient] = _bounce(text)["recipients"]
    assert recipient["address"] == "kim@firm.example"
    assert recipient["action"] == "failed"
    assert recipient["status"] == status
    assert recipient["diagnostic"].startswith(diagnostic)


@pytest.mark.parametrize("text", [EXIM, QMAIL, EXCHANGE, MAIL_RU])
def test_the_copy_in_the_text_names_the_mail_that_came_back(text: str) -> None:
    assert _bounce(text)["original"] == {"message_id": "<offer-1@tubepost.example>", "subject": "Your offer"}


def test_several_recipients_have_their_own_reasons() -> None:
    text = "<a@firm.example>: 550 5.1.1 unknown\n\n<b@firm.example>: 552 5.2.2 full\n"
    found = _bounce(text)["recipients"]
    assert [(each["address"], each["status"]) for each in found] == [
        ("a@firm.example", "5.1.1"),
        ("b@firm.example", "5.2.2"),
    ]


def test_the_sender_and_the_receiver_of_the_bounce_are_not_its_recipients() -> None:
    text = "Your mail from desk@tubepost.example to <kim@firm.example> failed. Ask postmaster@mx.example."
    assert [each["address"] for each in _bounce(text)["recipients"]] == ["kim@firm.example"]


def _addresses(text: str) -> list[str]:
    return [each["address"] for each in _bounce(text)["recipients"]]


def test_an_address_to_ask_is_no_recipient_where_others_have_a_code() -> None:
    help_text = "For help contact\nsupport@isp.example and include this report.\n\n"
    assert _addresses(help_text + "<kim@firm.example>: said: 550 5.1.1 unknown\n") == ["kim@firm.example"]
    assert _addresses("These failed:\n\na@firm.example\nb@firm.example\n550 unknown\n") == [
        "a@firm.example",
        "b@firm.example",
    ]


def test_the_sender_of_the_returned_mail_is_no_recipient() -> None:
    text = "Your message\nFrom: alias@ours.example\nTo: kim@firm.example\nSubject: Offer\ncould not be delivered.\n"
    assert _addresses(text) == ["kim@firm.example"]


def test_apostrophes_belong_to_an_address_or_stand_around_it() -> None:
    assert _addresses("<o'brien@firm.example>: 550 unknown\n") == ["o'brien@firm.example"]
    assert _addresses("The user 'kim@firm.example' is unknown\n") == ["kim@firm.example"]


@pytest.mark.parametrize(
    ("field", "address"),
    [
        ("rfc822; o'brien@firm.example", "o'brien@firm.example"),
        ("rfc822; user=tag@firm.example", "user=tag@firm.example"),
        ("rfc822;ann+2Btag@firm.example", "ann+tag@firm.example"),
        ("rfc822;ann+40firm.example", "ann@firm.example"),
        ("rfc822;ann+2024@firm.example", "ann+2024@firm.example"),
        ("rfc822; 'ann@firm.example'", "ann@firm.example"),
    ],
)
def test_the_address_in_a_report_is_read_whole(field: str, address: str) -> None:
    assert _addresses(f"Final-Recipient: {field}\nAction: failed\nStatus: 5.1.1\n") == [address]


def test_the_header_with_failed_recipients_decides_without_a_report() -> None:
    head = "From: robot@mail.example\r\nTo: desk@tubepost.example\r\n"
    failed = "X-Failed-Recipients: kim@firm.example, b@firm.example\r\n"
    found = _bounce("It failed.", head + failed)["recipients"]
    assert [each["address"] for each in found] == ["kim@firm.example", "b@firm.example"]


STATUS = b"""Reporting-MTA: dns; mx.example

Final-Recipient: rfc822;kim@firm.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <kim@firm.example>:
 no such user

Original-Recipient: rfc822; <b@firm.example>
Action: DELAYED
Status: 4.4.1 (connection timed out)
"""


def _report(kind: bytes, status: bytes = STATUS, report_type: bytes = b"; report-type=delivery-status") -> bytes:
    return (
        b"From: MAILER-DAEMON@mx.example\r\nTo: desk@tubepost.example\r\nSubject: Undelivered\r\n"
        b"Content-Type: " + kind + report_type + b'; boundary="x"\r\n\r\n--x\r\n\r\nSee below.\r\n'
        b"--x\r\nContent-Type: message/delivery-status\r\n\r\n"
        + status
        + b"\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n"
        b"Message-ID: <offer-1@tubepost.example>\r\nTo: alias@firm.example\r\n"
        b"Subject: =?utf-8?q?Angebot_f=C3=BCr_Sie?=\r\n\r\nhi\r\n--x--\r\n"
    )


@pytest.mark.parametrize(
    ("kind", "extra"), [(b"multipart/report", b"; report-type=delivery-status"), (b"multipart/mixed", b"")]
)
def test_a_delivery_report_names_each_recipient_and_the_returned_mail(kind: bytes, extra: bytes) -> None:
    reading = read(_report(kind, report_type=extra))
    assert (reading.kind, reading.kind_reason) == ("bounce", "delivery report")
    assert reading.bounce == {
        "recipients": [
            {
                "address": "kim@firm.example",
                "action": "failed",
                "status": "5.1.1",
                "diagnostic": "550 5.1.1 <kim@firm.example>: no such user",
            },
            {"address": "b@firm.example", "action": "delayed", "status": "4.4.1", "diagnostic": ""},
        ],
        "original": {"message_id": "<offer-1@tubepost.example>", "subject": "Angebot für Sie"},
    }


def test_a_report_of_a_delivery_is_a_receipt() -> None:
    status = b"Final-Recipient: rfc822;kim@firm.example\nAction: relayed\nStatus: 2.1.5\n"
    reading = read(_report(b"multipart/report", status))
    assert (reading.kind, reading.kind_reason) == ("receipt", "delivery report without a failure")
    assert reading.bounce is not None
    assert reading.bounce["recipients"][0]["action"] == "relayed"


def test_a_report_in_a_plain_text_is_read_as_a_report() -> None:
    assert _bounce(STATUS.decode())["recipients"][1] == {
        "address": "b@firm.example",
        "action": "delayed",
        "status": "4.4.1",
        "diagnostic": "",
    }


def test_only_the_returned_mail_names_the_recipient_when_nothing_else_does() -> None:
    raw = _report(b"multipart/report").replace(STATUS, b"Reporting-MTA: dns; mx.example\n")
    reading = read(raw)
    assert reading.bounce is not None
    assert [each["address"] for each in reading.bounce["recipients"]] == ["alias@firm.example"]


def test_a_bounce_names_at_most_fifty_recipients() -> None:
    text = "\n\n".join(f"<p{n}@firm.example>: 550 5.1.1 unknown" for n in range(200))
    assert len(_bounce(text)["recipients"]) == 50


def test_other_mail_has_no_bounce() -> None:
    assert read(b"From: a@b.example\r\n\r\nWrite to kim@firm.example").bounce is None


def test_control_characters_of_a_report_are_left_out() -> None:
    report = "Final-Recipient: rfc822; kim\x00@firm.example\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 \x01no\r\n"
    raw = f"{DAEMON}Content-Type: message/delivery-status\r\n\r\n{report}".encode()
    bounce = read(raw).bounce
    assert bounce is not None
    assert bounce["recipients"] == [
        {"address": "kim@firm.example", "action": "", "status": "5.1.1", "diagnostic": "550 no"}
    ]
