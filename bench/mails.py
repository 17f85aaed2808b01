"""Makes ordinary business mail of one size: text, HTML with a table, fields to be found, and a quoted mail."""

import random
import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP

_TEXT = """Dear underwriters,

please find the details of the claim below and confirm that you have it.

Policy Number: AB-{serial:07d}
Insured: Harbour Freight {serial} Ltd
Date of loss: 03/02/2026
Estimated loss: USD {amount:,}.00
Phone: +44 20 7946 0{phone:03d}

Kind regards
Ann Sender

On Mon, 2 Mar 2026 at 09:15, Claims Desk <desk@example.com> wrote:
> Dear Ann, which policy does this belong to? Our reference is CL-{serial:05d}.
"""

_ROW = "<tr><td style='padding:4px'>{name}</td><td style='padding:4px'>{value}</td></tr>\n"

#: Fills a mail up to its size.
_SMALL_PRINT = "This message is meant for the person it is addressed to; others are asked to delete it and to tell us. "

_SUBJECT = re.compile(rb"Claim (\d{7}), please confirm")


def make_mail(serial: int, size: int = 4_000) -> bytes:
    """Make a raw mail of about *size* bytes with CRLF; a different one for each *serial*."""
    mail = EmailMessage(policy=SMTP)
    mail["Message-ID"] = f"<{serial}.bench@sender.example>"
    mail["Date"] = f"Mon, 02 Mar 2026 {serial // 60 % 24:02}:{serial % 60:02}:00 +0000"
    mail["From"] = "Ann Sender <ann@sender.example>"
    mail["To"] = "Claims Desk <desk@example.com>"
    mail["Subject"] = f"Claim {serial:07d}, please confirm"
    text = _TEXT.format(serial=serial, amount=1_000 + serial, phone=serial % 1000)
    mail.set_content(text)
    values = [line.split(": ", 1) for line in text.splitlines()[4:9]]
    rows = "".join(_ROW.format(name=name, value=value) for name, value in values)
    missing = size - len(bytes(mail)) - len(rows) - 650
    small_print = "<br>\n".join([_SMALL_PRINT] * max(1, missing // len(_SMALL_PRINT)))
    page = f"<html><body><p>Dear underwriters,</p>\n<table>\n{rows}</table>\n<p>{small_print}</p></body></html>"
    mail.add_alternative(page, subtype="html")
    return bytes(mail)


def make_large_mail(serial: int, size: int = 200_000) -> bytes:
    """Make the same mail with a photograph, of about *size* bytes."""
    mail = message_from_bytes(make_mail(serial), policy=SMTP)
    assert isinstance(mail, EmailMessage)
    photograph = random.Random(serial).randbytes(int((size - 5_000) / 1.37))
    mail.add_attachment(photograph, maintype="image", subtype="jpeg", filename=f"damage-{serial}.jpg")
    return bytes(mail)


def find_serials(text: bytes) -> list[int]:
    """Return the serial of the mail that *text*, a mail or an event, is about; none if it is about something else."""
    return [int(found) for found in _SUBJECT.findall(text)[:1]]
