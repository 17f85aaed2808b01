"""Mail made to be slow or large is read within limits. Times are processor time, with a margin for a busy machine."""

from collections.abc import Callable
from time import process_time

import pytest

from tests.worker.reading.mails import HEAD
from worker.reading import ReadingLimits, read, read_headers

#: Seconds of processor time that one hostile mail may take; most take under 0.3.
PATIENCE = 5.0

HEADERS = HEAD.encode()


def typed(kind: bytes, body: bytes) -> bytes:
    return HEADERS + b"Content-Type: " + kind + b"\r\n\r\n" + body


def nested(depth: int) -> bytes:
    levels = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))
    return HEADERS + levels + b"Content-Type: text/plain\r\n\r\nhi"


HOSTILE: dict[str, Callable[[], bytes]] = {
    "10,000 parts": lambda: typed(b"multipart/mixed; boundary=b", b"--b\r\n\r\nx\r\n" * 10_000 + b"--b--"),
    "1,000 levels": lambda: nested(1000),
    "3,000 recipients": lambda: (
        b"To: " + b",\r\n ".join(b"U%d <u%d@x.example>" % (n, n) for n in range(3000)) + b"\r\n\r\nhi"
    ),
    "a header of 1 MB": lambda: b"X-A: " + b"a" * 1_000_000 + b"\r\n" + HEADERS + b"\r\nhi",
    "100,000 headers": lambda: b"X-A: 1\r\n" * 100_000 + HEADERS + b"\r\nhi",
    "300,000 folds": lambda: b"X-A: a\r\n" + b" \r\n" * 300_000 + HEADERS + b"\r\nhi",
    "100,000 encoded words": lambda: b"Subject: " + b"=?utf-8?q?a?= " * 100_000 + b"\r\n\r\nhi",
    "50,000 parameters": lambda: b"Content-Type: text/plain" + b"; a=b" * 50_000 + b"\r\n\r\nhi",
    "60,000 brackets in From": lambda: b"From: " + b"(" * 60_000 + b"\r\nTo: " + b"<" * 60_000 + b"\r\n\r\nhi",
    "60,001 quotes in From": lambda: b"From: " + b'"' * 60_001 + b"\r\nTo: " + b"\\" * 60_000 + b"\r\n\r\nhi",
    "On and 20,000 blanks": lambda: typed(b"text/plain", b"On " + b" " * 20_000 + b"wrote\r\n"),
    "attributions that never end": lambda: typed(b"text/plain", (b"On " + b" " * 150 + b"1\r\n") * 20_000),
    "a million boundaries that are none": lambda: typed(b"multipart/mixed; boundary=b", b"\n--b x" * 1_000_000),
    "five million newlines": lambda: b"\r\n" * 5_000_000,
    "five million blanks": lambda: typed(b"text/plain", b" " * 5_000_000),
    "250,000 colons": lambda: typed(b"text/plain", b":" * 250_000),
    "60,000 labels": lambda: typed(b"text/plain", b"policy " * 60_000),
    "20,000 values": lambda: typed(b"text/plain", b"Policy number: AB-12345 " * 20_000),
    "one endless number": lambda: typed(b"text/plain", b"Amount: " + b"1.1," * 60_000),
    "40,000 cells": lambda: typed(b"text/plain", b"Policy\t" * 40_000),
    "quotes only": lambda: typed(b"text/plain", b"> a\r\n" * 100_000),
    "60,000 quotes in foreign letters": lambda: typed(b"text/plain; charset=utf-8", "😀\n>a\n".encode() * 60_000),
    "20,000 header blocks": lambda: typed(b"text/plain", b"From: a\r\nTo: b\r\nSubject: c\r\n" * 20_000),
    "format=flowed": lambda: typed(b"text/plain; format=flowed", b"a \r\n" * 200_000),
    "HTML 20,000 deep": lambda: typed(b"text/html", b"<div>" * 20_000 + b"hello" + b"</div>" * 20_000),
    "tables 20,000 deep": lambda: typed(b"text/html", b"<table><tr><td>" * 20_000 + b"hello"),
    "foreign elements 20,000 deep": lambda: typed(b"text/html", b"<svg><math><p><table>" * 20_000),
    "100,000 attributes": lambda: typed(b"text/html", b"<p " + b" ".join(b"a%d=1" % n for n in range(100_000)) + b">x"),
    "4 MB of HTML": lambda: typed(
        b"text/html", b"<table>" + b"<tr><td>Policy number</td><td>AB-12345</td></tr>" * 80_000
    ),
    "120,000 links": lambda: typed(b"text/html", b"<a href='http://x.example/'>x</a> " * 120_000),
    "a data: URI of 3 MB": lambda: typed(
        b"text/html", b"<p>hi</p><img src='data:image/png;base64," + b"A" * 3_000_000 + b"'>"
    ),
    "data: URIs in plain text": lambda: typed(b"text/plain", b"data:image/png;base64," + b"A" * 3_000_000),
    "a million brackets": lambda: typed(b"text/html", b"<" * 1_000_000),
    "250,000 comments": lambda: typed(b"text/html", b"<!--" * 250_000),
    "200,000 asterisks": lambda: typed(b"text/plain", b"*" * 200_000),
    "200,000 asterisks and blanks": lambda: typed(b"text/plain", b"* *" * 66_000 + b"!"),
    "200,000 marks": lambda: typed(b"text/plain", b"-_=" * 66_000 + b"!"),
    "punycode": lambda: typed(b"text/plain; charset=punycode", b"a" * 200_000 + b"-b"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_is_read_in_time_and_within_limits(name: str) -> None:
    raw = HOSTILE[name]()
    started = process_time()
    reading = read(raw)
    assert process_time() - started < PATIENCE
    limits = ReadingLimits()
    assert len(reading.text) <= limits.text_characters
    assert len(reading.attachments) <= limits.parts
    assert len(reading.to) <= limits.recipients
    assert len(reading.html) <= 8 * limits.html_characters


@pytest.mark.parametrize("name", HOSTILE)
def test_the_headers_of_hostile_mail_are_read_in_time(name: str) -> None:
    raw = HOSTILE[name]()
    started = process_time()
    read_headers(raw)
    assert process_time() - started < PATIENCE


def test_parts_over_the_limit_are_left_out_and_reported() -> None:
    reading = read(HOSTILE["10,000 parts"]())
    assert {"truncated", "needs_review"} <= set(reading.flags)
    assert reading.text.count("x") == ReadingLimits().parts - 1


def test_text_20000_levels_deep_is_found() -> None:
    assert read(HOSTILE["HTML 20,000 deep"]()).text == "hello"
    assert read(HOSTILE["tables 20,000 deep"]()).text == "hello"


def test_the_subject_is_found_after_a_header_of_1_mb() -> None:
    raw = HEADERS + b"Subject: still here\r\nX-A: " + b"a" * 1_000_000 + b"\r\n\r\nbody"
    assert read(raw).subject == "still here"
    assert read(raw).text == "body"
