"""Reads whom a bounce is about, and why: from its delivery report (RFC 3464), or from the words of the mail server."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from worker.reading.kinds.classification import DELIVERY_STATUS, find_parts
from worker.reading.limits import ReadingLimits
from worker.reading.mime.addresses import parse_addresses
from worker.reading.mime.characters import remove_controls
from worker.reading.mime.headers import Headers, parse_headers, parse_message_id
from worker.reading.mime.parts import Part

#: Recipients that are kept; characters of text and bytes of a report or a returned mail that are read.
MAX_RECIPIENTS, MAX_TEXT = 50, 64 * 1024
#: Characters of a diagnostic, and of the returned mail's subject.
MAX_DIAGNOSTIC, MAX_SUBJECT = 500, 1_000
#: Characters behind an address in which its reason is looked for.
MAX_SAID = 1_500

_RETURNED = ("message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers")
_LIMITS = ReadingLimits(header_bytes=MAX_TEXT, header_fields=200)

_DOMAIN = r"@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?"
#: An address among words, which may stand in apostrophes or behind a "="; and one in a field of a report.
_ADDRESS = re.compile(rf"(?!')[^\s<>()\[\],;:\"@=]{{1,64}}{_DOMAIN}")
_REPORTED = re.compile(rf"(?!['=])[^\s<>()\[\],;:\"@?]{{1,64}}{_DOMAIN}")
#: What xtext (RFC 3461 §4) must encode, and the @, which some programs encode. Other tags as "+20" are names.
_XTEXT = re.compile(r"\+(2B|3D|40)|=(40)")
#: A line of the returned mail that names its sender.
_SENDER = re.compile(r"[> \t]{0,10}(?:from|sender|return-path|reply-to|von|de|от)[ \t]?:", re.IGNORECASE)
#: An address that begins among the first characters of its line is what the line is about.
_LEADING = 60
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY_CODE = re.compile(r"(?<![\d.])[45]\d\d(?=[ #-])")
#: From here on a text repeats the mail that came back.
_COPY = re.compile(
    r"^(?:[-=_*> ]{2,20}.{0,60}\b(?:copy|original|below|returned|unsent|body|headers?|kopie|nachricht|сообщени[ея]|"
    r"исходн\w{2,6}|mensaje|message d['’]origine)\b.{0,80}|(?:original message|ursprüngliche nachricht)\b.{0,60}"
    r"|(?:received|return-path|message-id|mime-version):.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_OURS = re.compile(r"^(?:postmaster|mailer-?daemon|mail-daemon|mdaemon|abuse|no-?reply)(?:@|$)")
#: A block of a delivery report in any text, for reports that are labelled as something else.
_STATUS_FIELD = re.compile(r"^[> \t]{0,10}(?:final-recipient|original-recipient)[ \t]*:", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a bounce says: recipients, each {address, action, status, diagnostic}, and the mail that came back."""

    recipients: tuple[dict[str, str], ...]
    message_id: str | None = None
    subject: str = ""

    def encode(self) -> dict[str, Any]:
        """Return it as the API has it."""
        return {
            "recipients": list(self.recipients),
            "original": {"message_id": self.message_id, "subject": self.subject},
        }


def read_status_parts(root: Part) -> list[dict[str, str]]:
    """Return the recipients that the delivery report names, at most MAX_RECIPIENTS; [] without a report."""
    return _kept(
        recipient
        for part in find_parts(root, DELIVERY_STATUS)
        for recipient in _read_status(remove_controls(part.body(MAX_TEXT).decode("utf-8", "replace")))
    )


def is_delivered(recipients: Iterable[dict[str, str]]) -> bool:
    """Return whether a delivery report reports at least one delivery and nothing else."""
    actions = {recipient["action"] for recipient in recipients}
    return bool(actions) and actions <= {"delivered", "relayed", "expanded"}


def read_bounce(root: Part, text: str, recipients: list[dict[str, str]]) -> Bounce:
    """Read a mail that is a bounce. *recipients* are those of `read_status_parts`, the surest source.

    Without them: reports inside the text, the header X-Failed-Recipients, addresses in the text before the copy of the
    returned mail, and last the recipients of the returned mail.
    """
    text = text[:MAX_TEXT]
    copy = _COPY.search(text)
    report = text[: copy.start()] if copy else text
    returned = _read_returned(root, text[copy.start() :] if copy else "")
    found = (
        recipients
        or (_kept(_read_status(text)) if _STATUS_FIELD.search(text) else [])
        or _read_failed_header(root.headers, report)
        or _read_report(root.headers, report, returned)
        or [_recipient(address, "") for address in _recipients_of(returned)]
    )
    return Bounce(
        tuple(found[:MAX_RECIPIENTS]),
        parse_message_id(returned.raw("message-id")),
        returned.text("subject")[:MAX_SUBJECT],
    )


# --- the report for programs -----------------------------------------------------------------------------------------


def _read_status(text: str) -> Iterator[dict[str, str]]:
    for block in re.split(r"\n[> \t]*\r?\n", text.replace("\r\n", "\n")):
        fields = dict(_status_fields(block))
        named = (fields.get(name, "") for name in ("final-recipient", "original-recipient", "x-actual-recipient"))
        address = next(filter(None, map(_address_of, named)), "")
        if address:
            diagnostic = " ".join(fields.get("diagnostic-code", "").partition(";")[2].split())
            status = _STATUS.search(fields.get("status", "")) or _STATUS.search(diagnostic)
            action = re.match(r"[a-z]{0,20}", fields.get("action", "").strip().lower())
            yield {
                "address": address,
                "action": action[0] if action else "",
                "status": status[1] if status else "",
                "diagnostic": diagnostic[:MAX_DIAGNOSTIC],
            }


