"""Postmark's inbound webhook: JSON of parts; with 'Include raw email content' on, the raw mail in `RawEmail`.

https://postmarkapp.com/developer/webhooks/inbound-webhook
"""

import json
from typing import Any

from server.body import MOST_MARKS, marks
from server.compose import Attachment, Text, Write, write_mail
from server.headers import mailbox
from server.letter import base64_octets
from server.sources import head
from server.sources.posted import Posted, cid, content_type, envelope, filename
from workitems.errors import InvalidChangeError

#: Files of a mail.
_MOST_FILES = 1_000

#: Fields of the JSON that are headers, by the name of the header.
_HEADERS = {"Date": "Date", "Subject": "Subject", "To": "To", "Cc": "Cc", "ReplyTo": "Reply-To"}


def write(raw: bytes, write: Write) -> Posted:
    """Write the mail in a posted body. Raises InvalidChangeError for what is no JSON object with a mail in it."""
    post = _object(raw)
    if isinstance(post.get("RawEmail"), str) and post["RawEmail"]:
        write(head.octets(post["RawEmail"]))
    else:
        _write_parts(post, write)
    pairs = head.pairs(post.get("Headers"))
    sender = (head.first(pairs, b"return-path") or b"").decode("utf-8", "replace").strip("<> ")
    return envelope(sender, [_text(post, "OriginalRecipient")])


def _object(raw: bytes) -> dict[str, Any]:
    if marks(raw) > MOST_MARKS:
        raise InvalidChangeError(f"a body of at most {MOST_MARKS:,} values, with their marks and commas, is accepted")
    try:
        post = json.loads(raw)
    except (ValueError, RecursionError):
        raise InvalidChangeError("the body is no JSON (RFC 8259) in UTF-8") from None
    if not isinstance(post, dict) or not post.keys() & {"From", "FromFull", "Headers", "TextBody", "HtmlBody"}:
        raise InvalidChangeError("the body is a JSON object as Postmark posts it")
    return post


def _write_parts(post: dict[str, Any], write: Write) -> None:
    pairs = head.pairs(post.get("Headers"))
    given = {name.lower() for name, _ in pairs}
    own = [("From", _sender(post)), *((header, _text(post, name)) for name, header in _HEADERS.items())]
    pairs += [(n.encode(), head.octets(value)) for n, value in own if value and n.lower().encode() not in given]
    texts = [Text(subtype, _octets(_text(post, name)))
             for subtype, name in (("plain", "TextBody"), ("html", "HtmlBody")) if _text(post, name)]  # fmt: skip
    write_mail(head.head(pairs), texts, _files(post), write)


def _sender(post: dict[str, Any]) -> str:
    """`From` as it stands where it has a name, else put together from its parts."""
    given, full = _text(post, "From"), post.get("FromFull")
    if "<" in given or not isinstance(full, dict):
        return given
    return mailbox(_text(full, "Name"), _text(full, "Email") or given, len("From: "))


def _files(post: dict[str, Any]) -> list[Attachment]:
    entries = post.get("Attachments")
    found = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    if len(found) > _MOST_FILES:
        raise InvalidChangeError(f"at most {_MOST_FILES:,} files are accepted", "Attachments")
    return [
        Attachment(
            filename(_text(entry, "Name")),
            content_type(_text(entry, "ContentType")),
            base64_octets(entry.get("Content"), f"Attachments[{n}]"),
            cid(_text(entry, "ContentID")),
        )
        for n, entry in enumerate(found)
    ]


def _octets(value: str) -> Any:
    octets = head.octets(value)
    return lambda: [octets]


def _text(post: dict[str, Any], name: str) -> str:
    value = post.get(name)
    return value if isinstance(value, str) else ""
