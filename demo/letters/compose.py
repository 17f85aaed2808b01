"""Make a mail from a letter: draw values, fill templates, add the headers that a mail server adds."""

import html
import random
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from hashlib import blake2b

from demo.letters import attachments, wire
from demo.letters.letter import Letter, LetterAttachment
from demo.letters.values import Values, draw, fill

#: The mail server of the invented company that receives the letters.
OURS = "mx.tubepost.example"


def compose(letter: Letter, *, serial: int, now: datetime, pick: random.Random) -> bytes:
    """Return a raw mail with CRLF; *now* has a time zone. Names, numbers, Date and Message-ID are new at each call.

    An answer refers to the Message-ID that its first letter got with the same *serial* and the same state of *pick*.
    """
    sent = (now - timedelta(seconds=pick.randint(2, 25))).astimezone(timezone(timedelta(hours=letter.zone)))
    token = f"{serial}:{pick.getrandbits(64):016x}"
    values = _values(letter, now=sent, pick=pick)
    body = _body(letter, values, token, pick)
    return wire.WirePart(_headers(letter, values, token, sent) + body.headers, body.body).to_bytes()


def _values(letter: Letter, *, now: datetime, pick: random.Random) -> Values:
    known = _values(letter.answers, now=now, pick=pick) if letter.answers else {}
    return draw(letter.values, language=letter.language, now=now, pick=pick, known=known)


def _digest(token: str, what: str) -> str:
    return blake2b(f"{token}:{what}".encode(), digest_size=10).hexdigest()


def _message_id(letter: Letter, values: Values, token: str) -> str:
    return f"<{_digest(token, letter.name)}@{_sender_domain(letter, values)}>"


def _sender_domain(letter: Letter, values: Values) -> str:
    return fill(letter.sender, values).rpartition("@")[2].rstrip(">")


def _headers(letter: Letter, values: Values, token: str, sent: datetime) -> wire.Headers:
    sender, to = fill(letter.sender, values), [fill(address, values) for address in letter.to]
    own = {name: fill(value, values) for name, value in letter.headers.items()}
    domain, address = _sender_domain(letter, values), sender.rpartition("<")[2].rstrip(">")
    arrived = format_datetime(sent.astimezone(UTC) + timedelta(seconds=2))
    received = (
        f"from mail.{domain} (mail.{domain} [192.0.2.{len(domain)}])\r\n"
        f"\tby {OURS} with ESMTPS id {_digest(token, 'queue')[:12].upper()};\r\n\t{arrived}"
    )
    headers = [
        ("Return-Path", own.pop("Return-Path", f"<{address}>")),
        ("Received", received),
        ("Date", format_datetime(sent)),
        wire.addresses("From", [sender], letter.charset),
        wire.addresses("To", to, letter.charset),
        *([wire.addresses("Cc", [fill(cc, values) for cc in letter.cc], letter.charset)] if letter.cc else []),
        wire.header("Subject", fill(letter.subject, values), letter.charset),
        ("Message-ID", _message_id(letter, values, token)),
        *[wire.header(name, value, letter.charset) for name, value in own.items()],
    ]
    if letter.answers:
        parent = _message_id(letter.answers, values, token)
        headers += [("In-Reply-To", parent), ("References", parent)]
    return [*headers, ("MIME-Version", "1.0")]


def _body(letter: Letter, values: Values, token: str, pick: random.Random) -> wire.WirePart:
    """Return mixed(related(alternative(text, html), pictures), files), each level only if needed (RFC 2387)."""
    texts = [("plain", fill(letter.text, values)), ("html", fill(letter.html, values, html.escape))]
    written = [wire.text(text, kind, letter.charset, letter.encoding) for kind, text in texts if text]
    files = [(a.inline, _attach(a, values, pick, report=letter.report)) for a in letter.attachments]
    body = wire.multipart("alternative", written, _boundary(token, "alternative"))
    pictures = [part for inline, part in files if inline]
    body = wire.multipart("related", [body, *pictures], _boundary(token, "related"))
    kind = "report; report-type=delivery-status" if letter.report else "mixed"
    return wire.multipart(kind, [body, *[part for inline, part in files if not inline]], _boundary(token, "mixed"))


def _boundary(token: str, level: str) -> str:
    return f"=_{_digest(token, level)}"


def _attach(attachment: LetterAttachment, values: Values, pick: random.Random, *, report: bool) -> wire.WirePart:
    name, text = fill(attachment.name, values), fill(attachment.text, values)
    if report:
        return wire.raw(text, attachment.type)
    match attachment.type:
        case "application/pdf":
            return wire.file(attachments.pdf(text), attachment.type, name)
        case "image/png":
            return wire.file(attachments.png(pick), attachment.type, name, inline=attachment.inline)
    content = text.encode(attachment.charset).replace(b"\n", b"\r\n")
    return wire.file(content, attachment.type, name, charset=attachment.charset)