def _status_fields(block: str) -> Iterator[tuple[str, str]]:
    """Yield (lower-case name, unfolded value) of the fields of one block, the last of each name first."""
    name, lines = "", list[str]()
    fields = []
    for line in block.split("\n"):
        line = line.lstrip("> ") if line.startswith(">") else line
        if line[:1] in (" ", "\t") and name:
            lines.append(line)
            continue
        head, colon, value = line.partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z-]{1,60}", head.strip()):
            continue
        if name:
            fields.append((name, " ".join(lines)))
        name, lines = head.strip().lower(), [value]
    if name:
        fields.append((name, " ".join(lines)))
    return reversed(fields)


def _address_of(value: str) -> str:
    """Return the address in `type; address` (RFC 3464 §2.3.1), also where the type or the brackets are wrong."""
    found = _REPORTED.search(_XTEXT.sub(lambda code: chr(int(code[1] or code[2], 16)), value.rpartition(";")[2]))
    return found[0].lower() if found else ""


# --- the report for people -------------------------------------------------------------------------------------------


def _read_failed_header(headers: Headers, report: str) -> list[dict[str, str]]:
    value = headers.raw("x-failed-recipients")
    return [_recipient(address, report) for _, address in parse_addresses(value, MAX_RECIPIENTS) if "@" in address]


def _read_report(headers: Headers, report: str, returned: Headers) -> list[dict[str, str]]:
    own = {
        address for name in ("from", "to", "cc") for _, address in parse_addresses(headers.raw(name), MAX_RECIPIENTS)
    }
    lines = [line for line in report.splitlines() if not _SENDER.match(line)]
    firsts = (_ADDRESS.search(line[:500]) for line in lines)
    leading = _others((found[0] for found in firsts if found and found.start() <= _LEADING), own)
    anywhere = _others((found[0] for found in _ADDRESS.finditer("\n".join(lines))), own)
    asked = _recipients_of(returned)
    if known := [address for address in anywhere if address in asked]:
        return [_recipient(address, report) for address in known]
    return _failed([_recipient(address, report) for address in leading or anywhere])


def _failed(recipients: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return those with a code if one has it, without those of other sentences, such as "ask help@isp.example"."""
    have_code = [bool(each["status"] or _REPLY_CODE.match(each["diagnostic"])) for each in recipients]
    if not any(have_code):
        return recipients
    return [each for each, has_code in zip(recipients, have_code, strict=True) if has_code or not each["diagnostic"]]


def _others(addresses: Iterable[str], own: set[str]) -> list[str]:
    found: dict[str, None] = {}
    for address in addresses:
        address = address.lower().strip(".")
        if address not in own and not _OURS.match(address) and "." in address.rpartition("@")[2]:
            found[address] = None
            if len(found) == MAX_RECIPIENTS:
                break
    return list(found)


def _recipient(address: str, report: str) -> dict[str, str]:
    """Return the recipient, with what the report says behind its address and before the next one."""
    said = [report[found.end() :][:MAX_SAID] for found in islice(_places(address, report), 10)]
    said = [words[: _next_other(address, words)] for words in said]
    words = next((words for words in said if _code(words)), said[0] if said else "")
    code = _code(words)
    diagnostic = _BLANK_LINE.split(words[code.start() :] if code else words.lstrip(">):<, .\n"), maxsplit=1)[0]
    status = _STATUS.search(words)
    return {
        "address": address,
        "action": "failed",
        "status": status[1] if status else "",
        "diagnostic": " ".join(diagnostic.split())[:MAX_DIAGNOSTIC],
    }


def _places(address: str, report: str) -> Iterator[re.Match[str]]:
    return re.finditer(re.escape(address), report, re.IGNORECASE)


def _next_other(address: str, words: str) -> int:
    others = (found.start() for found in _ADDRESS.finditer(words) if found[0].lower().strip(".") != address)
    return next(others, len(words))


def _code(words: str) -> re.Match[str] | None:
    return _REPLY_CODE.search(words) or _STATUS.search(words)


def _kept(recipients: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Return the first report about each address, at most MAX_RECIPIENTS."""
    kept: dict[str, dict[str, str]] = {}
    for recipient in recipients:
        kept.setdefault(recipient["address"], recipient)
        if len(kept) == MAX_RECIPIENTS:
            break
    return list(kept.values())


# --- the mail that came back ----------------------------------------------------------------------------------------


def _read_returned(root: Part, copy: str) -> Headers:
    """Return the headers of the returned mail: of the part that has it, else of the copy in the text."""
    for part in find_parts(root, _RETURNED):
        body = part.body(MAX_TEXT)
        return parse_headers(body, 0, len(body), _LIMITS)[0]
    if found := re.search(r"^(?=[A-Za-z-]{2,40}:[ \t]?\S)", copy, re.MULTILINE):
        raw = copy[found.start() :].encode("utf-8", "replace")
        return parse_headers(raw, 0, len(raw), _LIMITS)[0]
    return Headers()


def _recipients_of(returned: Headers) -> list[str]:
    named = (returned.raw("to"), returned.raw("cc"))
    return [
        address
        for value in named
        for _, address in parse_addresses(value, MAX_RECIPIENTS)
        if "@" in address and "." in address
    ]
