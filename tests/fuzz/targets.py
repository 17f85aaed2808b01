"""The targets of the fuzzer: each gives bytes to one reader, twice, and checks what is held for every input."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.fuzz import seeds
from tests.support import invariants
from tests.support.hostile.builders import archive, xlsx
from worker.reading import FieldRule, MailAttachment, read, read_headers
from worker.reading.attachments import calendar_file, file_types
from worker.reading.attachments.containers.opening import open_containers
from worker.reading.attachments.document_text import extract_texts, unwatched
from worker.reading.fields.rules import TYPES
from worker.reading.fields.values import Hint, find_readings
from worker.reading.kinds import bounces
from worker.reading.mime import charset, transfer
from worker.reading.mime.authentication import METHODS, parse_authentication_results
from worker.reading.mime.headers import Headers, decode_text
from worker.reading.mime.parts import Part, parse_mime
from worker.reading.mime.signed_data import open_signed_data
from worker.reading.text.html import HtmlDocument
from worker.reading.text.link_marks import mark_links
from worker.reading.text.plain import normalize_text
from worker.reading.text.quotes import split_regions

LIMITS = invariants.LIMITS
RULES = [
    FieldRule("any", pattern=r"(\d+)|(x)"),
    FieldRule("rows", ("Policy", "Item"), type="table"),
    *(
        FieldRule(kind, (kind, "Amount", "Due date", "Phone"), type=kind, region="US")
        for kind in TYPES
        if kind != "table"
    ),
]
_CHARSETS = (
    None,
    "",
    "utf-8",
    "us-ascii",
    "windows-1252",
    "utf-16",
    "utf-7",
    "iso-2022-jp",
    "hz",
    "gb18030",
    "x",
    "utf-32",
)
_ENCODINGS = ("base64", "quoted-printable", "x-uuencode", "7bit")


@dataclass(frozen=True, slots=True)
class Target:
    """What is done with an input: a function that returns the same for the same bytes, and raises for a finding."""

    run: Callable[[bytes], Any]
    seeds: list[bytes]

    def check(self, data: bytes) -> None:
        """Run twice; raise AssertionError when an invariant is broken."""
        assert self.run(data) == self.run(data), "the same input gave two results"


def _message(data: bytes) -> Any:
    reading, headers = read(data, RULES), read_headers(data)
    invariants.check_reading(reading)
    invariants.check_reading(headers)
    return reading, headers


def _general(data: bytes) -> Any:
    reading = read(data)
    invariants.check_reading(reading)
    return reading


def _html(data: bytes) -> Any:
    document = HtmlDocument(charset.decode_html(data, None)[0], LIMITS)
    text = normalize_text(document.text, LIMITS.text_characters)[0]
    page, marks = mark_links(document.sanitize({"a": ("image/png", b"\x89PNG\r\n\x1a\n")}))
    invariants.check_text(text, LIMITS.text_characters)
    invariants.check_html(page)
    return text, page, marks


def _charset(data: bytes) -> Any:
    declared, raw = _CHARSETS[data[0] % len(_CHARSETS)] if data else None, data[1:]
    name, _, rest = raw.partition(b"\n")
    found = (
        charset.decode(raw, declared),
        charset.decode(rest, name.decode("latin-1")),
        (decode_text(raw, declared), True),
    )
    for text, _ in found:
        text.encode()
        invariants.check_words(normalize_text(text, LIMITS.text_characters)[0])
    return found


def _transfer(data: bytes) -> Any:
    encoding, raw = _ENCODINGS[data[0] % len(_ENCODINGS)] if data else "", data[1:]
    found = [transfer.decode_transfer_encoding(raw, encoding, is_text=is_text) for is_text in (False, True)]
    assert all(len(each) <= len(raw) + 1 for each in found)
    return found


def _file(kind: str, name: str, data: bytes) -> Any:
    """Read a file of one kind as that of a mail, and what is inside it."""
    file = MailAttachment(1, name, kind, data, False, None)
    files, origins = open_containers([file], LIMITS, unwatched)
    assert origins == [1] * len(files)
    invariants.check_files(files)
    found = extract_texts(files, LIMITS)
    assert sum(map(len, found.texts.values())) <= LIMITS.attachments_text
    assert set(found.unread.values()) <= invariants.REASONS
    for text in found.texts.values():
        invariants.check_text(text, LIMITS.attachment_text)
    return files, found.texts, found.unread


def _word(data: bytes) -> Any:
    made = data if data.startswith(b"PK") else archive({"word/document.xml": data, "word/header1.xml": data})
    return _file(file_types.WORD, "a.docx", made)


def _sheet(data: bytes) -> Any:
    if data.startswith(b"PK"):
        return _file(file_types.EXCEL, "a.xlsx", data)
    rows, strings, styles, *_ = [*data.decode("utf-8", "replace").split("%%"), "", ""]
    return _file(file_types.EXCEL, "a.xlsx", xlsx(rows, strings=strings, styles=styles))


def _calendar(data: bytes) -> Any:
    part = Part(Headers(), file_types.CALENDAR, {}, data, 0, len(data))
    found = calendar_file.read_invitation([part])
    invariants.check_words(found)
    assert found is None or len(found["attendees"]) <= calendar_file.MAX_ATTENDEES
    return found, calendar_file.find_method([part]), _file(file_types.CALENDAR, "a.ics", data)


def _signed(data: bytes) -> Any:
    raw = b"From: a@b.example\r\nContent-Type: application/pkcs7-mime; name=smime.p7m\r\n\r\n" + data
    tree = parse_mime(raw, LIMITS)
    encrypted = open_signed_data(tree, LIMITS)
    reading = read(raw)
    invariants.check_reading(reading)
    return encrypted, tree.root.type, reading


def _bounce(data: bytes) -> Any:
    head = b"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example\r\nTo: desk@tubepost.example\r\n"
    root = parse_mime(head + b"Content-Type: message/delivery-status\r\n\r\n" + data, LIMITS).root
    text = normalize_text(charset.decode(data, None)[0], LIMITS.text_characters)[0]
    reported = bounces.read_status_parts(root)
    found = [bounces.read_bounce(root, text, given).encode() for given in (reported, [])]
    for each in found:
        invariants.check_words(each)
        assert len(each["recipients"]) <= bounces.MAX_RECIPIENTS
        assert all("@" in recipient["address"] for recipient in each["recipients"])
    return found


def _authentication(data: bytes) -> Any:
    headers = Headers()
    for value in data.split(b"\n"):
        headers.add(b"Authentication-Results", value)
    found = parse_authentication_results(headers)
    invariants.check_words(list(found))
    assert all(set(each["results"]) <= set(METHODS) for each in found)
    return found


def _regions(data: bytes) -> Any:
    text = normalize_text(charset.decode(data, None)[0], LIMITS.text_characters)[0]
    found = split_regions(text, "Fwd: An order")
    published = found.publish(text)
    invariants.check_regions(text, published)
    assert found.forwarded is None or invariants.check_words(found.forwarded.encode()) is None
    return published, found.forwarded


def _values(data: bytes) -> Any:
    text = normalize_text(data.decode("utf-8", "replace"), 2_000)[0]
    found = []
    for kind in TYPES[:-1]:
        for hint in (Hint(), Hint(language="de", remark="EUR"), Hint(language="en", crown="SEK", date_order="MDY")):
            readings = find_readings(FieldRule(kind, type=kind, region="DE"), text, hint)
            if readings is not None:
                assert 0 <= readings.start <= readings.end <= len(text)
                invariants.check_words(list(readings.values))
            found.append(readings)
    return found


def _whole(name: str, kind: str) -> Callable[[bytes], Any]:
    return partial(_file, kind, name)


#: Name of a target → what it does, and from which inputs the fuzzer begins.
TARGETS: dict[str, Target] = {
    name: Target(run, seeds.small(given))
    for name, run, given in (
        ("message", _message, seeds.messages()),
        ("general", _general, seeds.messages()),
        ("html", _html, seeds.html()),
        ("charset", _charset, seeds.texts("\5\x1b$B", "\2a\nb", seeds.TEXT)),
        ("transfer", _transfer, seeds.texts("\0UG9saWN5", "\1=41=\n", "\2#0V%T\n", "\0" + seeds.TEXT)),
        ("docx", _word, seeds.word_parts()),
        ("xlsx", _sheet, seeds.sheet_parts()),
        ("csv", _whole("a.csv", "text/csv"), [b'a;"b\n";c\n1\t2\n', *seeds.hostile(".csv")]),
        ("pdf", _whole("a.pdf", file_types.PDF), seeds.pdfs()),
        ("rtf", _whole("a.rtf", file_types.RTF), seeds.texts(seeds.RTF)),
        ("tnef", _whole("winmail.dat", file_types.TNEF), seeds.winmails()),
        ("msg", _whole("a.msg", file_types.OUTLOOK), seeds.outlook_files()),
        ("ics", _calendar, [*seeds.texts(seeds.CALENDAR), *seeds.hostile(".ics")]),
        ("vcf", _whole("a.vcf", file_types.CARD), [*seeds.texts(seeds.CARD), *seeds.hostile(".vcf")]),
        ("zip", _whole("a.zip", file_types.ZIP), seeds.archives()),
        ("eml", _whole("a.eml", file_types.MAIL), seeds.messages()),
        ("smime", _signed, seeds.signatures()),
        ("bounce", _bounce, seeds.texts(seeds.REPORT)),
        ("authentication", _authentication, seeds.texts(seeds.RESULTS)),
        ("regions", _regions, seeds.bodies()),
        ("values", _values, seeds.texts(*seeds.VALUES)),
    )
}
