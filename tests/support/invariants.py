"""What is held for every reading, whatever bytes it was made from. Each check raises AssertionError."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from selectolax.lexbor import LexborHTMLParser

from worker.publishing.validation import validate_result
from worker.reading import Reading, ReadingLimits
from worker.reading.attachments import library_guard
from worker.reading.attachments.containers.unfolding import MAX_INNER_FILES, MAX_UNFOLDED
from worker.reading.attachments.file_list import MAX_NAME
from worker.reading.kinds.classification import KINDS
from worker.reading.mail import MAX_SUBJECT, PREVIEW
from worker.reading.result import MailAttachment
from worker.reading.text.link_marks import MARK_CLASS
from worker.sandbox.mail_reader import encode
from worker.sandbox.process import ReadingResult

LIMITS = ReadingLimits()
_FLAG_NAMES = """
    attachment_unread charset_guessed defects encrypted misleading_link missing_required needs_review no_text oversized
    truncated
"""
FLAGS = frozenset(_FLAG_NAMES.split())
REASONS = frozenset(value for value in vars(library_guard).values() if isinstance(value, str))

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
#: What a browser would run, load, or take for its own.
_FORBIDDEN_NAMES = """
    applet audio base bdo body button embed form frame frameset head html iframe input link math meta noscript object
    option param portal script select source style svg template textarea title track video xmp
"""
_FORBIDDEN_TAGS = frozenset(_FORBIDDEN_NAMES.split())
_SAFE_LINK = re.compile(r"(?:https?://|mailto:|tel:)", re.IGNORECASE)
_SAFE_IMAGE = re.compile(r"https://|data:image/(?:png|jpeg|gif|webp)[;,]", re.IGNORECASE)
_UNSAFE_STYLE = re.compile(r"url\s*\(|expression\s*\(|@import|position\s*:|!\s*important|\\", re.IGNORECASE)


def check_reading(reading: Reading) -> None:
    """Check the whole reading of a mail."""
    assert reading.kind in KINDS
    assert set(reading.flags) <= FLAGS
    assert list(reading.flags) == sorted(set(reading.flags))
    check_words({field.name: getattr(reading, field.name) for field in fields(reading) if field.name != "attachments"})
    check_text(reading.text, LIMITS.text_characters)
    assert len(reading.subject) <= MAX_SUBJECT
    assert len(reading.preview) <= PREVIEW
    for addresses in (reading.to, reading.cc, reading.bcc, reading.reply_to):
        assert len(addresses) <= LIMITS.recipients
    check_regions(reading.text, reading.regions)
    check_evidence({"text": reading.text, "subject": reading.subject}, _places(reading))
    check_html(reading.html)
    check_files(reading.attachments)
    check_accepted(reading)


def check_accepted(reading: Reading) -> None:
    """Check that the worker would accept it from a child, and can store it as JSON."""
    answer = encode(reading)
    found = json.loads(json.dumps(answer.reading, allow_nan=False))
    validate_result(ReadingResult(found, list(answer.attachments or ())))


def check_words(value: Any) -> None:
    """Check that all texts in a value are valid Unicode without controls: they become JSON and UTF-8."""
    for text in _texts(value):
        text.encode()
        assert not (found := _CONTROLS.search(text)), f"{found[0]!r} in {text[:100]!r}"


def check_text(text: str, most: int) -> None:
    """Check a text that people read."""
    check_words(text)
    assert len(text) <= most
    assert "\r" not in text


def check_regions(text: str, regions: list[dict[str, Any]]) -> None:
    """Check that regions cover the text without gaps, in UTF-16 units, and cut no character in two."""
    units = text.encode("utf-16-le")
    end = 0
    for region in regions:
        assert region["start"] == end
        assert region["end"] > region["start"]
        end = region["end"]
        units[2 * region["start"] : 2 * end].decode("utf-16-le")
    assert 2 * end == len(units)


def check_evidence(sources: dict[str, str], places: Iterable[dict[str, Any]]) -> None:
    """Check that each place has its words at its offsets; *sources*: the texts that are known, by name."""
    units = {name: text.encode("utf-16-le") for name, text in sources.items()}
    for place in places:
        assert 0 <= place["start"] <= place["end"]
        assert place["source"] in units or re.fullmatch(r"attachment:[1-9]\d*", place["source"])
        if place["source"] in units:
            cut = units[place["source"]][2 * place["start"] : 2 * place["end"]]
            assert cut.decode("utf-16-le") == place["raw"]


def check_html(html: str) -> None:
    """Check that a browser runs and loads nothing: parsed anew, as a browser parses it."""
    check_words(html)
    assert len(html) <= 8 * LIMITS.html_characters + 2 * LIMITS.images_bytes
    body = LexborHTMLParser(f"<!doctype html><body><main>{html}</main>").css_first("main") if html else None
    for node in body.traverse() if body is not None else ():
        assert node.tag not in _FORBIDDEN_TAGS, node.tag
        for name, value in node.attributes.items():
            _check_attribute(node.tag or "", name.lower(), value or "")


def _check_attribute(tag: str, name: str, value: str) -> None:
    assert not name.startswith("on"), name
    assert name not in {"srcdoc", "formaction", "action", "background", "ping", "id", "name", "srcset"}, name
    if name == "class":
        assert value == MARK_CLASS
    elif name == "href":
        assert _SAFE_LINK.match(value), value[:100]
    elif name == "src":
        assert tag == "img"
        assert _SAFE_IMAGE.match(value.strip()), value[:100]
    elif name == "style":
        assert not _UNSAFE_STYLE.search(value), value[:100]


def check_files(files: Iterable[MailAttachment]) -> None:
    """Check the list of files: numbers, safe names, reasons, and what was taken out of others."""
    files = list(files)
    assert [file.n for file in files] == list(range(1, len(files) + 1))
    assert len(files) <= LIMITS.parts + MAX_INNER_FILES
    assert sum(len(file.content) for file in files if file.path) <= MAX_UNFOLDED
    for file in files:
        assert file.unread is None or file.unread in REASONS
        for name in (file.name, *file.path):
            check_words(name)
            assert name.strip()
            assert not re.search(r"[/\\\n\t]", name)
            assert len(name) <= MAX_NAME + 10
        assert re.fullmatch(r"[^\s]+", file.type), file.type


def _places(reading: Reading) -> Iterator[dict[str, Any]]:
    for found in reading.evidence.values():
        yield found
        yield from (each for each in found["alternatives"] if "source" in each)
    for absence in reading.missing:
        yield from absence["readings"]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _texts(name)
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
